//! The metric catalogue: every family, registered once, with its children at zero.
//!
//! Only events and scrapes update them; no session id, text or host is ever a label.

pub(crate) mod app;
pub(crate) mod daemon;
pub(crate) mod flow;
pub(crate) mod lifecycle;
pub(crate) mod otlp;
pub(crate) mod recovery;
pub(crate) mod runtime;
pub(crate) mod stream;
pub(crate) mod upstream;
pub(crate) mod vad;

use prometheus::Registry;

use super::exemplar::Exemplars;
use super::family::Families;

#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) app: app::AppMetrics,
    pub(crate) session: lifecycle::SessionMetrics,
    pub(crate) keepalive: stream::KeepaliveMetrics,
    pub(crate) finalize: stream::FinalizeMetrics,
    pub(crate) audio: stream::AudioMetrics,
    pub(crate) transcript: stream::TranscriptMetrics,
    pub(crate) flow: flow::FlowMetrics,
    pub(crate) upstream: upstream::UpstreamMetrics,
    pub(crate) death: upstream::DeathMetrics,
    pub(crate) recovery: recovery::RecoveryMetrics,
    pub(crate) vad: vad::VadMetrics,
    pub(crate) prelude: vad::PreludeMetrics,
    pub(crate) runtime: runtime::RuntimeMetrics,
    pub(crate) daemon: daemon::DaemonMetrics,
    pub(crate) otlp: otlp::OtlpMetrics,
    pub(crate) exemplars: Exemplars,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let families = Families::new(registry);
        Self {
            app: app::AppMetrics::register(&families),
            session: lifecycle::SessionMetrics::register(&families),
            keepalive: stream::KeepaliveMetrics::register(&families),
            finalize: stream::FinalizeMetrics::register(&families),
            audio: stream::AudioMetrics::register(&families),
            transcript: stream::TranscriptMetrics::register(&families),
            flow: flow::FlowMetrics::register(&families),
            upstream: upstream::UpstreamMetrics::register(&families),
            death: upstream::DeathMetrics::register(&families),
            recovery: recovery::RecoveryMetrics::register(&families),
            vad: vad::VadMetrics::register(&families),
            prelude: vad::PreludeMetrics::register(&families),
            runtime: runtime::RuntimeMetrics::register(&families),
            daemon: daemon::DaemonMetrics::register(&families),
            otlp: otlp::OtlpMetrics::register(&families),
            exemplars: families.into_exemplars(),
        }
    }
}
