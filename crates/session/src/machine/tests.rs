//! A session between a scripted application and a small model of Deepgram, in virtual time.

mod books;
mod compatible;
mod deaths;
mod dialing;
mod drain;
mod endings;
mod endpoints;
mod exactly_once;
mod flux;
mod gate;
mod keepalives;
mod liveness;
mod measures;
mod prelude;
mod properties;
mod recovery;
mod recovery_ends;
mod regressions;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::audio::AudioFormat;
use crate::close::{CloseFrame, DgCode};
use crate::close::{dg_code_of, reason_of_close};
use crate::counts::Count;
use crate::death::Trigger;
use crate::dial::{DialFailure, DialPhases, DialReason};
use crate::gate::{Heard, VadConfig};
use crate::summary::{Outcome, Summary};
use crate::{AppInput, Dialect, Endpoint, ErrorCode, MessageKind, UpstreamInput, Written};

/// 100 ms of 16 kHz linear16.
const FRAME_BYTES: usize = 3_200;
const FRAME: Duration = Duration::from_millis(100);

fn config() -> SessionConfig {
    SessionConfig {
        dialect: Dialect::Native,
        endpoint: Endpoint::V1Listen,
        audio: AudioFormat::new("linear16", 16_000, 1),
        keepalive_interval: secs(5),
        keepalive_max_idle: Some(secs(600)),
        prime_silence: Duration::ZERO,
        ping_interval: secs(5),
        ping_timeout: secs(5),
        stall_after: secs(20),
        kill_stalled: false,
        connect_attempts: 3,
        write_timeout: secs(5),
        connect_buffer: secs(10),
        finalize_timeout: secs(5),
        finish_timeout: secs(10),
        finish_max: secs(60),
        recovery: None,
        vad: VadConfig::default(),
        prelude: None,
        results_elsewhere: false,
        names_speakers: false,
        app_stall_timeout: secs(30),
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Where so many bytes of audio end.
fn position(bytes: usize) -> Duration {
    config().audio.expect("linear16 tells time").duration(bytes as u64)
}

fn frame() -> Bytes {
    Bytes::from_static(&[1; FRAME_BYTES])
}

/// Session, application and Deepgram on one clock.
struct World {
    start: Instant,
    now: Instant,
    session: Session,
    deepgram: Deepgram,
    /// The one that was dialled last.
    connection: ConnectionId,
    /// Whether the kernel takes what is sent to Deepgram, and to the application.
    upstream_writes: bool,
    app_writes: bool,
    /// Whether the application's socket is empty whenever that is asked for.
    app_silent: bool,
    unwritten: Written,
    dials: u32,
    hang_ups: u32,
    sent: Vec<(Duration, Outgoing)>,
    delivered: Vec<(Duration, AppFrame)>,
    facts: Vec<Fact>,
    observations: Vec<(Duration, Observation)>,
}

/// The two timers of Deepgram's, and answers to what is sent.
#[derive(Default)]
struct Deepgram {
    up: Option<Instant>,
    last_heard: Option<Instant>,
    answered: bool,
    audio_bytes: usize,
    /// Says nothing at all, though TCP stays up.
    mute: bool,
    /// Answers Finalize with a result.
    answers_finalize: bool,
    /// Answers CloseStream with Metadata and a close.
    closes: bool,
}

impl World {
    fn new(config: SessionConfig) -> Self {
        let start = clock::now();
        let id = SessionId::parse("test").unwrap();
        let mut world = Self {
            start,
            now: start,
            session: Session::new(id, config, start, 7),
            deepgram: Deepgram { answers_finalize: true, closes: true, ..Deepgram::default() },
            connection: ConnectionId::FIRST,
            upstream_writes: true,
            app_writes: true,
            app_silent: true,
            unwritten: Written::default(),
            dials: 0,
            hang_ups: 0,
            sent: Vec::new(),
            delivered: Vec::new(),
            facts: Vec::new(),
            observations: Vec::new(),
        };
        world.settle();
        world
    }

    /// A world whose connection is up.
    fn connected(config: SessionConfig) -> Self {
        let mut world = Self::new(config);
        world.connect();
        world
    }

    fn connect(&mut self) {
        let closes = self.deepgram.closes;
        let answers_finalize = self.deepgram.answers_finalize;
        let (up, last_heard) = (Some(self.now), Some(self.now));
        self.deepgram =
            Deepgram { up, last_heard, closes, answers_finalize, ..Deepgram::default() };
        let request_id = Some("request".to_owned());
        self.upstream(UpstreamInput::Connected { request_id, phases: DialPhases::default() });
    }

    fn app(&mut self, input: AppInput) {
        self.session.handle_app(self.now, input);
        self.settle();
    }

    fn upstream(&mut self, input: UpstreamInput) {
        self.session.handle_upstream(self.now, self.connection, input);
        self.settle();
    }

    fn message(&mut self, kind: MessageKind) {
        self.upstream(UpstreamInput::Message { text: Bytes::from_static(b"{}"), kind });
    }

    fn close(&mut self, code: Option<u16>, text: &str) {
        let reason = reason_of_close(code, text);
        self.deepgram.up = None;
        self.upstream(UpstreamInput::Closed {
            frame: CloseFrame { code, text: text.to_owned() },
            reason,
            dg_code: dg_code_of(text),
            detail: text.to_owned(),
            says_why: !text.is_empty() || !matches!(code, None | Some(1000 | 1011)),
        });
    }

    fn fail(&mut self, reason: crate::death::Reason, trigger: Trigger) {
        self.deepgram.up = None;
        self.upstream(UpstreamInput::Failed { reason, trigger, detail: "test".to_owned() });
    }

    fn fail_dial(&mut self, reason: DialReason, status: Option<u16>) {
        let failure = DialFailure::before_answer(reason, "refused");
        self.upstream(UpstreamInput::DialFailed(DialFailure { status, ..failure }));
    }

    fn withhold_dial(&mut self, reason: DialReason) {
        let failure = DialFailure::before_answer(reason, "not dialled");
        self.upstream(UpstreamInput::DialFailed(DialFailure { withheld: true, ..failure }));
    }

    fn drain(&mut self, timeout: Duration) {
        self.drain_lingering(Duration::ZERO, timeout);
    }

    fn drain_lingering(&mut self, linger: Duration, timeout: Duration) {
        let times = DrainTimes { linger_until: self.now + linger, deadline: self.now + timeout };
        self.session.handle_drain(self.now, times);
        self.settle();
    }

    /// Carries out effects and lets both ends answer, until nothing moves.
    fn settle(&mut self) {
        loop {
            self.perform();
            if self.upstream_writes && self.unwritten != Written::default() {
                let written = std::mem::take(&mut self.unwritten);
                self.session.handle_upstream(
                    self.now,
                    self.connection,
                    UpstreamInput::Written(written),
                );
                self.answer(written);
            } else if self.app_writes && self.session.app.unwritten {
                self.session.handle_app(self.now, AppInput::WriteDrained);
            } else if self.app_silent
                && self.session.wants_emptied()
                && self.session.wants_app_input()
            {
                self.session.handle_app(self.now, AppInput::Emptied);
            } else {
                break;
            }
        }
        self.check_books();
        self.check_clocks();
    }

    fn perform(&mut self) {
        while let Some(output) = self.session.poll_output() {
            let at = self.now - self.start;
            match output {
                Output::Dial(connection, _) => {
                    self.dials += 1;
                    self.connection = connection;
                }
                Output::Send(connection, outgoing) => {
                    assert_eq!(connection, self.connection, "sent on a connection that is over");
                    self.unwritten.add(&outgoing);
                    self.sent.push((at, outgoing));
                }
                // Its dial had yet to begin.
                Output::HangUp(connection) if connection.number() > self.connection.number() => {}
                Output::HangUp(connection) => {
                    assert_eq!(connection, self.connection, "hung up on another connection");
                    self.hang_ups += 1;
                    self.deepgram.up = None;
                    self.unwritten = Written::default();
                }
                Output::Deliver(frame) => {
                    assert!(!self.is_finished(), "nothing follows the last frame: {frame:?}");
                    self.delivered.push((at, frame));
                }
                Output::AbandonApp => {}
                Output::Record(fact) => self.facts.push(*fact),
                Output::Observe(observation) => self.observations.push((at, observation)),
            }
        }
    }

    /// What Deepgram makes of what has just reached it.
    fn answer(&mut self, written: Written) {
        if written.is_activity() {
            self.deepgram.last_heard = Some(self.now);
        }
        if written.close_streams > 0 {
            // What it still processes it may take its time for.
            self.deepgram.up = None;
        }
        if self.deepgram.mute {
            return;
        }
        let before = self.deepgram.audio_bytes / (10 * FRAME_BYTES);
        self.deepgram.audio_bytes += (written.all_audio_bytes() + written.lead_bytes) as usize;
        if self.deepgram.audio_bytes / (10 * FRAME_BYTES) > before {
            self.result(false, false);
        }
        if written.pings > 0 {
            self.session.handle_upstream(self.now, self.connection, UpstreamInput::Pong);
        }
        if written.finalizes > 0 && self.deepgram.answers_finalize {
            self.result(true, true);
        }
        if written.close_streams > 0 && self.deepgram.closes {
            self.result(true, false);
            self.say(MessageKind::Metadata {
                processed: Some(position(self.deepgram.audio_bytes)),
            });
            let reason = reason_of_close(Some(1000), "");
            self.deepgram.up = None;
            let dg_code = DgCode::None;
            let (detail, says_why) = (String::new(), false);
            let frame = CloseFrame { code: Some(1000), text: String::new() };
            let closed = UpstreamInput::Closed { frame, reason, dg_code, detail, says_why };
            self.session.handle_upstream(self.now, self.connection, closed);
        }
    }

    fn result(&mut self, is_final: bool, from_finalize: bool) {
        let end = position(self.deepgram.audio_bytes);
        self.say(MessageKind::Results {
            start: Duration::ZERO,
            is_final,
            from_finalize,
            end,
            channel: 0,
            channels: 1,
        });
    }

    fn say(&mut self, kind: MessageKind) {
        self.deepgram.answered = true;
        let text = Bytes::from_static(b"{}");
        self.session.handle_upstream(
            self.now,
            self.connection,
            UpstreamInput::Message { text, kind },
        );
        self.perform();
    }

    /// Steps from deadline to deadline, the session's and Deepgram's, for so long.
    fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            let deepgram = self.deepgram.next_deadline();
            let next = [self.session.next_deadline(), deepgram].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            if deepgram.is_some_and(|deadline| deadline <= self.now) {
                self.deepgram_times_out();
            } else {
                self.timeout();
            }
        }
        self.now = until;
    }

    fn timeout(&mut self) {
        self.session.handle_timeout(self.now);
        let next = self.session.next_deadline();
        assert!(next.is_none_or(|next| next > self.now), "a deadline was left in the past");
        self.settle();
    }

    fn deepgram_times_out(&mut self) {
        let idle = self.deepgram.idle_deadline().is_some_and(|deadline| deadline <= self.now);
        let text = if idle { "See https://dpgr.am/net0001" } else { "See https://dpgr.am/net0000" };
        self.close(Some(1011), text);
    }

    /// Real-time audio for so long: the first frame now, the last one frame before the end.
    fn speak(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / FRAME.as_millis() {
            self.app(AppInput::Audio(frame()));
            self.advance(FRAME);
        }
    }

    /// The same, with what is heard in every frame.
    fn hear(&mut self, duration: Duration, heard: Heard) {
        for _ in 0..duration.as_millis() / FRAME.as_millis() {
            if self.session.wants_hearing() {
                self.session.handle_heard(self.now, frame(), heard, true);
                self.settle();
            } else {
                self.app(AppInput::Audio(frame()));
            }
            self.advance(FRAME);
        }
    }

    /// How much of the application's audio has gone out, over all connections.
    fn sent_audio(&self) -> Duration {
        position(self.sent.iter().map(|(_, it)| it.audio_len()).sum())
    }

    fn check_books(&self) {
        let (mut frames, mut bytes) = self.session.backlog.audio();
        let mut in_flight = 0;
        for connection in self.session.connections.iter() {
            frames += connection.unwritten().audio_frames;
            bytes += connection.unwritten().audio_bytes;
            in_flight += connection.stream().in_flight() + connection.unwritten().replayed_bytes;
        }
        if let Some(recovery) = &self.session.recovery {
            let fresh = recovery.fresh();
            (frames, bytes) = (frames + fresh.0, bytes + fresh.1);
            in_flight += recovery.to_repeat();
        }
        if let Some(gate) = &self.session.gate {
            let (held_bytes, held_frames) = gate.waiting();
            (frames, bytes) = (frames + held_frames, bytes + held_bytes);
        }
        let ledger = &self.session.books.ledger;
        assert!(ledger.is_balanced(frames, bytes, in_flight), "{ledger:?}");
    }

    /// No state may wait for what cannot come.
    fn check_clocks(&self) {
        let session = &self.session;
        if let Route::Open(id) = session.route() {
            let connection = session.serving(id);
            let is_written = *connection.unwritten() == Written::default();
            let keepalive = connection.deadline(ConnectionTimer::Keepalive);
            let traits = session.config.endpoint.traits();
            let has_text = self.sent.iter().any(|(_, it)| matches!(it, Outgoing::Text(_)));
            let is_early = traits.begins_with_text && !has_text;
            let is_due = traits.keepalive.is_some() && !is_early && is_written;
            assert!(!is_due || keepalive.is_some(), "the keepalive clock is gone");
        }
        let heard = session.wants_app_input() || session.next_deadline().is_some();
        let waits = session.route() == Route::Dialing || session.is_closed();
        assert!(heard || waits || session.app.eof, "deaf in {:?}", session.route());
    }

    fn keepalives(&self) -> Vec<u64> {
        let keepalives = self.sent.iter().filter(|(_, it)| *it == Outgoing::KeepAlive);
        keepalives.map(|(at, _)| at.as_millis() as u64).collect()
    }

    fn count_sent(&self, wanted: &Outgoing) -> usize {
        self.sent.iter().filter(|(_, it)| it == wanted).count()
    }

    fn deaths(&self) -> Vec<&Death> {
        let deaths = self.delivered.iter().filter_map(|(_, it)| match it {
            AppFrame::Event { event: Event::Dead { death, .. }, .. } => Some(death),
            _ => None,
        });
        deaths.collect()
    }

    fn events(&self) -> Vec<&Event> {
        let events = self.delivered.iter().filter_map(|(_, it)| match it {
            AppFrame::Event { event, .. } => Some(event),
            _ => None,
        });
        events.collect()
    }

    fn error(&self) -> Option<ErrorCode> {
        self.delivered.iter().find_map(|(_, it)| match it {
            AppFrame::Error(refusal) => Some(refusal.code),
            _ => None,
        })
    }

    fn is_finished(&self) -> bool {
        matches!(self.delivered.last(), Some((_, AppFrame::Finished { .. })))
    }

    fn is_opened(&self) -> bool {
        self.delivered.iter().any(|(_, it)| matches!(it, AppFrame::Opened { .. }))
    }

    /// The summary of a session that is over; facts and frame must tell the same.
    fn summary(&self) -> Summary {
        let mut ended = self.facts.iter().filter_map(|fact| match fact {
            Fact::SessionEnded(ended) => Some(&ended.summary),
            _ => None,
        });
        let summary = ended.next().expect("the session is over");
        assert!(ended.next().is_none(), "a session ends once");
        if let Some((_, AppFrame::Finished { summary: told, .. })) = self.delivered.last() {
            assert_eq!(**told, *summary);
        }
        let audio = summary.audio;
        assert_eq!(
            audio.bytes_received,
            audio.bytes_sent + audio.bytes_dropped + audio.bytes_gated,
            "the contract's equation"
        );
        summary.clone()
    }
}

impl Deepgram {
    fn idle_deadline(&self) -> Option<Instant> {
        self.up.and(self.last_heard).map(|heard| heard + secs(10))
    }

    fn response_deadline(&self) -> Option<Instant> {
        self.up.filter(|_| !self.answered).map(|up| up + secs(30))
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.idle_deadline(), self.response_deadline()]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| !self.mute)
    }
}
