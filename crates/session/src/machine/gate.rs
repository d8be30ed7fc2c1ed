//! The VAD gate in front of the session: what it lets through goes its way, and where in the session
//! that belongs is noted.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Phase, Route, Session};
use crate::audio::AudioFormat;
use crate::bound::JOINTS_MAX;
use crate::counts::Count;
use crate::fact::{
    Fact, VadClosed, VadFailed, VadModeChanged, VadModeSource, VadNotAvailable, VadOpened,
};
use crate::gate::{Gate, Heard, Passage, Turn, VadMode, VadUnavailable};
use crate::summary::VadSummary;
use crate::{ErrorCode, Outgoing, Refusal};

/// How long after a final result something may still be told of what was before it.
const PAST_KEPT: Duration = Duration::from_secs(60);

impl Session {
    /// The gate that the session begins with.
    pub(super) fn begin_gate(&mut self) {
        if self.config.vad.mode == VadMode::Off {
            return;
        }
        match self.vad_unavailable() {
            Some(cause) => self.record(Fact::VadNotAvailable(VadNotAvailable { cause })),
            None => self.make_gate(self.config.vad.mode),
        }
    }

    fn vad_unavailable(&self) -> Option<VadUnavailable> {
        let config = &self.config;
        VadUnavailable::of(config.endpoint, config.audio, config.results_elsewhere)
    }

    fn make_gate(&mut self, mode: VadMode) {
        if let Some(format) = self.config.audio {
            let mut gate = Gate::new(&self.config.vad, format);
            gate.set_mode(mode);
            self.gate = Some(Box::new(gate));
        }
    }

    /// Whether it makes a difference what is heard in the application's audio.
    pub fn wants_hearing(&self) -> bool {
        let listens = self.gate.as_ref().is_some_and(|it| it.listens());
        listens && self.intent.is_none() && !matches!(self.phase, Phase::Latched | Phase::Ending)
    }

    /// What a detector has to know to listen to the application's audio: the format, and from which
    /// score on it is speech. `None` while it makes no difference what is heard.
    pub fn hearing(&self) -> Option<(AudioFormat, f32)> {
        let format = self.config.audio.filter(|_| self.wants_hearing())?;
        Some((format, self.config.vad.threshold))
    }

    /// UPDATE asks for another mode.
    pub(super) fn update_vad(&mut self, now: Instant, mode: VadMode) {
        match self.vad_unavailable() {
            Some(cause) if mode != VadMode::Off => {
                let message =
                    format!("the VAD gate is not available: {}; leave it off", cause.in_words());
                let code = ErrorCode::InvalidUpdate;
                self.app_breach(now, Refusal::of_member(code, "vad.mode", &message));
            }
            _ => self.set_vad_mode(mode, VadModeSource::Update),
        }
    }

    pub(super) fn set_vad_mode(&mut self, to: VadMode, by: VadModeSource) {
        let from = self.gate.as_ref().map_or(VadMode::Off, |it| it.mode());
        if from == to {
            return;
        }
        match &mut self.gate {
            Some(gate) => gate.set_mode(to),
            None => self.make_gate(to),
        }
        self.record(Fact::VadModeChanged(VadModeChanged { from, to, by }));
    }

    /// Audio that the application has sent, a frame or a piece of one, and what was heard in it.
    pub(super) fn gate_audio(&mut self, now: Instant, audio: Bytes, heard: Heard, is_end: bool) {
        let is_open = self.is_gate_open();
        let frames = u64::from(is_end);
        let Some(gate) = &mut self.gate else {
            return self.pass_audio(now, part_of(audio, usize::MAX, frames));
        };
        let passage = gate.pass(&audio, frames, heard, is_open);
        let position = self.books.ledger.received_bytes() - audio.len() as u64;
        self.count_passage(&passage);
        let Passage { preroll, sent, finalize, .. } = passage;
        if let Some((audio, fresh_frames)) = preroll {
            let fresh_bytes = audio.len() as u64;
            self.go_on_at(position - fresh_bytes);
            self.pass_audio(now, Outgoing::Replay { audio, fresh_bytes, fresh_frames });
        }
        if sent > 0 {
            self.go_on_at(position);
            self.pass_audio(now, part_of(audio, sent, frames));
        }
        if finalize {
            self.books.counts[Count::VadFinalizes] += 1;
            self.finalize(now, None);
        }
    }

    /// Whether everything is sent, whoever speaks. A connection that has said nothing yet is not kept by
    /// keepalives alone (its first words tell that Deepgram is at it), and no more holds are noted than
    /// there is room for.
    fn is_gate_open(&self) -> bool {
        let is_fresh = match self.route() {
            Route::Open(id) => !self.serving(id).has_spoken(),
            _ => false,
        };
        is_fresh || self.books.joints.len() >= JOINTS_MAX
    }

    /// What is let through next is the session's from this byte on.
    fn go_on_at(&mut self, position: u64) {
        if let Some(format) = self.config.audio {
            let sent = format.samples(self.books.ledger.passed_bytes());
            self.books.joints.resume(sent, format.samples(position));
        }
    }

    fn count_passage(&mut self, passage: &Passage) {
        self.books.ledger.gate(passage.gated_frames, passage.gated_bytes);
        let duration = |bytes| self.books.ledger.duration(bytes);
        match passage.turn {
            Some(Turn::Opened { held_bytes }) => {
                let held = duration(held_bytes);
                self.books.counts[Count::VadOpens] += 1;
                self.record(Fact::VadOpened(VadOpened { held }));
            }
            Some(Turn::Closed { passed_bytes }) => {
                let passed = duration(passed_bytes);
                self.record(Fact::VadClosed(VadClosed { passed }));
            }
            None => {}
        }
        if let Some(gate) = &self.gate
            && gate.has_failed()
            && self.books.counts[Count::VadFaults] == 0
        {
            let mode = gate.mode();
            self.books.counts[Count::VadFaults] = 1;
            self.record(Fact::VadFailed(VadFailed { mode }));
        }
    }

    /// The last of what was held back is not sent any more.
    pub(super) fn close_gate(&mut self) {
        if let Some(gate) = &mut self.gate {
            let passage = gate.drop_preroll();
            self.count_passage(&passage);
        }
    }

    /// There are final results up to `position` in the sent audio: what is long past is not asked for.
    pub(super) fn forget_joints(&mut self, position: u64) {
        if self.books.joints.len() > 1
            && let Some(format) = self.config.audio
        {
            let past = format.samples(format.bytes(PAST_KEPT));
            self.books.joints.forget_before(format.samples(position).saturating_sub(past));
        }
    }

    pub(super) fn vad_summary(&self) -> Option<VadSummary> {
        let (gate, counts) = (self.gate.as_ref()?, &self.books.counts);
        let bytes = gate.bytes();
        let millis = |bytes| self.books.ledger.millis(bytes).unwrap_or(0);
        Some(VadSummary {
            mode: gate.mode(),
            opens: counts[Count::VadOpens],
            finalizes: counts[Count::VadFinalizes],
            speech_ms: millis(bytes.speech),
            held_ms: millis(bytes.held),
            would_hold_ms: millis(bytes.would_hold),
            failed: gate.has_failed(),
        })
    }
}

/// The first bytes of audio, mostly all of it, in which so many frames end.
fn part_of(audio: Bytes, bytes: usize, frames: u64) -> Outgoing {
    let is_all = bytes >= audio.len();
    if is_all && frames == 1 {
        return Outgoing::Audio(audio);
    }
    let audio = audio.slice(..bytes.min(audio.len()));
    let fresh_frames = if is_all { frames } else { 0 };
    Outgoing::Replay { fresh_bytes: audio.len() as u64, audio, fresh_frames }
}
