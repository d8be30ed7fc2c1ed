//! What the gate is told of each frame, and what it says of it.

use std::time::Duration;

use bytes::Bytes;

use super::config::VadMode;

/// What the detector judges at a time.
pub const FRAME: Duration = Duration::from_millis(16);

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
