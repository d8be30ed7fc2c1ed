//! Deepgram's close frames as causes of death: the close code, and Deepgram's own code in the text.

use crate::death::Reason;

/// Words in a close reason that point to the account.
const ACCOUNT_WORDS: [&str; 9] =
    ["credit", "credits", "balance", "key", "keys", "limit", "limits", "quota", "payment"];

crate::vocabulary! {
    /// Deepgram's own codes in the text of a close frame.
    pub enum DgCode: "dg_code" {
        /// No code in the text.
        None = "none",
        /// NET-0000.
        Net0000 = "net_0000",
        /// NET-0001.
        Net0001 = "net_0001",
        /// DATA-0000.
        Data0000 = "data_0000",
        /// An unknown code.
        Other = "other",
    }
}

/// The cause named by a close frame. Deepgram gives its own code as a link in an English sentence;
/// older texts contain the bare code.
pub fn reason_of_close(code: Option<u16>, text: &str) -> Reason {
    let text = text.to_ascii_lowercase();
    match dg_code_of(&text) {
        DgCode::Net0001 => Reason::Net0001Idle,
        DgCode::Net0000 => Reason::Net0000NoResult,
        DgCode::Data0000 => Reason::Data0000Undecodable,
        DgCode::None | DgCode::Other => {
            let mut words = text.split(|it: char| !it.is_alphanumeric());
            match words.any(|word| ACCOUNT_WORDS.contains(&word)) {
                true => Reason::ClosedAccount,
                false => reason_of_code(code, &text),
            }
        }
    }
}

/// Deepgram's own code in a close reason.
pub fn dg_code_of(text: &str) -> DgCode {
    let text = text.to_ascii_lowercase();
    let names = |code: &str| text.contains(code) || text.contains(&code.replacen('0', "-0", 1));
    if names("net0001") {
        DgCode::Net0001
    } else if names("net0000") {
        DgCode::Net0000
    } else if names("data0000") {
        DgCode::Data0000
    } else if text.split(|it: char| !(it.is_alphanumeric() || it == '-')).any(is_dg_code) {
        DgCode::Other
    } else {
        DgCode::None
    }
}

/// Letters and four digits, with or without a hyphen: the form of all Deepgram codes.
fn is_dg_code(word: &str) -> bool {
    let Some((letters, digits)) = word.split_at_checked(word.len().saturating_sub(4)) else {
        return false;
    };
    let letters = letters.strip_suffix('-').unwrap_or(letters);
    letters.len() >= 3
        && letters.bytes().all(|byte| byte.is_ascii_lowercase())
        && digits.len() == 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn reason_of_code(code: Option<u16>, text: &str) -> Reason {
    match code {
        None | Some(1000) => Reason::ClosedEarly,
        Some(1001 | 1012 | 1013) => Reason::ClosedGoingAway,
        Some(1011) => Reason::ProviderError,
        // What the WebSocket library substitutes for a code that RFC 6455 forbids on the wire.
        Some(1002) if text == "protocol violation" => Reason::WsProtocol,
        Some(_) => Reason::ClosedOther,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deepgrams_sentences_and_bare_codes_are_both_understood() {
        let sentence = "Deepgram did not receive audio data or a text message within the timeout \
                        window. See https://dpgr.am/net0001";
        assert_eq!(reason_of_close(Some(1011), sentence), Reason::Net0001Idle);
        assert_eq!(reason_of_close(Some(1011), "NET-0001"), Reason::Net0001Idle);
        assert_eq!(
            reason_of_close(Some(1011), "See https://dpgr.am/net0000"),
            Reason::Net0000NoResult
        );
        assert_eq!(reason_of_close(Some(1008), "DATA-0000"), Reason::Data0000Undecodable);
        assert_eq!(reason_of_close(Some(1008), "dpgr.am/data0000"), Reason::Data0000Undecodable);
    }

    #[test]
    fn deepgrams_codes_are_found_in_the_text_and_unknown_ones_noticed() {
        for (text, code) in [
            ("See https://dpgr.am/net0001", DgCode::Net0001),
            ("NET-0000", DgCode::Net0000),
            ("data0000", DgCode::Data0000),
            ("See https://dpgr.am/auth0042", DgCode::Other),
            ("MIPS-0001: gone", DgCode::Other),
            ("bye, 2026", DgCode::None),
            ("", DgCode::None),
            ("\u{fffd}\u{fffd}\u{fffd}", DgCode::None),
        ] {
            assert_eq!(dg_code_of(text), code, "{text}");
        }
    }

    #[test]
    fn codes_decide_where_the_text_does_not() {
        for (code, reason) in [
            (None, Reason::ClosedEarly),
            (Some(1000), Reason::ClosedEarly),
            (Some(1001), Reason::ClosedGoingAway),
            (Some(1012), Reason::ClosedGoingAway),
            (Some(1013), Reason::ClosedGoingAway),
            (Some(1011), Reason::ProviderError),
            (Some(1002), Reason::ClosedOther),
            (Some(1008), Reason::ClosedOther),
            (Some(4000), Reason::ClosedOther),
        ] {
            assert_eq!(reason_of_close(code, "bye"), reason, "{code:?}");
        }
    }

    #[test]
    fn an_account_is_named_by_whole_words_only() {
        assert_eq!(reason_of_close(Some(1008), "Invalid API key."), Reason::ClosedAccount);
        assert_eq!(reason_of_close(Some(1011), "out of credits"), Reason::ClosedAccount);
        assert_eq!(reason_of_close(Some(1011), "keepalive ping timeout"), Reason::ProviderError);
    }
}
