//! Untrusted text on a terminal: tags come from applications, a death's detail from Deepgram.
//! Neither may move the cursor or reverse the line.

/// The text on one line, with invisible characters escaped.
pub(super) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Line separators, and characters that change the direction of the surrounding text.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_moves_the_cursor_or_turns_the_line() {
        assert_eq!(line("a\x1b[2J\r\nb\u{9b}c\u{202e}d"), "a\\u{1b}[2J\\r\\nb\\u{9b}c\\u{202e}d");
        assert_eq!(line("größer \"als\" 音声"), "größer \"als\" 音声");
    }
}
