//! What a session sends to Deepgram, and how it learns that the kernel has taken it.

use bytes::Bytes;

/// A message to Deepgram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The application's audio; never empty.
    Audio(Bytes),
    /// Our own silence, to prime a connection; not part of the session's audio.
    Silence(Bytes),
    /// A JSON text message from the application.
    Text(Bytes),
    /// The keepalive of the session's endpoint.
    KeepAlive,
    /// `Finalize`.
    Finalize {
        /// The channel, from 0; `None` for all.
        channel: Option<u64>,
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
            Self::Audio(bytes) | Self::Silence(bytes) | Self::Text(bytes) => bytes.len(),
            Self::KeepAlive | Self::Finalize { .. } | Self::CloseStream | Self::Ping => 0,
        }
    }

    /// The application's audio in it, in bytes.
    pub fn audio_len(&self) -> usize {
        match self {
            Self::Audio(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// What the kernel has taken since the last report, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Messages of the application's audio.
    pub audio_frames: u64,
    pub audio_bytes: u64,
    /// Bytes of our own silence.
    pub silence_bytes: u64,
    /// KeepAlives.
    pub keepalives: u64,
    pub finalizes: u64,
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
            Outgoing::Silence(silence) => self.silence_bytes += silence.len() as u64,
            Outgoing::Text(_) => self.texts += 1,
            Outgoing::KeepAlive => self.keepalives += 1,
            Outgoing::Finalize { .. } => self.finalizes += 1,
            Outgoing::CloseStream => self.close_streams += 1,
            Outgoing::Ping => self.pings += 1,
        }
    }

    /// Messages that count as activity for Deepgram: all except Pings.
    pub fn is_activity(&self) -> bool {
        *self != Self { pings: self.pings, ..Self::default() }
    }
}
