//! What stands between the audio that waits for a result: the Finalizes and texts of the application,
//! each at the position behind which it came.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::backlog::ENTRY_BYTES;
use crate::Outgoing;
use crate::bound::{KEPT_TEXTS_BYTES_MAX, MARKS_BYTES_MAX};

/// Finalizes without an answer, and texts.
#[derive(Debug, Default)]
pub(in crate::machine) struct Marks {
    /// Those that the live connection has been handed.
    sent: VecDeque<Mark>,
    sent_finalizes: u64,
    sent_text_bytes: usize,
    /// How many texts that connection has been handed.
    sent_texts: u64,
    /// Those that come behind them.
    waiting: VecDeque<Mark>,
    bytes: usize,
}

#[derive(Debug)]
struct Mark {
    /// In the session's audio, in bytes.
    position: u64,
    kind: MarkKind,
}

#[derive(Debug)]
enum MarkKind {
    Finalize {
        channel: Option<u64>,
        /// It was with the kernel once, and is counted as sent.
        written: bool,
    },
    Text {
        text: Bytes,
        /// Which of the live connection's texts it is, from 1; 0 if it has not been handed it.
        number: u64,
    },
}

impl Marks {
    /// Whether no more find room: the application waits.
    pub(in crate::machine) fn is_full(&self) -> bool {
        self.bytes >= MARKS_BYTES_MAX
    }

    /// What keeping them costs, in bytes.
    pub(in crate::machine) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Whether a Finalize waits for its answer, or any mark for a connection.
    pub(in crate::machine) fn is_needed(&self) -> bool {
        self.sent_finalizes > 0 || self.is_waiting()
    }

    /// Whether the live connection has been handed Finalizes that may have been settled since.
    pub(in crate::machine) fn awaits_answers(&self) -> bool {
        self.sent_finalizes > 0
    }

    /// Whether there is one that the live connection has not been handed.
    pub(in crate::machine) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(in crate::machine) fn push_finalize(&mut self, position: u64, channel: Option<u64>) {
        self.push(position, MarkKind::Finalize { channel, written: false });
    }

    pub(in crate::machine) fn push_text(&mut self, position: u64, text: &Bytes) {
        self.push(position, MarkKind::Text { text: Bytes::copy_from_slice(text), number: 0 });
    }

    fn push(&mut self, position: u64, kind: MarkKind) {
        let mark = Mark { position, kind };
        self.bytes += mark.bytes();
        self.waiting.push_back(mark);
    }

    /// The next that waits, if it stands at or before `position`.
    pub(in crate::machine) fn send_next(&mut self, position: u64) -> Option<Outgoing> {
        self.waiting.front().filter(|it| it.position <= position)?;
        let mut mark = self.waiting.pop_front()?;
        if let MarkKind::Text { number, .. } = &mut mark.kind {
            self.sent_texts += 1;
            *number = self.sent_texts;
        }
        let outgoing = mark.outgoing();
        let text_bytes = if mark.is_finalize() { 0 } else { mark.bytes() };
        self.sent_finalizes += u64::from(mark.is_finalize());
        self.sent_text_bytes += text_bytes;
        self.sent.push_back(mark);
        self.forget_texts();
        Some(outgoing)
    }

    /// Where that next one stands.
    pub(in crate::machine) fn next_position(&self) -> Option<u64> {
        self.waiting.front().map(|it| it.position)
    }

    /// The live connection has so many Finalizes without an answer: older ones have theirs, or have
    /// waited long enough.
    pub(in crate::machine) fn settle_finalizes(&mut self, unanswered: u64) {
        let mut settled = self.sent_finalizes.saturating_sub(unanswered);
        if settled > 0 {
            self.forget_sent(|it| {
                let goes = settled > 0 && it.is_finalize();
                settled -= u64::from(goes);
                goes
            });
        }
    }

    /// Texts that were sent are kept for the next connection, which knows nothing of them; the oldest
    /// only while there is room. Half of them go at once, so that not each of a flood looks at them all.
    fn forget_texts(&mut self) {
        let mut kept = self.sent_text_bytes;
        if kept > KEPT_TEXTS_BYTES_MAX {
            self.forget_sent(|it| {
                let goes = !it.is_finalize() && kept > KEPT_TEXTS_BYTES_MAX / 2;
                kept -= if goes { it.bytes() } else { 0 };
                goes
            });
        }
    }

    /// One of the live connection's texts was its death, and none of the first so many: the others are
    /// not sent again, as each connection would die of it.
    pub(in crate::machine) fn forget_texts_behind(&mut self, read: u64) {
        self.forget_sent(|it| matches!(it.kind, MarkKind::Text { number, .. } if number > read));
    }

    /// Drops those of the sent ones that `goes` names.
    fn forget_sent(&mut self, mut goes: impl FnMut(&Mark) -> bool) {
        self.sent.retain(|it| {
            let is_kept = !goes(it);
            if !is_kept {
                self.bytes -= it.bytes();
                self.sent_finalizes -= u64::from(it.is_finalize());
                self.sent_text_bytes -= if it.is_finalize() { 0 } else { it.bytes() };
            }
            is_kept
        });
        // A flood is over.
        self.sent.shrink_to(2 * self.sent.len());
    }

    /// The connection is dead: all are to be sent again. The last so many Finalizes that it was handed
    /// never reached the kernel.
    pub(in crate::machine) fn rewind(&mut self, unwritten_finalizes: u64) {
        let mut unwritten = unwritten_finalizes;
        while let Some(mut mark) = self.sent.pop_back() {
            if let MarkKind::Finalize { written, .. } = &mut mark.kind {
                *written |= unwritten == 0;
                unwritten = unwritten.saturating_sub(1);
            }
            self.waiting.push_front(mark);
        }
        (self.sent_finalizes, self.sent_text_bytes, self.sent_texts) = (0, 0, 0);
    }

    /// Gives up what the session has not sent, and every Finalize: how many Finalizes never reached
    /// the kernel, how many did and have no answer, and how many texts.
    pub(in crate::machine) fn give_up(&mut self) -> GivenUp {
        let mut given_up = GivenUp::default();
        for mark in std::mem::take(self).waiting {
            match mark.kind {
                MarkKind::Finalize { written: false, .. } => given_up.finalizes += 1,
                MarkKind::Finalize { written: true, .. } => given_up.unanswered += 1,
                MarkKind::Text { .. } => given_up.texts += 1,
            }
        }
        given_up
    }

    /// A connection has ended cleanly: its Finalizes are over, its texts are kept.
    pub(in crate::machine) fn end_connection(&mut self) {
        self.settle_finalizes(0);
        self.rewind(0);
    }
}

/// Marks that no connection is handed any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::machine) struct GivenUp {
    /// Finalizes that were never written.
    pub(in crate::machine) finalizes: u64,
    /// Finalizes that were written to a connection that died.
    pub(in crate::machine) unanswered: u64,
    pub(in crate::machine) texts: u64,
}

impl Mark {
    fn is_finalize(&self) -> bool {
        matches!(self.kind, MarkKind::Finalize { .. })
    }

    fn bytes(&self) -> usize {
        ENTRY_BYTES
            + match &self.kind {
                MarkKind::Finalize { .. } => 0,
                MarkKind::Text { text, .. } => text.len(),
            }
    }

    fn outgoing(&self) -> Outgoing {
        match &self.kind {
            MarkKind::Finalize { channel, written } => {
                Outgoing::Finalize { channel: *channel, again: *written }
            }
            MarkKind::Text { text, .. } => Outgoing::Text(text.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYWHERE: u64 = u64::MAX;

    fn finalize(channel: Option<u64>, again: bool) -> Option<Outgoing> {
        Some(Outgoing::Finalize { channel, again })
    }

    #[test]
    fn they_keep_their_place_and_are_sent_once_a_connection() {
        let mut marks = Marks::default();
        let text = Bytes::from_static(b"{}");
        marks.push_text(0, &text);
        marks.push_finalize(100, None);
        assert_eq!(marks.send_next(0), Some(Outgoing::Text(text.clone())));
        assert_eq!((marks.send_next(99), marks.next_position()), (None, Some(100)));
        assert_eq!(marks.send_next(100), finalize(None, false));
        marks.rewind(0);
        marks.push_finalize(200, Some(1));
        assert_eq!(marks.send_next(150), Some(Outgoing::Text(text)));
        assert_eq!(marks.send_next(150), finalize(None, true));
        assert_eq!(marks.send_next(150), None);
        assert_eq!(marks.send_next(EVERYWHERE), finalize(Some(1), false));
        assert_eq!(marks.send_next(EVERYWHERE), None);
    }

    #[test]
    fn finalizes_that_have_their_answer_are_not_sent_again() {
        let mut marks = Marks::default();
        (0..3).for_each(|channel| marks.push_finalize(0, Some(channel)));
        while marks.send_next(EVERYWHERE).is_some() {}
        marks.settle_finalizes(2);
        marks.rewind(1);
        assert_eq!(marks.send_next(EVERYWHERE), finalize(Some(1), true));
        assert_eq!(marks.send_next(EVERYWHERE), finalize(Some(2), false));
        assert_eq!(marks.send_next(EVERYWHERE), None);
        assert!(marks.is_needed());
        marks.settle_finalizes(0);
        assert!(!marks.is_needed());
        assert_eq!(marks.bytes(), 0);
    }

    #[test]
    fn the_oldest_of_many_texts_is_forgotten_and_none_that_waits() {
        let mut marks = Marks::default();
        let text = Bytes::from(vec![b'x'; 1_000]);
        for _ in 0..200 {
            marks.push_text(0, &text);
            marks.send_next(EVERYWHERE);
        }
        assert!(marks.bytes() <= KEPT_TEXTS_BYTES_MAX as u64, "{}", marks.bytes());
        let waiting = 1_100;
        (0..waiting).for_each(|_| marks.push_text(0, &text));
        assert!(marks.is_full());
        assert_eq!(marks.give_up(), GivenUp { texts: waiting, ..GivenUp::default() });
    }

    #[test]
    fn behind_a_death_by_a_text_only_those_are_kept_that_were_read() {
        let mut marks = Marks::default();
        let texts = ["a", "b", "c"].map(Bytes::from);
        texts.iter().for_each(|text| marks.push_text(0, text));
        let next = |marks: &mut Marks| marks.send_next(EVERYWHERE);
        let sent = [next(&mut marks), next(&mut marks)];
        assert!(sent.iter().all(Option::is_some));
        marks.forget_texts_behind(1);
        marks.rewind(0);
        assert_eq!(next(&mut marks), Some(Outgoing::Text(texts[0].clone())));
        assert_eq!(next(&mut marks), Some(Outgoing::Text(texts[2].clone())), "it was never sent");
        marks.forget_texts_behind(0);
        assert_eq!((marks.bytes(), next(&mut marks)), (0, None));
    }

    #[test]
    fn what_is_given_up_is_told_apart() {
        let mut marks = Marks::default();
        (0..3).for_each(|_| marks.push_finalize(0, None));
        while marks.send_next(EVERYWHERE).is_some() {}
        marks.rewind(1);
        marks.push_finalize(0, None);
        let told = GivenUp { finalizes: 2, unanswered: 2, texts: 0 };
        assert_eq!(marks.give_up(), told);
    }
}
