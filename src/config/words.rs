//! Settings that take one of a few words.

use super::document::Node;
use super::setting::Setting;

/// Defines an enum whose variants are written as words, and how it is read and written.
macro_rules! words {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The word as it is written in the file.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl Setting for $name {
            fn wants() -> String {
                let words: Vec<_> = Self::ALL.iter().map(|word| word.as_str()).collect();
                let (last, others) = words.split_last().expect("an enum of words has some");
                match others {
                    [] => (*last).to_owned(),
                    _ => format!("{} or {last}", others.join(", ")),
                }
            }

            fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }

            fn write(&self) -> serde_yaml::Value {
                self.as_str().into()
            }

            fn read_other(node: &Node) -> Option<Self> {
                // YAML 1.1 tools turn the word `off` into false when they pass a file on.
                (*node == Node::Bool(false)).then(|| Self::parse("off")).flatten()
            }
        }
    };
}

words! {
    /// How the API key is shown to Deepgram.
    Auth {
        /// `Authorization: Token KEY`.
        Token = "token",
        /// `Authorization: Bearer KEY`.
        Bearer = "bearer",
        /// Not at all: a self-hosted Deepgram that asks for none.
        None = "none",
    }
}

words! {
    /// What follows the death of a connection.
    RecoveryMode {
        /// The death is the session's last word.
        Latch = "latch",
        /// A new connection takes over.
        Reconnect = "reconnect",
    }
}

words! {
    /// What the speech detector does.
    VadMode {
        /// It does not run.
        Off = "off",
        /// It runs and is measured; all audio is sent.
        Shadow = "shadow",
        /// Silence is not sent.
        Active = "active",
    }
}

words! {
    /// How log lines are written.
    LogFormat {
        /// One JSON object per line.
        Json = "json",
        /// Lines for people.
        Text = "text",
    }
}

words! {
    /// The least important log lines that are written.
    LogLevel {
        /// Data was lost or an operator is needed.
        Error = "error",
        /// Unexpected, and recovered from.
        Warn = "warn",
        /// The lives of sessions and of the daemon.
        Info = "info",
        /// What a developer of the sidecar wants to see.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// How traces travel.
    OtlpProtocol {
        /// Protobuf over HTTP.
        Http = "http",
    }
}
