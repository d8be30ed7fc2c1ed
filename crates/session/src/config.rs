//! One session's settings.

use std::time::Duration;

use super::Endpoint;
use super::audio::AudioFormat;
use super::dialect::Dialect;
use super::gate::VadConfig;

/// How a session outlives its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryConfig {
    /// How much audio to keep since the last final result.
    pub ring: Duration,
    /// Most dials in a row; a connection that lives for a minute starts the count anew.
    pub max_reconnects: u32,
    /// Most connections that come up again within a minute.
    pub reconnects_per_minute: u32,
}

/// Speech that goes ahead of the live stream, so that diarization learns a voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreludeConfig {
    /// What the prelude is padded to with silence.
    pub pad_to: Duration,
    /// How long to wait behind that before live audio follows.
    pub stabilize: Duration,
}

/// Everything the session machine needs to run one session; validated, never changed.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    pub dialect: Dialect,
    pub endpoint: Endpoint,
    /// The audio format; `None` for encodings without a known duration.
    pub audio: Option<AudioFormat>,
    /// Send a KeepAlive after this long without a successful send; over 0, under 10 s.
    pub keepalive_interval: Duration,
    /// Close the connection and park after this long of nothing but keepalives; `None` for never.
    pub keepalive_max_idle: Option<Duration>,
    /// Silence to send on a fresh connection while the application sends nothing; zero for none.
    pub prime_silence: Duration,
    /// How often to ping Deepgram.
    pub ping_interval: Duration,
    /// How soon after a ping something must be received.
    pub ping_timeout: Duration,
    /// Audio without a result for this long raises a `stalled` event.
    pub stall_after: Duration,
    /// Whether a stall is a death.
    pub kill_stalled: bool,
    /// Total dial attempts, at least 1.
    pub connect_attempts: u32,
    /// The kernel must accept some of the pending data within this time.
    pub write_timeout: Duration,
    /// How much audio to buffer while dialling, if [`SessionConfig::audio`] is known.
    pub connect_buffer: Duration,
    /// How long a Finalize may stay unanswered.
    pub finalize_timeout: Duration,
    /// How long Deepgram may say nothing after CloseStream until it has closed.
    pub finish_timeout: Duration,
    /// How long it may take to close in all.
    pub finish_max: Duration,
    /// Whether and how the session outlives its connections; `None` to latch.
    pub recovery: Option<RecoveryConfig>,
    /// How the VAD gate is set, whether or not the session can have one.
    pub vad: VadConfig,
    /// Whether the session may have a prelude; only where [`SessionConfig::audio`] is known.
    pub prelude: Option<PreludeConfig>,
    /// Results go to a callback, and not to the application.
    pub results_elsewhere: bool,
    /// Words name their speakers, whose numbers begin anew with each connection.
    pub names_speakers: bool,
    /// How long an application may leave its socket unread while data is waiting.
    pub app_stall_timeout: Duration,
}
