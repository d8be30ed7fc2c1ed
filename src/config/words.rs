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
                // YAML 1.1 tools turn the word `off` into false when they rewrite a file.
                (*node == Node::Bool(false)).then(|| Self::parse("off")).flatten()
            }
        }
    };
}

words! {
    /// How the API key is sent to Deepgram.
    Auth {
        /// `Authorization: Token KEY`.
        Token = "token",
        /// `Authorization: Bearer KEY`.
        Bearer = "bearer",
        /// Not at all: for a self-hosted Deepgram without keys.
        None = "none",
    }
}

words! {
    /// What follows the death of a connection.
    RecoveryMode {
        /// The session stays dead.
        Latch = "latch",
        /// A new connection takes over.
        Reconnect = "reconnect",
    }
}

words! {
    /// What the speech detector does.
    VadMode {
        /// Does not run.
        Off = "off",
        /// Runs and is measured, but all audio is sent.
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
        /// Human-readable lines.
        Text = "text",
    }
}

words! {
    /// Minimum level to log.
    LogLevel {
        /// Data was lost, or an operator must act.
        Error = "error",
        /// Unexpected, but recovered.
        Warn = "warn",
        /// The lifecycle of sessions and of the daemon.
        Info = "info",
        /// Details for developers of the sidecar.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// How traces are exported.
    OtlpProtocol {
        /// Protobuf over HTTP.
        Http = "http",
    }
}
