//! The VAD gate: what of the application's audio is sent, and what is held back because nobody speaks.
//!
//! Pure, like the session machine that it stands in front of: it is told what a detector heard in each
//! frame, and says what becomes of the frame. Its time is the audio's, not the clock's. It never sends
//! keepalives; that nothing is sent is the session machine's to make up for.

mod preroll;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

use crate::Endpoint;
use crate::audio::{AudioFormat, Encoding};
use crate::ring::Fresh;

use preroll::Preroll;

crate::vocabulary! {
    /// What the gate does.
    pub enum VadMode: "mode" {
        /// Nothing: no detector runs.
        Off = "off",
        /// Everything is sent, and counted as if it were not.
        Shadow = "shadow",
        /// Silence is held back.
        Active = "active",
    }
}

crate::vocabulary! {
    /// Why a session cannot have a gate.
    pub enum VadUnavailable: "cause" {
        /// The detector cannot decode it sample by sample.
        Encoding = "encoding",
        /// The detector knows nothing of less than 8 kHz or more than 48 kHz.
        SampleRate = "sample_rate",
        /// More than 8.
        Channels = "channels",
        /// Flux has no KeepAlive to live through silence by, and ends turns by the silence itself.
        Endpoint = "endpoint",
        /// Results go to a callback: nobody could move their times.
        Callback = "callback",
    }
}

crate::vocabulary! {
    /// Where the gate is.
    pub enum GateState: "gate_state" {
        /// Nobody speaks: frames are held back.
        Silence = "silence",
        Speech = "speech",
        /// Nobody speaks any more: frames are still sent for a while.
        Hangover = "hangover",
    }
}

/// Sample rates that the detector's audio is converted from, in Hz.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Most channels that are listened to.
pub const CHANNELS_MAX: u32 = 8;

/// What the detector judges at a time.
pub const FRAME: Duration = Duration::from_millis(16);

/// How the gate is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VadConfig {
    pub mode: VadMode,
    /// Speech when the detector's score is over this: over 0, under 1.
    pub threshold: f32,
    /// How much is sent of what came before speech was heard.
    pub preroll: Duration,
    /// How long frames are still sent once nobody speaks any more.
    pub hangover: Duration,
    /// How long nobody must have spoken before Deepgram is asked to finalize.
    pub finalize_after: Duration,
}

impl Default for VadConfig {
    fn default() -> Self {
        Self {
            mode: VadMode::Off,
            threshold: 0.55,
            preroll: Duration::from_millis(300),
            hangover: Duration::from_millis(4_000),
            finalize_after: Duration::from_millis(300),
        }
    }
}

impl VadUnavailable {
    /// Why a session like this cannot have a gate; `None` if it can.
    pub fn of(endpoint: Endpoint, audio: Option<AudioFormat>, callback: bool) -> Option<Self> {
        if endpoint == Endpoint::V2Listen {
            return Some(Self::Endpoint);
        }
        if callback {
            return Some(Self::Callback);
        }
        match audio {
            None => Some(Self::Encoding),
            Some(it) if it.encoding == Encoding::Linear32 => Some(Self::Encoding),
            Some(it) if !SAMPLE_RATES.contains(&it.sample_rate) => Some(Self::SampleRate),
            Some(it) if it.channels > CHANNELS_MAX => Some(Self::Channels),
            Some(_) => None,
        }
    }

    /// In words, behind "the VAD gate is not available: ".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Encoding => "it can hear only linear16, mulaw and alaw",
            Self::SampleRate => "it can hear only sample rates from 8000 to 48000",
            Self::Channels => "it can hear at most 8 channels",
            Self::Endpoint => "/v2/listen needs the silence to end its turns",
            Self::Callback => "with a callback nobody could move the times of the results",
        }
    }
}

/// What a detector heard in a frame of the application's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heard {
    /// Too little audio to tell, or nobody listens.
    #[default]
    Nothing,
    /// No speech.
    Silence,
    /// Speech, which ended so many samples before the frame did, as far as is known.
    Speech { since: u64 },
    /// The detector has failed.
    Fault,
}

/// What becomes of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// What came before it and is sent first: the audio, and how many frames end in it.
    pub preroll: Option<(Bytes, u64)>,
    /// How many of its bytes are sent: all, none, or what is left of a sample that was begun.
    pub sent: usize,
    /// Behind it Deepgram is to finalize what it has.
    pub finalize: bool,
    /// What will never be sent: bytes, and how many frames end in them.
    pub gated_bytes: u64,
    pub gated_frames: u64,
    /// Where the gate has gone with it.
    pub turn: Option<Turn>,
}

/// The gate has opened or closed: told in shadow as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Someone speaks. So much was held back before.
    Opened { held_bytes: u64 },
    /// Nobody has spoken for the hangover. So much passed since it opened.
    Closed { passed_bytes: u64 },
}

/// Bytes of audio by what became of it, since the gate came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateBytes {
    /// Received in each state.
    pub silence: u64,
    pub speech: u64,
    pub hangover: u64,
    /// Held back for good.
    pub held: u64,
    /// What would have been, in shadow.
    pub would_hold: u64,
}

/// The gate as operators may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateSnapshot {
    pub mode: VadMode,
    pub state: GateState,
    /// Its detector has failed: everything is sent.
    pub has_failed: bool,
}

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

    /// Memory that it keeps audio in, in bytes.
    pub fn memory(&self) -> u64 {
        self.preroll.memory()
    }

    /// A frame of audio, not empty, and what was heard in it. It is sent in any case while `is_open`.
    pub fn pass(&mut self, audio: &[u8], heard: Heard, is_open: bool) -> Passage {
        let mut passage = Passage { sent: audio.len(), ..Passage::default() };
        if self.listens() {
            passage.turn = self.hear(audio.len() as u64, heard, &mut passage.finalize);
            self.count(audio.len() as u64);
        }
        let is_held = self.listens() && self.state == GateState::Silence && !is_open;
        passage.finalize &= self.is_active();
        if is_held && self.is_active() {
            self.hold(audio, &mut passage);
        } else {
            passage.preroll = self.preroll.release();
            self.count_shadow(audio.len() as u64, is_held);
        }
        self.received += audio.len() as u64;
        passage
    }

    /// A sample that was begun is sent whole.
    fn hold(&mut self, audio: &[u8], passage: &mut Passage) {
        let block = u64::from(self.format.block_bytes);
        let begun = self.received.next_multiple_of(block) - self.received;
        passage.sent = if self.preroll.is_empty() { audio.len().min(begun as usize) } else { 0 };
        let rest = &audio[passage.sent..];
        if !rest.is_empty() {
            let gated = self.preroll.hold(rest);
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
