//! From the time that Deepgram counts on a connection to session time.
//!
//! Three clocks, all in samples: a connection counts what was sent on it, the **sent** clock counts the
//! application's audio that the gate lets through, over all connections, and session time counts what
//! the application sent. A connection begins somewhere in the sent audio, behind what is not the
//! application's; sent audio leaves out what the gate held back.

use std::sync::Arc;
use std::time::Duration;

use crate::MessageKind;

/// How far two times may differ that mean the same, in seconds: Deepgram's are decimals of binary
/// fractions, and off by a quarter of a millisecond after an hour.
const NOISE: f64 = 1e-3;

/// Where sent audio goes on after something was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Joint {
    /// How much had been sent before.
    sent: u64,
    /// Where in the session it goes on.
    session: u64,
}

/// Where in the session the audio belongs that was sent: one joint for each hold, in order.
///
/// Cheap to clone; nothing is allocated where nothing was held back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joints(Option<Arc<Vec<Joint>>>);

impl Joints {
    fn list(&self) -> &[Joint] {
        self.0.as_ref().map_or(&[], |it| it)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.list().len()
    }

    /// Whether sent time is session time.
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    /// What is sent next, behind `sent` samples, is the session's from `session` on.
    pub(crate) fn resume(&mut self, sent: u64, session: u64) {
        if self.session_start(sent) == session {
            return;
        }
        let joints = Arc::make_mut(self.0.get_or_insert_default());
        joints.pop_if(|last| last.sent == sent);
        joints.push(Joint { sent, session });
    }

    /// Nothing before `sent` is asked for any more.
    pub(crate) fn forget_before(&mut self, sent: u64) {
        let past = self.list().iter().skip(1).take_while(|it| it.sent <= sent).count();
        if let (1.., Some(joints)) = (past, &mut self.0) {
            Arc::make_mut(joints).drain(..past);
        }
    }

    /// Where the sample behind `sent` others is in the session.
    pub fn session_start(&self, sent: u64) -> u64 {
        let before = self.list().partition_point(|it| it.sent <= sent);
        self.shift(before, sent)
    }

    /// Where audio ends in the session of which `sent` samples were sent: before a hold, not behind it.
    pub fn session_end(&self, sent: u64) -> u64 {
        let before = self.list().partition_point(|it| it.sent < sent);
        self.shift(before, sent)
    }

    /// How much of the session's first `session` samples was sent.
    pub fn sent(&self, session: u64) -> u64 {
        let list = self.list();
        let before = list.partition_point(|it| it.session <= session);
        let resumes_at = list.get(before).map_or(u64::MAX, |it| it.sent);
        let Some(joint) = before.checked_sub(1).map(|it| list[it]) else {
            return session.min(resumes_at);
        };
        (joint.sent + (session - joint.session)).min(resumes_at)
    }

    fn shift(&self, before: usize, sent: u64) -> u64 {
        match before.checked_sub(1) {
            Some(place) => {
                let Joint { sent: begin, session } = self.list()[place];
                session + (sent - begin)
            }
            None => sent,
        }
    }

    /// The stretch without a hold behind the last joint that `is_before`, which is asked in samples: a
    /// division for each would be most of what a word costs.
    fn stretch(&self, rate: f64, is_before: impl Fn(f64) -> bool) -> Stretch {
        let list = self.list();
        let seconds = |samples: u64| samples as f64 / rate;
        let before = list.partition_point(|it| is_before(it.sent as f64));
        let to = list.get(before).map_or(f64::INFINITY, |it| seconds(it.sent));
        match before.checked_sub(1).map(|place| list[place]) {
            Some(Joint { sent, session }) => {
                Stretch { from: seconds(sent), to, shift: seconds(session - sent) }
            }
            None => Stretch { from: 0.0, to, shift: 0.0 },
        }
    }
}

/// A stretch of sent audio without a hold, in seconds.
struct Stretch {
    from: f64,
    to: f64,
    /// What session time is ahead by.
    shift: f64,
}

impl Stretch {
    fn session(&self, time: f64) -> f64 {
        time.clamp(self.from, self.to) + self.shift
    }
}

/// How a connection's times relate to the session's. The machine hands it out with each message;
/// whoever knows the messages' JSON applies it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeMap {
    /// Samples per second.
    pub rate: u32,
    /// How much on the connection is not the application's, all of it first: our own silence, a prelude.
    pub lead: u64,
    /// Up to where on the connection the application is not given the words: it has them, or they are
    /// of the lead. At least `lead`.
    pub known: u64,
    /// How much had been sent before the application's audio on this connection.
    pub base: u64,
    /// Whence the sent audio is.
    pub joints: Joints,
}

impl Default for TimeMap {
    fn default() -> Self {
        Self { rate: 1, lead: 0, known: 0, base: 0, joints: Joints::default() }
    }
}

impl TimeMap {
    /// Where the encoding tells no time: a connection that begins when earlier ones had processed so
    /// much.
    pub(crate) fn of_unknown_audio(processed: Duration) -> Self {
        let base = u64::try_from(processed.as_micros()).unwrap_or(u64::MAX);
        Self { rate: 1_000_000, base, ..Self::default() }
    }

    /// Whether times are passed on as they are.
    pub fn is_identity(&self) -> bool {
        (self.lead, self.known, self.base) == (0, 0, 0) && self.joints.is_empty()
    }

    fn seconds(&self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.rate)
    }

    /// A time on the connection as one of sent audio. What is of the lead is where that audio begins.
    fn sent(&self, time: f64) -> f64 {
        self.seconds(self.base) + (time - self.seconds(self.lead)).max(0.0)
    }

    /// Session time of a time on the connection at which something begins, in seconds.
    pub fn start(&self, time: f64) -> f64 {
        let (sent, rate) = (self.sent(time), f64::from(self.rate));
        let latest = (sent + NOISE) * rate;
        self.joints.stretch(rate, |joint| joint <= latest).session(sent)
    }

    /// Session time of a time on the connection at which something ends, in seconds: at a hold, before
    /// it.
    pub fn end(&self, time: f64) -> f64 {
        let (sent, rate) = (self.sent(time), f64::from(self.rate));
        let latest = (sent - NOISE) * rate;
        self.joints.stretch(rate, |joint| joint < latest).session(sent)
    }

    /// The same for both ends of a word: it is on that side of a hold on which its middle is.
    pub fn word(&self, start: f64, end: f64) -> (f64, f64) {
        let (start, end) = (self.sent(start), self.sent(end));
        let rate = f64::from(self.rate);
        let middle = f64::midpoint(start, end) * rate;
        let stretch = self.joints.stretch(rate, |joint| joint <= middle);
        (stretch.session(start), stretch.session(end))
    }

    /// Whether the application is not given what is there on the connection: a word by its middle.
    pub fn is_withheld(&self, start: f64, end: f64) -> bool {
        f64::midpoint(start, end) < self.seconds(self.known)
    }

    /// Whether a message is about nothing but what is not the application's. The answer that a Finalize
    /// waits for is the application's all the same.
    pub fn is_of_lead_alone(&self, kind: MessageKind) -> bool {
        let is_asked_for = matches!(kind, MessageKind::Results { from_finalize: true, .. });
        let is_over = |end: Duration| end.as_secs_f64() <= self.seconds(self.lead);
        self.lead > 0 && !is_asked_for && kind.end().is_some_and(is_over)
    }

    /// Up to where the application is not given the words, in seconds on the connection.
    pub fn known_end(&self) -> f64 {
        self.seconds(self.known)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: u32 = 16_000;

    /// Sent 0-5 s is session 0-5 s, 5-9 s is 20-24 s, from 9 s on it is from 60 s on.
    fn map() -> TimeMap {
        let mut joints = Joints::default();
        joints.resume(80_000, 320_000);
        joints.resume(144_000, 960_000);
        TimeMap { rate: RATE, joints, ..TimeMap::default() }
    }

    #[test]
    fn a_start_on_a_joint_is_behind_the_hold_and_an_end_before_it() {
        let map = map();
        assert_eq!(
            [4.0, 5.0, 6.0, 9.0, 10.0].map(|it| map.start(it)),
            [4.0, 20.0, 21.0, 60.0, 61.0]
        );
        assert_eq!([4.0, 5.0, 6.0, 9.0, 10.0].map(|it| map.end(it)), [4.0, 5.0, 21.0, 24.0, 61.0]);
    }

    #[test]
    fn decimals_near_a_joint_are_taken_for_it() {
        let map = map();
        assert_eq!((map.start(4.999_9), map.end(5.000_1)), (20.0, 5.0));
    }

    #[test]
    fn a_word_across_a_joint_is_where_its_middle_is() {
        let map = map();
        assert_eq!(map.word(4.8, 5.1), (4.8, 5.0));
        assert_eq!(map.word(4.9, 5.2), (20.0, 20.2));
        assert_eq!(map.word(5.0, 5.5), (20.0, 20.5));
    }

    #[test]
    fn a_connection_begins_behind_its_lead_somewhere_in_the_sent_audio() {
        let map = TimeMap { lead: 16_000, known: 16_000, base: 64_000, ..map() };
        assert_eq!([0.0, 1.0, 1.5].map(|it| map.start(it)), [4.0, 4.0, 4.5]);
        assert_eq!((map.end(2.0), map.start(2.0)), (5.0, 20.0));
        assert!(map.is_withheld(0.5, 1.4) && !map.is_withheld(0.9, 1.2));
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_held_back() {
        let mut joints = Joints::default();
        joints.resume(16_000, 16_000);
        assert!(joints.is_empty() && TimeMap { joints, ..TimeMap::default() }.is_identity());
    }

    #[test]
    fn what_is_past_is_forgotten_but_for_the_stretch_that_goes_on() {
        let mut joints = map().joints;
        joints.forget_before(144_000);
        assert_eq!((joints.len(), joints.session_start(150_000)), (1, 966_000));
        joints.forget_before(u64::MAX);
        assert_eq!(joints.len(), 1);
    }

    fn stretches() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((4_800_u64..200_000, 1_u64..500_000), 0..20)
    }

    proptest! {
        /// What is sent and what is held back by turns: every sample is found both ways, and no time
        /// goes backwards.
        #[test]
        fn samples_are_found_both_ways_and_times_are_monotonic(stretches in stretches()) {
            let (mut joints, mut sent, mut session) = (Joints::default(), 0, 0);
            let mut truth = Vec::new();
            for (passed, held) in &stretches {
                joints.resume(sent, session);
                truth.extend([(sent, session), (sent + passed - 1, session + passed - 1)]);
                (sent, session) = (sent + passed, session + passed + held);
            }
            for (sent, session) in truth {
                prop_assert_eq!(joints.session_start(sent), session);
                prop_assert_eq!(joints.sent(session), sent);
                prop_assert_eq!(joints.session_end(sent + 1), session + 1);
            }
            let map = TimeMap { rate: RATE, joints, ..TimeMap::default() };
            let mut last = (0.0, 0.0);
            for step in 0..2_000 {
                let time = step as f64 * 0.05;
                let mapped = (map.start(time), map.end(time));
                prop_assert!(mapped.0 >= last.0 && mapped.1 >= last.1 && mapped.0 >= mapped.1);
                last = mapped;
            }
        }
    }
}
