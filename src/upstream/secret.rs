//! The credential, kept out of what a peer repeats of it: error pages of proxies show requests.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

/// A shorter text is no key, and may be part of any word.
const BYTES_MIN: usize = 8;

const HIDDEN: &str = "[hidden]";

/// What a request was authorized with, without the scheme.
#[derive(Clone, Default)]
pub struct Secret(Option<Arc<str>>);

/// Shows nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The secret in an `Authorization`.
    pub fn of(authorization: Option<&HeaderValue>) -> Self {
        let text = authorization.and_then(|it| it.to_str().ok());
        let key = text.and_then(|it| it.split_once(' ')).map(|(_, key)| key);
        Self(key.filter(|key| key.len() >= BYTES_MIN).map(Into::into))
    }

    /// The text without it. To be asked before a text is cut, which may leave half of it.
    pub fn hide(&self, text: String) -> String {
        match &self.0 {
            Some(key) if text.contains(&**key) => text.replace(&**key, HIDDEN),
            _ => text,
        }
    }

    /// A body without it; otherwise as it came.
    pub fn hide_in(&self, body: Bytes) -> Bytes {
        let Some(key) = &self.0 else { return body };
        let holds_it = body.windows(key.len()).any(|window| window == key.as_bytes());
        if !holds_it {
            return body;
        }
        self.hide(String::from_utf8_lossy(&body).into_owned()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_repeats_of_it_is_hidden_and_nothing_else() {
        let secret = Secret::of(Some(&HeaderValue::from_static("Token sk-SECRETKEY")));
        let told = "refused Token sk-SECRETKEY (sk-SECRETKEY)".to_owned();
        assert_eq!(secret.hide(told), "refused Token [hidden] ([hidden])");
        let short = Secret::of(Some(&HeaderValue::from_static("Token the")));
        assert_eq!(short.hide("the end".to_owned()), "the end");
        assert_eq!(Secret::default().hide("the end".to_owned()), "the end");
        let body = secret.hide_in(Bytes::from_static(b"\xff sk-SECRETKEY"));
        assert_eq!(body, "\u{fffd} [hidden]");
        let innocent = Bytes::from_static(b"\xff\xfe");
        assert_eq!(secret.hide_in(innocent.clone()), innocent);
    }
}
