//! Whose request was refused, as a log line has it.

/// How much of a path, and of a `User-Agent`, is kept.
pub(super) const BYTES_MAX: usize = 128;

/// What a request says of itself. Nothing in it can end a line of the log, or steer a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Without the query, which may hold anything.
    pub path: String,
    pub user_agent: Option<String>,
}

impl Caller {
    pub(super) fn new(target: &str, user_agent: Option<&str>) -> Self {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let user_agent = user_agent.filter(|it| !it.is_empty());
        Self { path: harmless(path), user_agent: user_agent.map(harmless) }
    }
}

/// The beginning, with a question mark for what is neither printable nor ASCII.
fn harmless(text: &str) -> String {
    let beginning = &text[..text.floor_char_boundary(BYTES_MAX)];
    let kept = |it: &char| *it == ' ' || it.is_ascii_graphic();
    beginning.chars().map(|it| if kept(&it) { it } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_gets_no_query_no_control_character_and_no_more_than_its_share() {
        let caller = Caller::new("/v1/x?key=KEY&a=?", Some("a\r\n{\"b\":\u{1b}[31m\u{202e}\u{9b}"));
        assert_eq!(caller.path, "/v1/x");
        assert_eq!(caller.user_agent.as_deref(), Some("a??{\"b\":?[31m??"));
        let long = format!("{}\u{e9}", "x".repeat(BYTES_MAX - 1));
        let caller = Caller::new(&long, Some(""));
        assert_eq!((caller.path.len(), caller.user_agent), (BYTES_MAX - 1, None));
    }
}
