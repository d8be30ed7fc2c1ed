//! Which words speech is made into, and how far along a speaker is in them.

/// A text, taken apart.
#[derive(Debug)]
pub(super) struct Words {
    words: Vec<Spoken>,
}

/// A word in the two forms that Deepgram gives it.
#[derive(Debug)]
pub(super) struct Spoken {
    /// Lower case, without punctuation.
    pub(super) plain: String,
    /// As it was written.
    pub(super) punctuated: String,
}

impl Words {
    pub(super) fn new(text: &str) -> Self {
        let mut words: Vec<Spoken> = text.split_whitespace().map(Spoken::new).collect();
        if words.is_empty() {
            words.push(Spoken::new("..."));
        }
        Self { words }
    }

    /// The word at a place in the endless recitation.
    pub(super) fn get(&self, place: usize) -> &Spoken {
        &self.words[place % self.words.len()]
    }
}

impl Spoken {
    fn new(written: &str) -> Self {
        let kept = written.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let plain = if kept.is_empty() { written.to_lowercase() } else { kept };
        Self { plain, punctuated: written.to_owned() }
    }
}

/// A steady, plausible number for the word at a place in the recitation.
pub(super) fn confidence(place: usize) -> f32 {
    0.9 + (place * 37 % 100) as f32 / 1_100.0
}

/// The first half of a word: what it sounds like before it is over.
pub(super) fn first_half(word: &str) -> &str {
    let half = word.chars().count().div_ceil(2);
    word.char_indices().nth(half).map_or(word, |(end, _)| &word[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_recited_again_and_again() {
        let words = Words::new("Hello, world's end.");
        let plain: Vec<&str> = (0..5).map(|place| words.get(place).plain.as_str()).collect();
        assert_eq!(plain, ["hello", "world's", "end", "hello", "world's"]);
        assert_eq!(words.get(3).punctuated, "Hello,");
    }

    #[test]
    fn a_half_word_is_cut_between_characters() {
        assert_eq!(first_half("wäsche"), "wäs");
        assert_eq!(first_half("a"), "a");
    }
}
