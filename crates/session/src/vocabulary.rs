//! Closed vocabularies: each word is spelled once, and so is the key under which the words appear in
//! events, log lines, metric labels and spans.

/// A closed set of words.
pub trait Vocabulary: Copy + 'static {
    /// The name of the JSON member, the log field, the metric label and the span attribute.
    const KEY: &'static str;

    /// Every word, in declaration order.
    fn all() -> &'static [Self];

    /// The word.
    fn word(self) -> &'static str;
}

/// Declares an enum that is a closed vocabulary: its key, and each variant with its word.
#[macro_export]
macro_rules! vocabulary {
    (
        $(#[$doc:meta])*
        pub enum $name:ident: $key:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every word, in declaration order.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::Vocabulary for $name {
            const KEY: &'static str = $key;

            fn all() -> &'static [Self] {
                &Self::ALL
            }

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    };
}
