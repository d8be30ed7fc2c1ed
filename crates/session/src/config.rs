//! What one session runs by.

use std::time::Duration;

use super::Endpoint;
use super::audio::AudioFormat;

/// All that the session machine needs to know to run one session; validated, never changed.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Deepgram's endpoint.
    pub endpoint: Endpoint,
    /// What the audio bytes mean; `None` for encodings that do not tell time per byte.
    pub audio: Option<AudioFormat>,
    /// Send a KeepAlive after this long without a successful send; over 0, under 10 s.
    pub keepalive_interval: Duration,
    /// Close the connection and park after this long of nothing but keepalives; `None` for never.
    pub keepalive_max_idle: Option<Duration>,
    /// Silence to send on a fresh connection while the application sends nothing; zero for none.
    pub prime_silence: Duration,
    /// How often to ping Deepgram.
    pub ping_interval: Duration,
    /// How long after a ping something must have been received.
    pub ping_timeout: Duration,
    /// Audio unanswered for this long makes a `stalled` event.
    pub stall_after: Duration,
    /// Whether a stall is a death.
    pub kill_stalled: bool,
    /// Dial attempts in all, at least 1.
    pub connect_attempts: u32,
    /// The kernel must take some of what waits to be written within this.
    pub write_timeout: Duration,
    /// How much audio is kept while dialling, where [`SessionConfig::audio`] tells time.
    pub connect_buffer: Duration,
    /// How long a Finalize may stay unanswered.
    pub finalize_timeout: Duration,
    /// How long Deepgram has to close after CloseStream.
    pub finish_timeout: Duration,
    /// How long an application may leave its socket unread while something waits for it.
    pub app_stall_timeout: Duration,
}
