//! The live sessions as a table.

use comfy_table::{Cell, CellAlignment, ContentLineStyle, Table, TableStyle};

use crate::admin::column::COLUMNS;
use crate::commands::live::Sessions;

/// A header and a line per session, then how many are left out.
pub(super) fn of(sessions: &Sessions) -> String {
    if sessions.sessions.is_empty() {
        return "no live sessions".into();
    }
    let mut table = bare(COLUMNS.iter().map(|column| column.title.to_uppercase()));
    for session in &sessions.sessions {
        table.add_row(COLUMNS.iter().map(|column| session.cell(column)));
    }
    for (index, column) in COLUMNS.iter().enumerate() {
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
pub(in crate::commands) fn bare(titles: impl IntoIterator<Item = impl Into<Cell>>) -> Table {
    let mut table = Table::new();
    let style = TableStyle::new().header_lines(ContentLineStyle::none());
    table.load_style(style).set_header(titles);
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
                "SESSION  STATE                   AGE   SENT  RECEIVED   LAG     QUEUE  KEEPALIVES  AUDIO  FINALIZES     SDK            GATE            OPEN  SAVING",
                "call-7   open                 12m34s   1.2s      0.3s  0.8s  3.12 KiB         128  40.0s  12, 3 failed  python_legacy  active: speech  2.5s    9.0s",
                "call-8   dead: net_0001_idle   31.0s  12.0s         -     -       0 B           2      -  0             -              -                  -       -",
                "3 more: see --limit",
            ]
        );
    }

    #[test]
    fn that_there_is_no_session_is_said() {
        assert_eq!(of(&Sessions::default()), "no live sessions");
    }
}
