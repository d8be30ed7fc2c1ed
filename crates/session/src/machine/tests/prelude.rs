//! A prelude on one connection beside the live audio on another: what goes where, and what is told.

use super::*;
use crate::death::Reason;
use crate::fact::{PreludeEnd, PreludeEnded, PreludeSent};
use crate::gate::VadMode;
use crate::{PreludeConfig, RecoveryConfig};

const MAIN: ConnectionId = ConnectionId::FIRST;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn second() -> ConnectionId {
    ConnectionId::new(2)
}

fn with_prelude() -> SessionConfig {
    let prelude = Some(PreludeConfig { pad_to: secs(15), stabilize: secs(10) });
    SessionConfig { prelude, stall_after: secs(600), ..config() }
}

fn recovering() -> SessionConfig {
    let recovery = RecoveryConfig { ring: secs(30), max_reconnects: 3, reconnects_per_minute: 4 };
    SessionConfig { recovery: Some(recovery), ..with_prelude() }
}

/// A session and both its connections: the kernel takes everything at once, and Deepgram says only
/// what it is told to.
struct Pair {
    start: Instant,
    now: Instant,
    session: Session,
    dialled: Vec<ConnectionId>,
    hung_up: Vec<ConnectionId>,
    written: Vec<(ConnectionId, Written)>,
    sent: Vec<(Duration, ConnectionId, Outgoing)>,
    delivered: Vec<AppFrame>,
    facts: Vec<Fact>,
    /// The connection of the live audio answers no pings, though TCP stays up.
    is_half_open: bool,
}

impl Pair {
    fn new(config: SessionConfig) -> Self {
        let start = clock::now();
        let mut pair = Self {
            start,
            now: start,
            session: Session::new(SessionId::parse("pair").unwrap(), config, start, 7),
            dialled: Vec::new(),
            hung_up: Vec::new(),
            written: Vec::new(),
            sent: Vec::new(),
            delivered: Vec::new(),
            facts: Vec::new(),
            is_half_open: false,
        };
        pair.perform();
        pair
    }

    fn connected(config: SessionConfig) -> Self {
        let mut pair = Self::new(config);
        pair.connect(MAIN);
        pair.connect(second());
        pair
    }

    /// Both are up, and the prelude, of 3 s, is on its way.
    fn enrolling(config: SessionConfig) -> Self {
        let mut pair = Self::connected(config);
        pair.app(AppInput::Prelude(Bytes::from(vec![9; 3 * 32_000])));
        pair.app(AppInput::Prelude(Bytes::new()));
        pair
    }

    fn connect(&mut self, id: ConnectionId) {
        let phases = DialPhases::default();
        self.upstream(id, UpstreamInput::Connected { request_id: None, phases });
    }

    fn upstream(&mut self, id: ConnectionId, input: UpstreamInput) {
        self.session.handle_upstream(self.now, id, input);
        self.perform();
    }

    fn app(&mut self, input: AppInput) {
        self.session.handle_app(self.now, input);
        self.perform();
    }

    fn perform(&mut self) {
        loop {
            while let Some(output) = self.session.poll_output() {
                self.take(output);
            }
            if self.session.wants_emptied() {
                self.session.handle_app(self.now, AppInput::Emptied);
                continue;
            }
            let Some((id, written)) = self.written.pop() else { break };
            self.session.handle_upstream(self.now, id, UpstreamInput::Written(written));
            if written.pings > 0 && !(self.is_half_open && id == second()) {
                self.session.handle_upstream(self.now, id, UpstreamInput::Pong);
            }
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Dial(id, _) => self.dialled.push(id),
            Output::HangUp(id) => self.hung_up.push(id),
            Output::Send(id, outgoing) => {
                let mut written = Written::default();
                written.add(&outgoing);
                self.written.insert(0, (id, written));
                self.sent.push((self.now - self.start, id, outgoing));
            }
            Output::Deliver(frame) => {
                self.delivered.push(frame);
                self.session.handle_app(self.now, AppInput::WriteDrained);
            }
            Output::Record(fact) => self.facts.push(*fact),
            Output::AbandonApp | Output::Observe(_) => {}
        }
    }

    fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(next) = self.session.next_deadline().filter(|it| *it <= until) {
            self.now = self.now.max(next);
            self.session.handle_timeout(self.now);
            self.perform();
        }
        self.now = until;
    }

    fn speak(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / FRAME.as_millis() {
            self.app(AppInput::Audio(frame()));
            self.advance(FRAME);
        }
    }

    fn die(&mut self, id: ConnectionId) {
        let (reason, trigger) = (Reason::ConnectionReset, Trigger::Read);
        self.upstream(id, UpstreamInput::Failed { reason, trigger, detail: String::new() });
    }

    fn refuse(&mut self, id: ConnectionId) {
        let failure = DialFailure::before_answer(DialReason::Http402, "no credit");
        self.upstream(id, UpstreamInput::DialFailed(failure));
    }

    /// A final result from `start` to `end`, in milliseconds on its connection.
    fn result(&mut self, id: ConnectionId, start: u64, end: u64) {
        let kind = MessageKind::Results {
            start: MS(start),
            is_final: true,
            from_finalize: false,
            end: MS(end),
            channel: 0,
            channels: 1,
        };
        self.message(id, kind);
    }

    fn message(&mut self, id: ConnectionId, kind: MessageKind) {
        self.upstream(id, UpstreamInput::Message { text: Bytes::from_static(b"{}"), kind });
    }

    fn close(&mut self, id: ConnectionId) {
        self.message(id, MessageKind::Metadata { processed: Some(secs(1_000)) });
        self.upstream(
            id,
            UpstreamInput::Closed {
                frame: CloseFrame { code: Some(1000), text: String::new() },
                reason: reason_of_close(Some(1000), ""),
                dg_code: DgCode::None,
                detail: String::new(),
                says_why: false,
            },
        );
    }

    /// Live audio that a connection was sent, and what went ahead of it.
    fn audio(&self, id: ConnectionId) -> (Duration, Duration) {
        let to = self.sent.iter().filter(|(_, to, _)| *to == id);
        let (mut live, mut lead) = (0, 0);
        for (_, _, outgoing) in to {
            match outgoing {
                Outgoing::Lead(audio) => lead += audio.len(),
                other => live += other.audio_len(),
            }
        }
        (position(live), position(lead))
    }

    fn messages(&self) -> usize {
        self.delivered.iter().filter(|it| matches!(it, AppFrame::Message { .. })).count()
    }

    fn events(&self) -> Vec<&Event> {
        let events = self.delivered.iter().filter_map(|it| match it {
            AppFrame::Event { event, .. } => Some(event),
            _ => None,
        });
        events.collect()
    }

    fn ends(&self) -> Vec<PreludeEnd> {
        let ends = self.facts.iter().filter_map(|it| match it {
            Fact::PreludeEnded(PreludeEnded { end, .. }) => Some(*end),
            _ => None,
        });
        ends.collect()
    }

    fn error(&self) -> Option<ErrorCode> {
        self.delivered.iter().find_map(|it| match it {
            AppFrame::Error(refusal) => Some(refusal.code),
            _ => None,
        })
    }

    fn summary(&self) -> &Summary {
        match self.delivered.last() {
            Some(AppFrame::Finished { summary, .. }) => summary,
            other => panic!("{other:?}"),
        }
    }

    fn is_closing(&self, id: ConnectionId) -> bool {
        self.sent.iter().any(|(_, to, it)| *to == id && *it == Outgoing::CloseStream)
    }

    fn dead(&self) -> Vec<(u32, bool)> {
        let dead = self.events().into_iter().filter_map(|it| match it {
            Event::Dead { death, recovering } => Some((death.connection, *recovering)),
            _ => None,
        });
        dead.collect()
    }
}

#[test]
fn live_audio_moves_to_main_when_the_prelude_has_had_its_time() {
    let mut pair = Pair::enrolling(with_prelude());
    assert_eq!(pair.dialled, [MAIN, second()]);
    // 15 s at 1.25 times real time less the second that goes at once, and 10 s to settle.
    pair.speak(MS(21_100));
    assert_eq!((pair.audio(MAIN), pair.audio(second()).0), ((MS(0), secs(15)), MS(21_100)));
    assert!(pair.ends().is_empty() && !pair.is_closing(second()));
    pair.speak(secs(2));
    assert_eq!(pair.ends(), [PreludeEnd::Moved]);
    let (main, lead) = pair.audio(MAIN);
    assert_eq!((main + pair.audio(second()).0, lead), (MS(23_100), secs(15)));
    assert_eq!(pair.events(), [&Event::PreludeDone { prelude_ms: 3_000 }]);
    assert!(pair.is_closing(second()));
    let sent = PreludeSent { prelude: secs(3), padding: secs(12), took: MS(11_200) };
    assert!(pair.facts.contains(&Fact::PreludeSent(sent)), "{:?}", pair.facts);
}

#[test]
fn what_main_says_of_the_prelude_is_kept_from_the_application() {
    let mut pair = Pair::enrolling(with_prelude());
    pair.speak(secs(5));
    pair.result(MAIN, 0, 3_000);
    pair.message(MAIN, MessageKind::SpeechStarted { at: MS(100) });
    pair.message(MAIN, MessageKind::UtteranceEnd { end: MS(2_900) });
    assert_eq!(pair.messages(), 0);
    pair.result(second(), 0, 4_000);
    assert_eq!(pair.messages(), 1);
}

#[test]
fn times_on_main_are_the_sessions() {
    let mut pair = Pair::enrolling(with_prelude());
    pair.speak(secs(23));
    let moved = pair.audio(second()).0.as_secs_f64();
    pair.result(MAIN, 14_000, 16_000);
    let Some(AppFrame::Message { times, .. }) = pair.delivered.last() else { panic!("a result") };
    assert_eq!((times.start(15.0), times.end(16.0)), (moved, moved + 1.0));
    assert!(times.is_withheld(14.2, 15.5) && !times.is_withheld(14.8, 15.5));
}

#[test]
fn the_connection_that_is_left_ends_cleanly_and_its_last_words_are_passed_on() {
    let mut pair = Pair::enrolling(with_prelude());
    pair.speak(secs(23));
    let moved = millis(pair.audio(second()).0);
    pair.result(second(), 0, moved);
    pair.close(second());
    assert_eq!((pair.messages(), &pair.hung_up[..]), (2, &[second()][..]));
    pair.speak(secs(2));
    pair.app(AppInput::Finish);
    pair.close(MAIN);
    let summary = pair.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(0)));
    assert_eq!((summary.connections, &summary.death), (2, &None));
}

#[test]
fn finish_waits_for_both_connections() {
    let mut pair = Pair::enrolling(with_prelude());
    pair.speak(secs(23));
    pair.app(AppInput::Finish);
    pair.close(MAIN);
    assert!(!pair.session.is_closed());
    pair.result(second(), 0, 21_200);
    pair.close(second());
    assert_eq!((pair.summary().outcome, pair.summary().lost_ms), (Outcome::Finished, Some(0)));
}

#[test]
fn the_session_opens_with_the_first_connection() {
    for first in [MAIN, second()] {
        let mut pair = Pair::new(with_prelude());
        pair.connect(first);
        assert!(matches!(pair.delivered[..], [AppFrame::Opened { .. }]));
        pair.connect(if first == MAIN { second() } else { MAIN });
        assert_eq!(pair.delivered.len(), 1);
    }
}

#[test]
fn if_main_dies_live_audio_stays_where_it_is() {
    for config in [with_prelude(), recovering()] {
        let mut pair = Pair::enrolling(config);
        pair.speak(secs(5));
        pair.die(MAIN);
        pair.speak(secs(25));
        assert_eq!((pair.ends(), pair.dead()), (vec![PreludeEnd::Lost], vec![(1, true)]));
        assert_eq!((pair.audio(second()).0, pair.dialled.len()), (secs(30), 2));
        pair.app(AppInput::Prelude(frame()));
        assert_eq!(pair.session.books.drops.preludes, 1, "nobody could know");
        pair.app(AppInput::Finish);
        pair.close(second());
        let summary = pair.summary();
        assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(0)));
        assert_eq!(summary.death.as_ref().unwrap().reason, Reason::ConnectionReset);
    }
}

#[test]
fn if_the_other_dies_live_audio_moves_to_main_at_once() {
    let mut pair = Pair::enrolling(with_prelude());
    pair.speak(secs(5));
    pair.result(second(), 0, 4_000);
    pair.die(second());
    assert_eq!((pair.ends(), pair.dead()), (vec![PreludeEnd::MovedEarly], vec![(2, true)]));
    pair.speak(secs(5));
    assert_eq!((pair.audio(MAIN).0, pair.dialled.len()), (secs(5), 2));
    pair.app(AppInput::Finish);
    pair.close(MAIN);
    let summary = pair.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(1_000)));
}

#[test]
fn with_recovery_main_gets_what_the_other_had_not_made_final() {
    let mut pair = Pair::enrolling(recovering());
    pair.speak(secs(5));
    pair.result(second(), 0, 4_000);
    pair.die(second());
    pair.speak(secs(5));
    assert_eq!(pair.audio(MAIN).0, secs(6));
    let lead = millis(pair.audio(MAIN).1);
    pair.result(MAIN, 0, lead + 1_000);
    let Some(AppFrame::Message { times, .. }) = pair.delivered.last() else { panic!("a result") };
    assert_eq!(times.start(MS(lead).as_secs_f64()), 4.0);
    let recovered = pair.events().into_iter().find_map(|it| match it {
        Event::Recovered { connection, replayed_ms, lost_ms, .. } => {
            Some((*connection, *replayed_ms, *lost_ms))
        }
        _ => None,
    });
    assert_eq!(recovered, Some((1, 1_000, 0)));
    pair.app(AppInput::Finish);
    pair.close(MAIN);
    assert_eq!((pair.summary().outcome, pair.summary().lost_ms), (Outcome::Finished, Some(0)));
}

#[test]
fn if_both_die_the_session_is_dead_or_recovers() {
    for order in [[MAIN, second()], [second(), MAIN]] {
        let mut pair = Pair::enrolling(with_prelude());
        pair.speak(secs(5));
        order.into_iter().for_each(|it| pair.die(it));
        assert_eq!(pair.dead().into_iter().map(|it| it.1).collect::<Vec<_>>(), [true, false]);
        assert_eq!(pair.session.state(), State::Dead);
        pair.app(AppInput::Finish);
        assert_eq!(pair.summary().outcome, Outcome::Dead);

        let mut pair = Pair::enrolling(recovering());
        pair.speak(secs(5));
        order.into_iter().for_each(|it| pair.die(it));
        let third = ConnectionId::new(3);
        assert_eq!(pair.dialled.last(), Some(&third));
        pair.connect(third);
        pair.speak(secs(20));
        assert_eq!(pair.audio(third).0, secs(25), "at Deepgram's pace");
        pair.app(AppInput::Finish);
        pair.close(third);
        assert_eq!((pair.summary().outcome, pair.summary().lost_ms), (Outcome::Finished, Some(0)));
    }
}

#[test]
fn a_connection_that_cannot_be_had_is_done_without() {
    let mut pair = Pair::new(with_prelude());
    pair.connect(second());
    pair.refuse(MAIN);
    pair.speak(secs(2));
    assert_eq!((pair.ends(), pair.audio(second()).0), (vec![PreludeEnd::Lost], secs(2)));

    let mut pair = Pair::new(with_prelude());
    pair.connect(MAIN);
    pair.speak(secs(2));
    pair.refuse(second());
    pair.speak(secs(2));
    assert_eq!((pair.ends(), pair.audio(MAIN).0), (vec![PreludeEnd::MovedEarly], secs(4)));

    let mut pair = Pair::new(with_prelude());
    pair.refuse(MAIN);
    pair.refuse(second());
    assert_eq!(pair.error(), Some(ErrorCode::ConnectFailed));
    assert!(pair.session.is_closed());
}

#[test]
fn whoever_ends_the_session_meanwhile_ends_the_prelude() {
    type Way = (Outcome, fn(&mut Pair));
    let ways: [Way; 3] = [
        (Outcome::Finished, |pair| pair.app(AppInput::Finish)),
        (Outcome::Aborted, |pair| pair.app(AppInput::Eof)),
        (Outcome::Drained, |pair| {
            let (linger_until, deadline) = (pair.now, pair.now + secs(20));
            pair.session.handle_drain(pair.now, DrainTimes { linger_until, deadline });
            pair.perform();
        }),
    ];
    for (outcome, end) in ways {
        for config in [with_prelude(), recovering()] {
            let mut pair = Pair::enrolling(config);
            pair.speak(secs(5));
            end(&mut pair);
            assert_eq!(pair.ends(), [PreludeEnd::SessionEnded]);
            assert_eq!((&pair.hung_up[..], pair.is_closing(second())), (&[MAIN][..], true));
            pair.app(AppInput::Prelude(frame()));
            pair.result(second(), 0, 5_000);
            pair.close(second());
            assert_eq!((pair.summary().outcome, pair.summary().lost_ms), (outcome, Some(0)));
            assert_eq!(pair.session.books.drops.preludes, 1);
        }
    }
}

#[test]
fn finalizes_go_with_the_live_audio_and_texts_to_both() {
    let mut pair = Pair::new(with_prelude());
    let text = |name: &'static [u8]| AppInput::Text(Bytes::from_static(name));
    pair.app(text(b"early"));
    pair.connect(MAIN);
    pair.connect(second());
    pair.app(text(b"late"));
    pair.app(AppInput::Finalize { channel: None });
    let to = |id, wanted: &Outgoing| {
        pair.sent.iter().filter(|(_, to, it)| *to == id && it == wanted).count()
    };
    for name in [&b"early"[..], b"late"] {
        let text = Outgoing::Text(Bytes::copy_from_slice(name));
        assert_eq!((to(MAIN, &text), to(second(), &text)), (1, 1));
    }
    let finalize = Outgoing::Finalize { channel: None, again: false };
    assert_eq!((to(MAIN, &finalize), to(second(), &finalize)), (0, 1));
}

#[test]
fn a_prelude_has_a_length_and_an_end() {
    let mut pair = Pair::connected(with_prelude());
    (0..100).for_each(|_| pair.app(AppInput::Prelude(frame())));
    assert_eq!(pair.error(), None);
    pair.app(AppInput::Prelude(Bytes::from_static(&[0; 2])));
    assert_eq!(pair.error(), Some(ErrorCode::FrameTooLarge));

    let mut pair = Pair::enrolling(with_prelude());
    pair.app(AppInput::Prelude(Bytes::new()));
    assert_eq!(pair.error(), None, "a second end is none");
    pair.app(AppInput::Prelude(frame()));
    assert_eq!(pair.error(), Some(ErrorCode::UnexpectedFrame));

    let mut pair = Pair::enrolling(with_prelude());
    pair.speak(secs(30));
    pair.app(AppInput::Prelude(frame()));
    assert_eq!(pair.error(), Some(ErrorCode::UnexpectedFrame));
}

#[test]
fn a_prelude_that_nobody_ends_is_taken_to_have_ended_after_a_minute() {
    let mut pair = Pair::connected(with_prelude());
    pair.app(AppInput::Prelude(frame()));
    pair.speak(secs(59));
    assert_eq!(pair.audio(MAIN).1, FRAME);
    pair.speak(secs(25));
    assert_eq!(pair.ends(), [PreludeEnd::Moved]);
    assert_eq!(pair.events(), [&Event::PreludeDone { prelude_ms: 100 }]);
}

#[test]
fn a_gate_in_shadow_becomes_active_when_the_prelude_is_over() {
    let vad = VadConfig { mode: VadMode::Shadow, ..VadConfig::default() };
    let mode = |pair: &Pair| pair.session.gate.as_ref().unwrap().mode();
    let mut pair = Pair::enrolling(SessionConfig { vad, ..with_prelude() });
    pair.advance(secs(5));
    assert_eq!(mode(&pair), VadMode::Shadow);
    pair.advance(secs(20));
    assert_eq!(mode(&pair), VadMode::Active);
    let mut pair = Pair::enrolling(SessionConfig { vad, ..with_prelude() });
    pair.die(MAIN);
    assert_eq!(mode(&pair), VadMode::Active);
}

/// Its own keepalives hold each of them.
#[test]
fn both_connections_are_kept_alive() {
    let mut pair = Pair::enrolling(with_prelude());
    pair.advance(MS(21_000));
    for id in [MAIN, second()] {
        let keepalives =
            pair.sent.iter().filter(|(_, to, it)| *to == id && *it == Outgoing::KeepAlive).count();
        assert!(keepalives >= 1, "{id:?}");
    }
}

/// Bytes of live audio that a connection was sent.
fn live_bytes(pair: &Pair, id: ConnectionId) -> usize {
    pair.sent.iter().filter(|(_, to, _)| *to == id).map(|(_, _, it)| it.audio_len()).sum()
}

#[test]
fn no_sample_is_torn_between_the_two() {
    let mut pair = Pair::enrolling(with_prelude());
    for _ in 0..230 {
        pair.app(AppInput::Audio(Bytes::from_static(&[1; 3_201])));
        pair.advance(FRAME);
    }
    assert_eq!(pair.ends(), [PreludeEnd::Moved]);
    assert_eq!(live_bytes(&pair, second()) % 2, 0);
    assert_eq!(live_bytes(&pair, second()) + live_bytes(&pair, MAIN), 230 * 3_201);
    pair.app(AppInput::Finish);
    pair.close(MAIN);
    pair.close(second());
    assert_eq!((pair.summary().lost_ms, pair.summary().audio.frames_dropped), (Some(0), 0));
}

#[test]
fn half_a_sample_that_is_lost_with_its_connection_takes_the_other_half_along() {
    for config in [with_prelude(), recovering()] {
        let mut pair = Pair::enrolling(config.clone());
        pair.app(AppInput::Audio(Bytes::from_static(&[1; 3_201])));
        pair.die(second());
        pair.app(AppInput::Audio(Bytes::from_static(&[1; 3_201])));
        pair.advance(secs(1));
        let is_kept = config.recovery.is_some();
        assert_eq!(live_bytes(&pair, MAIN), if is_kept { 6_402 } else { 3_200 });
        let lead = millis(pair.audio(MAIN).1);
        pair.result(MAIN, lead, lead + 50);
        let Some(AppFrame::Message { times, .. }) = pair.delivered.last() else { panic!() };
        assert_eq!(times.base, if is_kept { 0 } else { 1_601 }, "behind the torn sample");
    }
}

/// It is half open: nobody has noticed by the time at which live audio is to move.
#[test]
fn live_audio_moves_only_from_a_connection_that_is_there() {
    let mut pair = Pair::enrolling(recovering());
    pair.speak(secs(5));
    pair.result(second(), 0, 5_000);
    pair.is_half_open = true;
    pair.speak(secs(25));
    assert_eq!((pair.ends(), pair.dead()), (vec![PreludeEnd::MovedEarly], vec![(2, true)]));
    pair.is_half_open = false;
    pair.speak(secs(100));
    pair.app(AppInput::Finish);
    pair.close(MAIN);
    let summary = pair.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(0)));
    assert_eq!(pair.audio(MAIN).0, secs(125), "from what was final on");
}

#[test]
fn what_is_lost_behind_a_move_is_told() {
    for is_reset in [true, false] {
        let mut pair = Pair::enrolling(with_prelude());
        pair.speak(secs(22));
        let moved = pair.audio(second()).0;
        pair.result(second(), 0, 20_000);
        if is_reset {
            pair.die(second());
        } else {
            pair.speak(secs(15));
        }
        let bytes = format().bytes(moved - secs(20));
        let cause = if is_reset { LossCause::Dead } else { LossCause::FinishTimeout };
        assert!(pair.events().contains(&&Event::AudioDropped { frames: 0, bytes, cause }));
    }
}

fn format() -> AudioFormat {
    config().audio.unwrap()
}
