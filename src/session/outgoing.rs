//! What a session sends to Deepgram, and how it hears that the kernel has it.

use bytes::Bytes;

/// A message to Deepgram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The application's audio; never empty.
    Audio(Bytes),
    /// Silence of our own, to prime a connection; not part of the session's audio.
    Silence(Bytes),
    /// A JSON text message of the application's.
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
    /// A ping that asks for a sign of life.
    Ping,
}

/// What the kernel has taken since the last such report, counted by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Messages of the application's audio.
    pub audio_frames: u64,
    /// Their bytes.
    pub audio_bytes: u64,
    /// Bytes of our own silence.
    pub silence_bytes: u64,
    /// KeepAlives.
    pub keepalives: u64,
    /// Finalizes.
    pub finalizes: u64,
    /// The application's text messages.
    pub texts: u64,
    /// CloseStreams: 0 or 1.
    pub close_streams: u64,
    /// Pings.
    pub pings: u64,
}
