//! The VAD gate: what of the application's audio is sent, and what is held back because nobody speaks.
//!
//! Pure, like the session machine that it stands in front of: it is told what a detector heard in each
//! frame, and says what becomes of the frame. Its time is the audio's, not the clock's. It never sends
//! keepalives; that nothing is sent is the session machine's to make up for.

mod config;
mod passage;
mod preroll;
#[cfg(test)]
mod tests;

use crate::audio::AudioFormat;
use crate::ring::Fresh;

use preroll::Preroll;

pub use config::{CHANNELS_MAX, VadConfig, VadMode, VadUnavailable};
pub use passage::{FRAME, GateBytes, GateSnapshot, GateState, Heard, Passage, Turn};

/// The gate of one session.
#[derive(Debug)]
pub struct Gate {
    format: AudioFormat,
    mode: VadMode,
    has_failed: bool,
    state: GateState,
    /// Samples since someone spoke.
    since_speech: u64,
    /// Deepgram has been asked to finalize in this hangover.
    finalized: bool,
    preroll: Preroll,
    /// In shadow: what would be in the pre-roll, in bytes.
    would_wait: u64,
    /// Bytes received, and where in a sample the next one is.
    received: u64,
    hangover: u64,
    finalize_after: u64,
    bytes: GateBytes,
    /// Bytes that had passed and been held back when it last turned.
    turned_at: (u64, u64),
}

impl Gate {
    /// A gate on audio of this format, closed.
    pub fn new(config: &VadConfig, format: AudioFormat) -> Self {
        let samples = |duration| format.samples(format.bytes(duration));
        Self {
            format,
            mode: config.mode,
            has_failed: false,
            state: GateState::Silence,
            since_speech: 0,
            finalized: false,
            preroll: Preroll::new(format.bytes(config.preroll), u64::from(format.block_bytes)),
            would_wait: 0,
            received: 0,
            hangover: samples(config.hangover),
            finalize_after: samples(config.finalize_after),
            bytes: GateBytes::default(),
            turned_at: (0, 0),
        }
    }

    /// Sets the mode from the next frame on. In shadow it knows already whether someone speaks, and goes
    /// on from there; but nobody has been asked to finalize yet.
    pub fn set_mode(&mut self, mode: VadMode) {
        if mode == self.mode {
            return;
        }
        if self.mode == VadMode::Off {
            self.state = GateState::Silence;
        }
        self.mode = mode;
        (self.finalized, self.would_wait) = (false, 0);
    }

    pub fn mode(&self) -> VadMode {
        self.mode
    }

    pub fn state(&self) -> GateState {
        self.state
    }

    /// Whether what the detector hears makes a difference.
    pub fn listens(&self) -> bool {
        self.mode != VadMode::Off && !self.has_failed
    }

    /// Whether the detector has failed: everything is sent.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Whether silence is held back, and not only counted.
    fn is_active(&self) -> bool {
        self.mode == VadMode::Active && !self.has_failed
    }

    /// What became of the audio.
    pub fn bytes(&self) -> GateBytes {
        self.bytes
    }

    /// Bytes that have passed since it opened; none while it is closed.
    pub fn open_bytes(&self) -> u64 {
        match self.state {
            GateState::Silence => 0,
            GateState::Speech | GateState::Hangover => self.passed() - self.turned_at.0,
        }
    }

    /// It as operators may see it.
    pub fn snapshot(&self) -> GateSnapshot {
        GateSnapshot { mode: self.mode, state: self.state, has_failed: self.has_failed }
    }

    fn passed(&self) -> u64 {
        let GateBytes { silence, speech, hangover, held, would_hold } = self.bytes;
        silence + speech + hangover - held - would_hold
    }

    /// Audio that is held back and may yet be sent: bytes, and how many frames end with it.
    pub fn waiting(&self) -> (u64, u64) {
        self.preroll.waiting()
    }

    /// Audio, not empty, in which so many frames end, and what was heard in it. It is sent in any case
    /// while `is_open`. A frame may come in pieces: the shorter, the closer the gate follows.
    pub fn pass(&mut self, audio: &[u8], frames: u64, heard: Heard, is_open: bool) -> Passage {
        let mut passage = Passage { sent: audio.len(), ..Passage::default() };
        if self.listens() {
            passage.turn = self.hear(audio.len() as u64, heard, &mut passage.finalize);
            self.count(audio.len() as u64);
        }
        let is_held = self.listens() && self.state == GateState::Silence && !is_open;
        passage.finalize &= self.is_active();
        if is_held && self.is_active() {
            self.hold(audio, frames, &mut passage);
        } else {
            passage.preroll = self.preroll.release();
            self.count_shadow(audio.len() as u64, is_held);
        }
        self.received += audio.len() as u64;
        passage
    }

    /// A sample that was begun is sent whole.
    fn hold(&mut self, audio: &[u8], frames: u64, passage: &mut Passage) {
        let block = u64::from(self.format.block_bytes);
        let begun = self.received.next_multiple_of(block) - self.received;
        passage.sent = if self.preroll.is_empty() { audio.len().min(begun as usize) } else { 0 };
        let rest = &audio[passage.sent..];
        if !rest.is_empty() {
            let gated = self.preroll.hold(rest, frames);
            self.gate(gated, passage);
        }
    }

    fn count_shadow(&mut self, bytes: u64, is_held: bool) {
        if !is_held {
            return self.would_wait = 0;
        }
        let waiting = self.would_wait + bytes;
        self.would_wait = waiting.min(self.preroll.bytes_max());
        self.bytes.would_hold += waiting - self.would_wait;
    }

    /// Gives up what might yet have been sent.
    pub fn drop_preroll(&mut self) -> Passage {
        let mut passage = Passage::default();
        let gated = self.preroll.give_up();
        self.gate(gated, &mut passage);
        passage
    }

    fn gate(&mut self, gated: Fresh, passage: &mut Passage) {
        self.bytes.held += gated.bytes;
        (passage.gated_bytes, passage.gated_frames) = (gated.bytes, gated.frames);
    }

    fn hear(&mut self, bytes: u64, heard: Heard, finalize: &mut bool) -> Option<Turn> {
        self.since_speech += self.format.samples(bytes);
        match heard {
            Heard::Nothing => None,
            Heard::Silence => self.silence_heard(finalize),
            Heard::Speech { since } => self.speech_heard(since, finalize),
            Heard::Fault => {
                self.has_failed = true;
                None
            }
        }
    }

    fn silence_heard(&mut self, finalize: &mut bool) -> Option<Turn> {
        match self.state {
            GateState::Silence => return None,
            GateState::Speech => {
                (self.state, self.finalized) = (GateState::Hangover, false);
            }
            GateState::Hangover if self.since_speech > self.hangover => {
                *finalize = !self.finalized;
                self.state = GateState::Silence;
                let passed_bytes = self.turned().0;
                return Some(Turn::Closed { passed_bytes });
            }
            GateState::Hangover => {}
        }
        self.finalize_in_time(finalize);
        None
    }

    fn speech_heard(&mut self, since: u64, finalize: &mut bool) -> Option<Turn> {
        let was_closed = self.state == GateState::Silence;
        self.since_speech = since;
        let turn = was_closed.then(|| Turn::Opened { held_bytes: self.turned().1 });
        // A whole frame of the detector's without speech came behind it.
        let is_over = since >= self.format.samples(self.format.bytes(FRAME));
        self.state = if is_over { GateState::Hangover } else { GateState::Speech };
        self.finalized = false;
        if is_over {
            self.finalize_in_time(finalize);
        }
        turn
    }

    /// Once in each hangover.
    fn finalize_in_time(&mut self, finalize: &mut bool) {
        if !self.finalized && self.since_speech >= self.finalize_after {
            (self.finalized, *finalize) = (true, true);
        }
    }

    /// Bytes that were sent since it last turned, and those that were held back; in shadow, would have been.
    fn turned(&mut self) -> (u64, u64) {
        let (passed, held) = (self.passed(), self.bytes.held + self.bytes.would_hold);
        let before = std::mem::replace(&mut self.turned_at, (passed, held));
        (passed - before.0, held - before.1)
    }

    fn count(&mut self, bytes: u64) {
        match self.state {
            GateState::Silence => self.bytes.silence += bytes,
            GateState::Speech => self.bytes.speech += bytes,
            GateState::Hangover => self.bytes.hangover += bytes,
        }
    }
}
