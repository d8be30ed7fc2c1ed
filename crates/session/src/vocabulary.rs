//! Closed vocabularies: each word is spelled once, and so is the key under which the words appear in
//! events, log lines, metric labels and spans.

/// A closed set of words.
pub trait Vocabulary: Copy + 'static {
    /// The name of the JSON member, the log field, the metric label and the span attribute.
    const KEY: &'static str;

    /// Every word, in declaration order.
    fn all() -> &'static [Self];

    /// The word, in `snake_case`.
    fn word(self) -> &'static str;
}

/// Declares an enum that is a closed vocabulary: its key, and each variant with its word.
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
pub(crate) use vocabulary;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::close::DgCode;
    use crate::death::{Class, Reason, Trigger};
    use crate::dial::DialReason;
    use crate::fact::{ConnectionEnd, EndCause, GapLevel, SkipCause, Stage, StallOutcome};
    use crate::summary::Outcome;
    use crate::{ErrorCode, LossCause, Side, State};

    fn check<V: Vocabulary>() {
        let words: BTreeSet<_> = V::all().iter().map(|it| it.word()).collect();
        assert_eq!(words.len(), V::all().len(), "{}: a word is there twice", V::KEY);
        for word in words.into_iter().chain([V::KEY]) {
            let is_snake = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
            assert!(!word.is_empty() && word.chars().all(is_snake), "{}: {word}", V::KEY);
        }
    }

    #[test]
    fn every_word_is_snake_case_and_unique_in_its_vocabulary() {
        check::<Class>();
        check::<ConnectionEnd>();
        check::<DgCode>();
        check::<DialReason>();
        check::<EndCause>();
        check::<ErrorCode>();
        check::<GapLevel>();
        check::<LossCause>();
        check::<Outcome>();
        check::<Reason>();
        check::<Side>();
        check::<SkipCause>();
        check::<Stage>();
        check::<StallOutcome>();
        check::<State>();
        check::<Trigger>();
    }
}
