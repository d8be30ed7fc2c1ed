//! The W3C `traceparent` that an application may hand over.

/// Whether a text is a sound `traceparent`: version, trace id, parent id and flags in lower-case
/// hex, ids not zero; version 00 has nothing after them, a later one may.
pub fn is_valid(text: &str) -> bool {
    let mut fields = text.split('-');
    let mut field = |length: usize| {
        fields.next().filter(|it| it.len() == length && it.bytes().all(is_lower_hex))
    };
    let (version, trace, parent, flags) = (field(2), field(32), field(16), field(2));
    let is_id = |id: Option<&str>| id.is_some_and(|id| id.bytes().any(|byte| byte != b'0'));
    let version_fits = match version {
        None | Some("ff") => false,
        Some("00") => fields.next().is_none(),
        Some(_) => true,
    };
    version_fits && is_id(trace) && is_id(parent) && flags.is_some()
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn the_standard_form_and_later_versions_are_taken() {
        assert!(is_valid("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        assert!(is_valid("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
    }

    #[test]
    fn breaches_of_the_form_are_not() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert!(!is_valid(text), "{text}");
        }
    }
}
