//! The metric catalogue: every family, registered once, with its children at zero.
//!
//! Only events move them (see [`super::event`]); no session id, text or host is ever a label.

pub(crate) mod app;
pub(crate) mod daemon;
pub(crate) mod session;
pub(crate) mod upstream;

use prometheus::Registry;

use super::family::Families;

/// Handles to all metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) app: app::AppMetrics,
    pub(crate) session: session::SessionMetrics,
    pub(crate) keepalive: session::KeepaliveMetrics,
    pub(crate) finalize: session::FinalizeMetrics,
    pub(crate) audio: session::AudioMetrics,
    pub(crate) upstream: upstream::UpstreamMetrics,
    pub(crate) death: upstream::DeathMetrics,
    pub(crate) daemon: daemon::DaemonMetrics,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let families = Families::new(registry);
        Self {
            app: app::AppMetrics::register(&families),
            session: session::SessionMetrics::register(&families),
            keepalive: session::KeepaliveMetrics::register(&families),
            finalize: session::FinalizeMetrics::register(&families),
            audio: session::AudioMetrics::register(&families),
            upstream: upstream::UpstreamMetrics::register(&families),
            death: upstream::DeathMetrics::register(&families),
            daemon: daemon::DaemonMetrics::register(&families),
        }
    }
}
