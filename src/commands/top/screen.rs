//! What `top` draws.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Row, Table};

use super::view::{View, letter};
use crate::admin::column::{COLUMNS, Column, SortKey, Tone};
use crate::commands::live::{Session, Sessions, Totals};
use crate::commands::plain;

/// Between two columns.
const SPACING: u16 = 2;

/// Maximum column width, so that one long name does not hide the others.
const WIDTH_MAX: u16 = 40;

/// How sessions are highlighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Palette {
    Coloured,
    /// With `NO_COLOR`: bold and underlined.
    Plain,
}

impl Palette {
    pub(super) fn of_environment() -> Self {
        let wish = std::env::var_os("NO_COLOR");
        if wish.is_some_and(|wish| !wish.is_empty()) { Self::Plain } else { Self::Coloured }
    }

    fn of_tone(self, tone: Tone) -> Style {
        match (self, tone) {
            (_, Tone::Calm) => Style::new(),
            (Self::Coloured, Tone::Warning) => Style::new().fg(Color::Yellow),
            (Self::Coloured, Tone::Alarm) => Style::new().fg(Color::Red),
            (Self::Plain, Tone::Warning) => Style::new().add_modifier(Modifier::UNDERLINED),
            (Self::Plain, Tone::Alarm) => Style::new().add_modifier(Modifier::BOLD),
        }
    }
}

/// Draws everything, and tells the view how many sessions fit.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View, palette: Palette) {
    let [head, trouble, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    view.rows = usize::from(body.height.saturating_sub(1)).max(1);
    frame.render_widget(headline(view), head);
    if let Some(sentence) = &view.trouble {
        frame.render_widget(Line::styled(sentence, palette.of_tone(Tone::Alarm)), trouble);
    }
    if let Some(seen) = &view.seen {
        draw_sessions(frame, body, seen, view, palette);
    }
    frame.render_widget(keys(), foot);
}

fn headline(view: &View) -> Line<'static> {
    let Some(seen) = &view.seen else {
        return Line::from(format!("deepgram-sidecar at {}", view.address));
    };
    Line::from(format!("{}  {}", view.address, in_numbers(&seen.summary, seen.total)))
}

/// `sessions 5 (4 open, 1 dead)  stalled 1  deaths 3  keepalives 130`.
fn in_numbers(summary: &Totals, total: u64) -> String {
    let states = summary.states.iter().filter_map(|(state, count)| {
        let count = count.as_u64().filter(|count| *count > 0)?;
        Some(format!("{count} {}", plain::line(state)))
    });
    let states = states.collect::<Vec<_>>().join(", ");
    let states = if states.is_empty() { states } else { format!(" ({states})") };
    let Totals { stalled, deaths, keepalives, .. } = summary;
    format!("sessions {total}{states}  stalled {stalled}  deaths {deaths}  keepalives {keepalives}")
}

fn draw_sessions(
    frame: &mut Frame<'_>,
    area: Rect,
    seen: &Sessions,
    view: &View,
    palette: Palette,
) {
    let columns = fitting(&seen.sessions, area.width);
    let titles = columns.iter().map(|(column, _)| cell(column, title(column, view)));
    let row = |session: &Session| {
        let cells = columns.iter().map(|(column, _)| cell(column, session.cell(column)));
        Row::new(cells).style(palette.of_tone(session.tone()))
    };
    let widths = columns.iter().map(|(_, width)| Constraint::Length(*width));
    let header = Row::new(titles).style(Style::new().add_modifier(Modifier::REVERSED));
    let table =
        Table::new(seen.sessions.iter().map(row), widths).column_spacing(SPACING).header(header);
    frame.render_widget(table, area);
}

/// The columns that fit, from the left, each as wide as its content.
fn fitting(sessions: &[Session], room: u16) -> Vec<(&'static Column, u16)> {
    let mut taken = 0;
    let with_width = COLUMNS.iter().map(|column| (column, width(column, sessions)));
    with_width
        .take_while(|(_, width)| {
            let is_first = taken == 0;
            taken += width + if is_first { 0 } else { SPACING };
            is_first || taken <= room
        })
        .collect()
}

fn width(column: &Column, sessions: &[Session]) -> u16 {
    let cells = sessions.iter().map(|session| Line::from(session.cell(column)).width());
    // The title may have an arrow.
    let title = column.title.len() + if column.sort_key().is_some() { 1 } else { 0 };
    let widest = cells.fold(title, usize::max);
    u16::try_from(widest).unwrap_or(u16::MAX).min(WIDTH_MAX)
}

fn title(column: &Column, view: &View) -> String {
    let title = column.title.to_uppercase();
    if column.sort_key() != Some(view.sort) {
        return title;
    }
    format!("{title}{}", if view.is_ascending { '▲' } else { '▼' })
}

fn cell(column: &Column, text: String) -> Cell<'static> {
    let text = Text::from(text);
    Cell::from(if column.is_quantity() { text.right_aligned() } else { text })
}

/// What each key does.
fn keys() -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = vec![Span::raw("sort by")];
    for key in SortKey::ALL {
        spans.push(Span::styled(format!(" {}", letter(key)), bold));
        spans.push(Span::raw(format!(" {}", key.as_str())));
    }
    for (key, what) in [("  o", " reverse"), ("  q", " quit")] {
        spans.extend([Span::styled(key, bold), Span::raw(what)]);
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Buffer;

    use super::*;
    use crate::commands::live::tests::sessions;

    fn view() -> View {
        let mut view = View::new("127.0.0.1:9464".into(), SortKey::SendAge);
        view.take(Ok(sessions()));
        view
    }

    fn drawn(view: &mut View, width: u16, height: u16, palette: Palette) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view, palette)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn lines(buffer: &Buffer) -> Vec<String> {
        let width = usize::from(buffer.area.width);
        let rows = buffer.content.chunks(width);
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().into())
            .collect()
    }

    #[test]
    fn everything_has_its_place() {
        let mut view = view();
        let lines = lines(&drawn(&mut view, 110, 7, Palette::Coloured));
        assert_eq!(
            lines,
            [
                "127.0.0.1:9464  sessions 5 (4 open, 1 dead)  stalled 1  deaths 3  keepalives 130",
                "",
                "SESSION  STATE                   AGE  SENT▼   RECEIVED   LAG     QUEUE   KEEPALIVES  AUDIO  FINALIZES",
                "call-7   open                 12m34s   1.2s       0.3s  0.8s  3.12 KiB          128  40.0s  12, 3 failed",
                "call-8   dead: net_0001_idle   31.0s  12.0s          -     -       0 B            2      -  0",
                "",
                "sort by a age s send_age r receive_age l lag u queue k keepalives g gate_open v saving  o reverse  q quit",
            ],
            "\n{}",
            lines.join("\n")
        );
        assert_eq!(view.rows, 3);
    }

    #[test]
    fn the_dead_are_red_and_without_colours_bold() {
        let style = |palette| {
            let buffer = drawn(&mut view(), 100, 7, palette);
            [buffer[(0, 3)].style(), buffer[(0, 4)].style()].map(|it| (it.fg, it.add_modifier))
        };
        let plain = (Some(Color::Reset), Modifier::empty());
        assert_eq!(style(Palette::Coloured), [plain, (Some(Color::Red), Modifier::empty())]);
        assert_eq!(style(Palette::Plain), [plain, (Some(Color::Reset), Modifier::BOLD)]);
    }

    #[test]
    fn a_late_keepalive_is_yellow() {
        let mut view = view();
        view.seen.as_mut().unwrap().sessions[0].figures.send_age_ms = Some(9_000);
        let buffer = drawn(&mut view, 100, 7, Palette::Coloured);
        assert_eq!(buffer[(0, 3)].style().fg, Some(Color::Yellow));
    }

    #[test]
    fn an_absent_daemon_is_said_above_what_was_seen_last() {
        let mut view = view();
        view.trouble = Some("cannot reach 127.0.0.1:9464, retrying: connection refused".into());
        let lines = lines(&drawn(&mut view, 100, 7, Palette::Coloured));
        assert_eq!(lines[1], "cannot reach 127.0.0.1:9464, retrying: connection refused");
        assert!(lines[3].starts_with("call-7"), "{lines:?}");
    }

    #[test]
    fn no_terminal_is_too_small() {
        for (width, height) in [(0, 0), (1, 1), (3, 2), (20, 3), (40, 4), (300, 100)] {
            drawn(&mut view(), width, height, Palette::Coloured);
        }
        let narrow = lines(&drawn(&mut view(), 45, 6, Palette::Coloured));
        assert_eq!(narrow[3], "call-7   open                 12m34s   1.2s");
    }

    #[test]
    fn a_name_of_the_longest_kind_leaves_the_others_in_sight() {
        let mut view = view();
        view.seen.as_mut().unwrap().sessions[0].session_id = "x".repeat(64);
        let lines = lines(&drawn(&mut view, 100, 7, Palette::Coloured));
        assert!(lines[3].contains("x  open"), "{lines:?}");
    }
}
