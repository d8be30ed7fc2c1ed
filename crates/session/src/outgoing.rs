//! What a session sends to Deepgram, and how it learns that the kernel has taken it.

use bytes::Bytes;

/// A message to Deepgram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The application's audio; never empty.
    Audio(Bytes),
    /// Audio that waited, for a connection or for someone to speak, or that is sent again; never empty.
    Replay {
        audio: Bytes,
        /// How many of its bytes, the last ones, are sent for the first time.
        fresh_bytes: u64,
        /// How many of the application's frames are with them complete.
        fresh_frames: u64,
    },
    /// What goes ahead of the application's live audio on a connection: our own silence, a prelude.
    Lead(Bytes),
    /// A JSON text message from the application.
    Text(Bytes),
    /// The keepalive of the session's endpoint.
    KeepAlive,
    /// `Finalize`.
    Finalize {
        /// The channel, from 0; `None` for all.
        channel: Option<u64>,
        /// An earlier connection died with it unanswered.
        again: bool,
    },
    /// `CloseStream`.
    CloseStream,
    /// A ping, to check that the connection is alive.
    Ping,
}

impl Outgoing {
    /// Its payload, in bytes.
    pub fn payload_len(&self) -> usize {
        match self {
            Self::Audio(bytes)
            | Self::Replay { audio: bytes, .. }
            | Self::Lead(bytes)
            | Self::Text(bytes) => bytes.len(),
            Self::KeepAlive | Self::Finalize { .. } | Self::CloseStream | Self::Ping => 0,
        }
    }

    /// The application's audio in it.
    pub fn audio(&self) -> &[u8] {
        match self {
            Self::Audio(bytes) | Self::Replay { audio: bytes, .. } => bytes,
            _ => &[],
        }
    }

    /// How many of the application's frames are complete with it.
    pub fn frames(&self) -> u64 {
        match self {
            Self::Audio(_) => 1,
            Self::Replay { fresh_frames, .. } => *fresh_frames,
            _ => 0,
        }
    }

    /// Audio in two: its first so many bytes, in which no frame ends, and the rest. All of it if it has
    /// no more.
    pub(crate) fn split_audio(self, bytes: usize) -> (Self, Option<Self>) {
        let (audio, fresh_bytes, fresh_frames) = match &self {
            Self::Audio(audio) if audio.len() > bytes => (audio, audio.len() as u64, 1),
            Self::Replay { audio, fresh_bytes, fresh_frames } if audio.len() > bytes => {
                (audio, *fresh_bytes, *fresh_frames)
            }
            _ => return (self, None),
        };
        let piece = |audio: Bytes, fresh_frames| {
            let fresh_bytes = fresh_bytes.min(audio.len() as u64);
            Self::Replay { audio, fresh_bytes, fresh_frames }
        };
        let (head, tail) = (audio.slice(..bytes), audio.slice(bytes..));
        (piece(head, 0), Some(piece(tail, fresh_frames)))
    }

    /// The application's audio in it, in bytes.
    pub fn audio_len(&self) -> usize {
        self.audio().len()
    }
}

/// What the kernel has taken since the last report, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// AUDIO frames of the application, each counted once however often it is sent.
    pub audio_frames: u64,
    /// Their bytes.
    pub audio_bytes: u64,
    /// Messages of audio that had waited or was sent again.
    pub replays: u64,
    /// Bytes that an earlier connection had got.
    pub replayed_bytes: u64,
    /// Bytes that go ahead of the application's live audio.
    pub lead_bytes: u64,
    /// KeepAlives.
    pub keepalives: u64,
    pub finalizes: u64,
    /// How many of those an earlier connection had got.
    pub finalizes_again: u64,
    /// The application's text messages.
    pub texts: u64,
    /// CloseStreams: 0 or 1.
    pub close_streams: u64,
    pub pings: u64,
}

impl Written {
    /// Counts a message.
    pub fn add(&mut self, outgoing: &Outgoing) {
        match outgoing {
            Outgoing::Audio(audio) => {
                self.audio_frames += 1;
                self.audio_bytes += audio.len() as u64;
            }
            Outgoing::Replay { audio, fresh_bytes, fresh_frames } => {
                self.replays += 1;
                self.replayed_bytes += audio.len() as u64 - fresh_bytes;
                self.audio_frames += fresh_frames;
                self.audio_bytes += fresh_bytes;
            }
            Outgoing::Lead(lead) => self.lead_bytes += lead.len() as u64,
            Outgoing::Text(_) => self.texts += 1,
            Outgoing::KeepAlive => self.keepalives += 1,
            Outgoing::Finalize { again, .. } => {
                self.finalizes += 1;
                self.finalizes_again += u64::from(*again);
            }
            Outgoing::CloseStream => self.close_streams += 1,
            Outgoing::Ping => self.pings += 1,
        }
    }

    /// Bytes of the application's audio, sent for the first time or again.
    pub fn all_audio_bytes(&self) -> u64 {
        self.audio_bytes + self.replayed_bytes
    }

    /// Takes the first so many bytes of the audio out: what was sent again comes first.
    pub(crate) fn take_audio(&mut self, bytes: u64) -> Self {
        let replayed_bytes = bytes.min(self.replayed_bytes);
        let audio_bytes = (bytes - replayed_bytes).min(self.audio_bytes);
        let share = u128::from(self.audio_frames) * u128::from(audio_bytes);
        let audio_frames = share.checked_div(u128::from(self.audio_bytes)).unwrap_or(0) as u64;
        self.replayed_bytes -= replayed_bytes;
        self.audio_bytes -= audio_bytes;
        self.audio_frames -= audio_frames;
        Self { audio_frames, audio_bytes, replayed_bytes, ..Self::default() }
    }

    /// Whether there is audio of the application among it.
    pub fn has_audio(&self) -> bool {
        self.audio_frames + self.audio_bytes + self.replays > 0
    }

    /// Messages that count as activity for Deepgram: all except Pings.
    pub fn is_activity(&self) -> bool {
        *self != Self { pings: self.pings, ..Self::default() }
    }
}
