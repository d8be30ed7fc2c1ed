//! Deepgram's close frames and errors as causes of death: the close code, Deepgram's own code in the
//! text, and the `Error` message before it.

use std::fmt;

use crate::bounded;
use crate::death::Reason;

/// Words of Deepgram's that point to the account.
const ACCOUNT_WORDS: [&str; 9] =
    ["credit", "credits", "balance", "key", "keys", "limit", "limits", "quota", "payment"];

/// Codes of errors that end a connection on which nothing was sent: of `/v2/listen`, `/v2/speak` and
/// the Voice Agent.
const IDLE_CODES: [&str; 3] = ["INACTIVE_CLIENT", "NET-0004", "CLIENT_MESSAGE_TIMEOUT"];

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

/// Deepgram's close frame, as it stood on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseFrame {
    /// `None` if it had none.
    pub code: Option<u16>,
    /// Its text; what is not UTF-8 in it is replaced.
    pub text: String,
}

/// Deepgram's `Error` message: why it refuses something, or what it dies of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepgramError {
    /// `code`, or else `variant`; up to 1 KiB.
    pub code: Option<String>,
    /// `description`, up to 1 KiB; empty if there is none.
    pub description: String,
}

impl DeepgramError {
    /// What a message says. Its `message`, which repeats what the application sent, is left out.
    pub fn new(code: Option<String>, description: String) -> Self {
        Self { code: code.map(bounded), description: bounded(description) }
    }

    /// Whether it is about a text of the application's that Deepgram cannot read, which is fatal.
    pub fn is_of_text(&self) -> bool {
        self.code.as_deref() == Some("UNPARSABLE_CLIENT_MESSAGE")
    }

    /// Whether Deepgram has waited in vain for a word of ours.
    pub fn is_of_idling(&self) -> bool {
        self.code.as_deref().is_some_and(|code| IDLE_CODES.contains(&code))
    }

    /// The cause of an end that names none itself.
    pub fn reason(&self) -> Reason {
        let is_account = [self.code.as_deref(), Some(&self.description)]
            .into_iter()
            .flatten()
            .any(|text| speaks_of_account(&text.to_ascii_lowercase()));
        if is_account { Reason::ClosedAccount } else { Reason::ProviderError }
    }
}

impl fmt::Display for DeepgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_deref(), self.description.as_str()) {
            (Some(code), "") => f.write_str(code),
            (Some(code), description) => write!(f, "{code}: {description}"),
            (None, "") => f.write_str("without code and description"),
            (None, description) => f.write_str(description),
        }
    }
}

fn speaks_of_account(lower_case: &str) -> bool {
    let mut words = lower_case.split(|it: char| !it.is_alphanumeric());
    words.any(|word| ACCOUNT_WORDS.contains(&word))
}

/// Whether a peer may send this code: RFC 6455, section 7.4, and the IANA registry.
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The cause named by a close frame. Deepgram gives its own code as a link in an English sentence;
/// older texts contain the bare code.
pub fn reason_of_close(code: Option<u16>, text: &str) -> Reason {
    if code.is_some_and(|code| !may_be_sent(code)) {
        return Reason::WsProtocol;
    }
    let text = text.to_ascii_lowercase();
    match dg_code_of(&text) {
        DgCode::Net0001 => Reason::Net0001Idle,
        DgCode::Net0000 => Reason::Net0000NoResult,
        DgCode::Data0000 => Reason::Data0000Undecodable,
        DgCode::None | DgCode::Other => {
            if speaks_of_account(&text) {
                Reason::ClosedAccount
            } else {
                reason_of_code(code)
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

fn reason_of_code(code: Option<u16>) -> Reason {
    match code {
        None | Some(1000) => Reason::ClosedEarly,
        Some(1001 | 1012 | 1013) => Reason::ClosedGoingAway,
        // An error of its own, or of the proxy before it.
        Some(1011 | 1014) => Reason::ProviderError,
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
            (Some(1014), Reason::ProviderError),
            (Some(1002), Reason::ClosedOther),
            (Some(1008), Reason::ClosedOther),
            (Some(4000), Reason::ClosedOther),
        ] {
            assert_eq!(reason_of_close(code, "bye"), reason, "{code:?}");
        }
    }

    #[test]
    fn a_code_that_may_not_be_sent_is_a_breach_whatever_its_text() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(reason_of_close(Some(code), "NET-0001"), Reason::WsProtocol, "{code}");
        }
    }

    #[test]
    fn an_error_names_the_account_or_deepgram_itself() {
        let error = |code: &str, description: &str| {
            DeepgramError::new((!code.is_empty()).then(|| code.to_owned()), description.to_owned())
        };
        for (error, reason, text) in [
            (
                error("INSUFFICIENT_CREDITS", "Top up."),
                Reason::ClosedAccount,
                "INSUFFICIENT_CREDITS: Top up.",
            ),
            (error("", "Invalid API key."), Reason::ClosedAccount, "Invalid API key."),
            (error("SchemaError", ""), Reason::ProviderError, "SchemaError"),
            (
                error("", "unknown field `keyterm`"),
                Reason::ProviderError,
                "unknown field `keyterm`",
            ),
            (error("", ""), Reason::ProviderError, "without code and description"),
        ] {
            assert_eq!((error.reason(), error.to_string()), (reason, text.to_owned()));
        }
    }

    #[test]
    fn an_account_is_named_by_whole_words_only() {
        assert_eq!(reason_of_close(Some(1008), "Invalid API key."), Reason::ClosedAccount);
        assert_eq!(reason_of_close(Some(1011), "out of credits"), Reason::ClosedAccount);
        assert_eq!(reason_of_close(Some(1011), "keepalive ping timeout"), Reason::ProviderError);
    }
}
