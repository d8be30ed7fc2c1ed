//! What `top` currently shows, and how keys change it.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::admin::column::SortKey;
use crate::commands::admin::AskError;
use crate::commands::live::Sessions;
use crate::commands::plain;

/// What is shown, how, and the last response.
pub(super) struct View {
    /// The daemon's address.
    pub(super) address: String,
    pub(super) sort: SortKey,
    pub(super) is_ascending: bool,
    /// How many sessions fit.
    pub(super) rows: usize,
    /// The last good response.
    pub(super) seen: Option<Sessions>,
    /// Why the last request failed.
    pub(super) trouble: Option<String>,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    Quit,
    /// Another order: the daemon must be queried again, because it sorts.
    Sort,
    Nothing,
}

impl View {
    pub(super) fn new(address: String, sort: SortKey) -> Self {
        Self { address, sort, is_ascending: false, rows: 1, seen: None, trouble: None }
    }

    /// The page to request. The daemon sorts and truncates, so that the response stays small
    /// no matter how many sessions there are.
    pub(super) fn path(&self) -> String {
        let order = if self.is_ascending { "asc" } else { "desc" };
        format!("/sessions?sort={}&order={order}&limit={}", self.sort.as_str(), self.rows)
    }

    /// Stores a response. On failure the last one stays visible.
    pub(super) fn take(&mut self, answer: Result<Sessions, AskError>) {
        match answer {
            Ok(sessions) => {
                self.seen = Some(sessions);
                self.trouble = None;
            }
            Err(error) => self.trouble = Some(self.sentence(&error)),
        }
    }

    fn sentence(&self, error: &AskError) -> String {
        let why = match error {
            AskError::Unreachable { error, .. } => error.to_string(),
            other => other.to_string(),
        };
        format!("cannot reach {}, retrying: {}", self.address, plain::line(&why))
    }

    /// Handles a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Pressed {
        if key.kind == KeyEventKind::Release {
            return Pressed::Nothing;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'C') if is_control => Pressed::Quit,
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => Pressed::Quit,
            KeyCode::Char('o') => {
                self.is_ascending = !self.is_ascending;
                Pressed::Sort
            }
            KeyCode::Char(letter) => self.sort_by(letter),
            _ => Pressed::Nothing,
        }
    }

    fn sort_by(&mut self, letter: char) -> Pressed {
        match SortKey::ALL.into_iter().find(|key| self::letter(*key) == letter) {
            Some(key) => {
                self.sort = key;
                Pressed::Sort
            }
            None => Pressed::Nothing,
        }
    }
}

/// The key on the keyboard that sorts by this.
pub(super) fn letter(key: SortKey) -> char {
    match key {
        SortKey::Age => 'a',
        SortKey::SendAge => 's',
        SortKey::ReceiveAge => 'r',
        SortKey::Lag => 'l',
        SortKey::Queue => 'u',
        SortKey::Keepalives => 'k',
        SortKey::GateOpen => 'g',
        SortKey::Saving => 'v',
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn view() -> View {
        View::new("127.0.0.1:9464".into(), SortKey::SendAge)
    }

    fn press(view: &mut View, letter: char) -> Pressed {
        view.press(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE))
    }

    #[test]
    fn each_sort_key_has_a_letter_of_its_own_and_the_daemon_sorts() {
        for key in SortKey::ALL {
            let mut view = view();
            assert_eq!(press(&mut view, letter(key)), Pressed::Sort);
            assert_eq!(view.path(), format!("/sessions?sort={}&order=desc&limit=1", key.as_str()));
        }
    }

    #[test]
    fn o_turns_the_order_around_and_back() {
        let mut view = view();
        assert_eq!(press(&mut view, 'o'), Pressed::Sort);
        assert_eq!(view.path(), "/sessions?sort=send_age&order=asc&limit=1");
        press(&mut view, 'o');
        assert!(!view.is_ascending);
    }

    #[test]
    fn q_escape_and_control_c_quit_and_c_alone_does_not() {
        let mut view = view();
        assert_eq!(press(&mut view, 'q'), Pressed::Quit);
        assert_eq!(view.press(KeyEvent::from(KeyCode::Esc)), Pressed::Quit);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(view.press(control_c), Pressed::Quit);
        assert_eq!(press(&mut view, 'c'), Pressed::Nothing);
        let released = KeyEvent { kind: KeyEventKind::Release, ..KeyCode::Char('q').into() };
        assert_eq!(view.press(released), Pressed::Nothing);
    }

    #[test]
    fn an_absent_daemon_is_said_until_it_answers_and_what_was_seen_stays() {
        let mut view = view();
        view.take(Ok(Sessions { total: 3, ..Sessions::default() }));
        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
        let address = view.address.parse().unwrap();
        view.take(Err(AskError::Unreachable { address, error }));
        let said = view.trouble.as_deref();
        assert_eq!(said, Some("cannot reach 127.0.0.1:9464, retrying: connection refused"));
        assert_eq!(view.seen.as_ref().unwrap().total, 3);
        view.take(Ok(Sessions::default()));
        assert_eq!(view.trouble, None);
    }
}
