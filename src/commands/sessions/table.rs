//! The live sessions as a table.

use comfy_table::{CellAlignment, ContentLineStyle, Table, TableStyle};

use crate::commands::live::{Column, Sessions};

/// A header and a line per session, then how many are left out.
pub(super) fn of(sessions: &Sessions) -> String {
    if sessions.sessions.is_empty() {
        return "no live sessions".into();
    }
    let mut table = bare(Column::ALL.map(Column::title));
    for session in &sessions.sessions {
        table.add_row(Column::ALL.map(|column| column.cell(session)));
    }
    for (index, column) in Column::ALL.into_iter().enumerate() {
        if column.is_quantity() {
            let shown = table.column_mut(index).expect("the header has all columns");
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    let left_out = sessions.total.saturating_sub(sessions.sessions.len() as u64);
    match left_out {
        0 => table.trim_fmt(),
        _ => format!("{}\n{left_out} more: see --limit", table.trim_fmt()),
    }
}

/// A table without borders, so that other programs can parse it.
pub(super) fn bare(titles: impl IntoIterator<Item = &'static str>) -> Table {
    let mut table = Table::new();
    let style = TableStyle::new().header_lines(ContentLineStyle::none());
    table.load_style(style).set_header(titles.into_iter().collect::<Vec<_>>());
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::super::live::tests::sessions;
    use super::*;

    #[test]
    fn titles_stand_above_what_they_name() {
        let table = of(&sessions());
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "SESSION  STATE                   AGE   SENT  RECEIVED   LAG     QUEUE  KEEPALIVES  AUDIO  FINALIZES",
                "call-7   open                 12m34s   1.2s      0.3s  0.8s  3.12 KiB         128  40.0s  12, 3 failed",
                "call-8   dead: net_0001_idle   31.0s  12.0s         -     -       0 B           2      -  0",
                "3 more: see --limit",
            ]
        );
    }

    #[test]
    fn that_there_is_no_session_is_said() {
        assert_eq!(of(&Sessions::default()), "no live sessions");
    }
}
