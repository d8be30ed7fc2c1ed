//! Leaves out of a Results message the words that the application has.
//!
//! Only a result that begins before what it has known comes this way: one or two after a reconnect.
//! Beside the words, only the transcript changes. Everything else in the message still says what
//! Deepgram said of all the words: `search`, `paragraphs`, `confidence`, and `entities`, which count
//! words from the first that Deepgram sent.

use super::edits::With;
use super::{Ends, Walk};

impl<'a> Walk<'a> {
    /// Whether there may be words in a Results message that the application has. `start` is the
    /// message's, if it came before the words, as it does.
    pub(super) fn may_be_cut(&mut self, start: Option<usize>) -> bool {
        let known_end = self.times.known_end();
        known_end > 0.0 && self.seconds(start).is_none_or(|start| start < known_end)
    }

    pub(super) fn cut_channel(&mut self) -> Option<()> {
        let member = |walk: &mut Self, key: &[u8]| match key {
            b"alternatives" => walk.array(Self::cut_alternative).map(|()| true),
            _ => Some(false),
        };
        self.object(member).map(drop)
    }

    /// Cuts the words, and puts the transcript together anew if there were any to cut.
    fn cut_alternative(&mut self) -> Option<()> {
        let from = self.transcripts.len();
        let (mut transcript, mut is_cut) = (None, false);
        self.object(|walk, key| {
            match key {
                b"transcript" if walk.cursor.peek() == Some(b'"') => {
                    transcript = Some(walk.transcript()?);
                }
                b"words" => is_cut = walk.cut_words()?,
                _ => return Some(false),
            }
            Some(true)
        })?;
        if let (Some(transcript), true) = (transcript, is_cut) {
            self.edits.set(transcript, With::Other(from..self.transcripts.len()));
        }
        Some(())
    }

    /// Notes where the transcript is: it may come before the words or behind them.
    fn transcript(&mut self) -> Option<usize> {
        let from = self.cursor.at() + 1;
        let written = self.cursor.string()?;
        Some(self.edits.push(from..from + written.len(), With::Same))
    }

    /// Cuts words, each with the comma before it, or behind it where no word is before. Tells whether
    /// there were any.
    fn cut_words(&mut self) -> Option<bool> {
        let transcript = self.transcripts.len();
        let (mut is_cut, mut is_any_kept, mut behind) = (false, false, 0);
        self.array(|walk| {
            let (at, edits, ends) = (walk.cursor.at(), walk.edits.len(), walk.ends.len());
            if let Some(text) = walk.kept_word()? {
                walk.say(text, transcript);
                is_any_kept = true;
            } else {
                walk.edits.truncate(edits);
                walk.ends.truncate(ends);
                if !is_any_kept {
                    walk.cursor.pass_comma();
                    behind = at;
                }
                walk.edits.push(behind..walk.cursor.at(), With::NOTHING);
                is_cut = true;
            }
            behind = walk.cursor.at();
            Some(())
        })?;
        Some(is_cut)
    }

    /// Another word of the transcript that begins there.
    fn say(&mut self, text: &[u8], transcript: usize) {
        if self.transcripts.len() > transcript && !text.is_empty() {
            self.transcripts.push(b' ');
        }
        self.transcripts.extend_from_slice(text);
    }

    /// A word, as it is in the transcript; `None` for one that is cut.
    fn kept_word(&mut self) -> Option<Option<&'a [u8]>> {
        let (mut word, mut punctuated) = (None, None);
        let ends = self.object(|walk, key| {
            let text = match key {
                b"word" => &mut word,
                b"punctuated_word" => &mut punctuated,
                _ => return Some(false),
            };
            if walk.cursor.peek() != Some(b'"') {
                return Some(false);
            }
            *text = Some(walk.cursor.string()?);
            Some(true)
        })?;
        let text = punctuated.or(word).unwrap_or_default();
        Some((!self.is_withheld(ends)).then_some(text))
    }

    /// An object whose own times move. `member` is offered every other member, and says whether it has
    /// taken its value.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &[u8]) -> Option<bool>) -> Option<Ends> {
        let mut ends = Ends::default();
        if !self.cursor.enter(b'{') {
            self.within()?;
            return Some(ends);
        }
        while let Some(key) = self.cursor.key()? {
            match key {
                b"start" => ends.start = self.time(),
                b"end" => ends.end = self.time(),
                _ if member(self, key)? => continue,
                _ => {}
            }
            self.within()?;
        }
        self.note(&ends);
        Some(ends)
    }

    fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if !self.cursor.enter(b'[') {
            return self.within();
        }
        while self.cursor.element()? {
            element(self)?;
        }
        Some(())
    }

    fn is_withheld(&mut self, ends: Ends) -> bool {
        match (self.seconds(ends.start), self.seconds(ends.end)) {
            (Some(start), Some(end)) => self.times.is_withheld(start, end),
            _ => false,
        }
    }
}
