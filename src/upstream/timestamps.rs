//! Moves the times in Deepgram's messages to session time.
//!
//! Deepgram counts the audio of a connection. A connection may start with our own silence, and
//! somewhere in the session; it may not be sent what nobody speaks in; and it may say again what the
//! application has from the one before.
//!
//! Messages are not parsed into values and written anew: numbers are spliced into Deepgram's own text.
//! Whatever is not a time that moves keeps its bytes: unknown members, their order, blanks, escapes,
//! and a confidence's digits.

mod cursor;
mod cut;
mod decimal;
mod edits;
mod eight;
mod marks;
#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;
use session::TimeMap;
use smallvec::SmallVec;

use cursor::Cursor;
use edits::{Edits, With};

/// Nested so deep below `channel` or `words`, nothing is taken for a time. Deepgram's times are five
/// deep.
const DEPTH_MAX: usize = 16;

/// Objects with times that fit on the stack: each of 60 words, and a few.
const USUAL: usize = 64;

/// Moves every time in a message to session time. Text that is not such a message, or cannot be
/// followed, is returned as it is, and so is one of which no time moves.
///
/// The text must be JSON: of what is not, bytes that look like times may be moved.
pub fn to_session_time(text: Bytes, times: TimeMap) -> Bytes {
    if times.is_identity() {
        return text;
    }
    match moved(&text, &times) {
        Some(moved) => moved.into(),
        None => text,
    }
}

fn moved(text: &[u8], times: &TimeMap) -> Option<Vec<u8>> {
    let kind = message_type(text)?;
    let mut walk = Walk::new(text, times);
    match kind {
        b"Results" => walk.results()?,
        b"SpeechStarted" | b"UtteranceEnd" | b"TurnInfo" => walk.other(kind)?,
        _ => return None,
    }
    walk.move_ends();
    walk.edits.splice(text, &walk.transcripts)
}

/// Nearly always the first member, so that this is no second walk.
fn message_type(text: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(text);
    cursor.enter(b'{').then_some(())?;
    while let Some(key) = cursor.key()? {
        if key == b"type" {
            return cursor.string();
        }
        cursor.skip()?;
    }
    None
}

/// From the front of a message to its end, noting where times are. `None` is that the text cannot be
/// followed.
///
/// What becomes of the times of words is found out behind the walk, all at once: each is a chain of
/// divisions, which a processor works off side by side if nothing is in between.
struct Walk<'a> {
    cursor: Cursor<'a>,
    times: &'a TimeMap,
    edits: Edits,
    /// Of objects with times.
    ends: SmallVec<[Ends; USUAL]>,
    /// What alternatives say without the words that were cut, one after the other.
    transcripts: Vec<u8>,
}

/// The members `start` and `end` of an object, if they are numbers: their places among the edits.
#[derive(Clone, Copy, Default)]
struct Ends {
    start: Option<usize>,
    end: Option<usize>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a [u8], times: &'a TimeMap) -> Self {
        Self {
            cursor: Cursor::new(text),
            times,
            edits: Edits::default(),
            ends: SmallVec::new(),
            transcripts: Vec::new(),
        }
    }

    fn results(&mut self) -> Option<()> {
        let (mut start, mut duration) = (None, None);
        self.cursor.enter(b'{').then_some(())?;
        while let Some(key) = self.cursor.key()? {
            match key {
                b"start" => start = self.skip_time()?,
                b"duration" => duration = self.skip_time()?,
                b"channel" if self.may_be_cut(start) => self.cut_channel()?,
                b"channel" => self.within()?,
                _ => self.cursor.skip()?,
            }
        }
        self.move_window(start, duration);
        Some(())
    }

    /// Messages with single times, and perhaps words.
    fn other(&mut self, kind: &[u8]) -> Option<()> {
        self.cursor.enter(b'{').then_some(())?;
        while let Some(key) = self.cursor.key()? {
            let rule = match (kind, key) {
                (b"SpeechStarted", b"timestamp") => TimeMap::start,
                (b"UtteranceEnd", b"last_word_end") => TimeMap::end,
                (b"TurnInfo", b"audio_window_start") => TimeMap::start,
                (b"TurnInfo", b"audio_window_end") => TimeMap::end,
                (b"TurnInfo", b"words") => {
                    self.within()?;
                    continue;
                }
                _ => {
                    self.cursor.skip()?;
                    continue;
                }
            };
            let time = self.skip_time()?;
            self.move_by(rule, time);
        }
        Some(())
    }

    /// Goes behind a value of any kind, in which objects may have times.
    ///
    /// It goes from one quote or bracket to the next. What matters of an object is where it ends, and its
    /// members that are times: strings that name one, with a colon and a number behind them.
    fn within(&mut self) -> Option<()> {
        if !matches!(self.cursor.peek()?, b'{' | b'[') {
            return self.cursor.skip();
        }
        let mut open = [Ends::default(); DEPTH_MAX];
        let mut depth = 0_usize;
        let mut marks = self.cursor.marks();
        loop {
            let (place, mark) = marks.next()?;
            match mark {
                b'"' => self.string(place + 1..marks.end_of_string()?, open.get_mut(depth)),
                b'{' | b'[' => {
                    depth += 1;
                    open.get_mut(depth).map(std::mem::take);
                }
                b'}' | b']' => {
                    open.get(depth).into_iter().for_each(|ends| self.note(ends));
                    depth = depth.checked_sub(1)?;
                }
                _ => {}
            }
            if depth == 0 {
                self.cursor.go_to(place + 1);
                return Some(());
            }
        }
    }

    /// A string, as it is written, in the object with these ends: perhaps it is the name of one.
    #[inline(always)]
    fn string(&mut self, at: Range<usize>, ends: Option<&mut Ends>) {
        let behind = at.end + 1;
        let (name @ (b"start" | b"end"), Some(ends)) = (&self.cursor.text()[at], ends) else {
            return;
        };
        self.cursor.go_to(behind);
        if self.cursor.pass_colon() {
            let end = if name == b"start" { &mut ends.start } else { &mut ends.end };
            *end = self.time();
        }
    }

    #[inline(always)]
    fn note(&mut self, ends: &Ends) {
        if ends.start.or(ends.end).is_some() {
            self.ends.push(*ends);
        }
    }

    /// Where the value that is next is among the edits, if it is a number.
    #[inline]
    fn time(&mut self) -> Option<usize> {
        let at = self.cursor.at();
        self.cursor.is_at_number().then(|| self.edits.push(at..at, With::Same))
    }

    fn skip_time(&mut self) -> Option<Option<usize>> {
        let time = self.time();
        self.cursor.skip()?;
        Some(time)
    }

    /// The time at a place among the edits, unless it is negative, which is a mark for "none".
    fn seconds(&mut self, time: Option<usize>) -> Option<f64> {
        self.edits.seconds(time?, self.cursor.text())
    }

    fn move_by(&mut self, rule: fn(&TimeMap, f64) -> f64, time: Option<usize>) {
        if let Some(seconds) = self.seconds(time) {
            self.edits.set_seconds(time, seconds, rule(self.times, seconds));
        }
    }

    /// What a Results message is about. It begins no earlier than what the application is given of it.
    fn move_window(&mut self, start: Option<usize>, duration: Option<usize>) {
        let Some(from) = self.seconds(start) else { return };
        let moved = self.times.start(from.max(self.times.known_end()));
        self.edits.set_seconds(start, from, moved);
        if let Some(length) = self.seconds(duration) {
            let end = self.times.end(from + length);
            self.edits.set_seconds(duration, length, (end - moved).max(0.0));
        }
    }

    fn move_ends(&mut self) {
        for place in 0..self.ends.len() {
            let Ends { start, end } = self.ends[place];
            if let (Some(from), Some(to)) = (self.seconds(start), self.seconds(end)) {
                let moved = self.times.word(from, to);
                self.edits.set_seconds(start, from, moved.0);
                self.edits.set_seconds(end, to, moved.1);
            } else {
                self.move_by(TimeMap::start, start);
                self.move_by(TimeMap::end, end);
            }
        }
    }
}
