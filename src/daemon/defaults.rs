//! The configuration as the settings of sessions.

use crate::config::{self, Config, Recovery, RecoveryMode};
use session::gate::{VadConfig, VadMode};
use session::{Dialect, Endpoint, RecoveryConfig, SessionConfig};

/// A session's defaults for what its OPEN does not set.
pub(crate) fn session_defaults(config: &Config) -> SessionConfig {
    SessionConfig {
        dialect: Dialect::Native,
        endpoint: Endpoint::V1Listen,
        audio: None,
        keepalive_interval: config.keepalive.interval,
        keepalive_max_idle: config.keepalive.idle_budget(),
        prime_silence: config.keepalive.prime_silence,
        ping_interval: config.liveness.ping_interval,
        ping_timeout: config.liveness.ping_timeout,
        stall_after: config.liveness.stall_after,
        kill_stalled: config.liveness.kill_stalled,
        connect_attempts: config.upstream.connect_attempts,
        write_timeout: config.upstream.write_timeout,
        connect_buffer: config.session.connect_buffer,
        finalize_timeout: config.session.finalize_timeout,
        finish_timeout: config.session.finish_timeout,
        finish_max: config.session.finish_max,
        recovery: (config.recovery.mode == RecoveryMode::Reconnect).then(|| recovery(config)),
        vad: vad(&config.vad),
        prelude: None,
        results_elsewhere: false,
        names_speakers: false,
        app_stall_timeout: config.session.app_stall_timeout,
    }
}

/// How sessions recover that are to.
pub(crate) fn recovery(config: &Config) -> RecoveryConfig {
    let Recovery { ring, max_reconnects, reconnects_per_minute, .. } = config.recovery;
    RecoveryConfig { ring, max_reconnects, reconnects_per_minute }
}

/// How the gate is set in sessions that do not choose its mode.
fn vad(config: &config::Vad) -> VadConfig {
    let mode = match config.mode {
        config::VadMode::Off => VadMode::Off,
        config::VadMode::Shadow => VadMode::Shadow,
        config::VadMode::Active => VadMode::Active,
    };
    let &config::Vad { threshold, preroll, hangover, finalize_after, .. } = config;
    VadConfig { mode, threshold: threshold as f32, preroll, hangover, finalize_after }
}
