//! The metrics' contract: which series exist, and which one each event moves, by how much.

mod catalogue;
mod events;
pub(super) mod facts;
mod golden;
mod lives;
mod reference;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::*;
use crate::live::Speaker;
use session::audio::AudioFormat;
use session::death::{Death, Reason};
use session::dial::DialPhases;
use session::drain::{Drained, Flush};
use session::fact::{
    Connected, ConnectionClosed, ConnectionDied, ConnectionEnd, Drops, Fact, Observer,
    SessionEnded, Stage,
};
use session::gate::VadMode;
use session::summary::{
    AudioSummary, DeathSummary, EndCause, FinalizeSummary, MessageSummary, Outcome, Summary,
    VadSummary,
};
use session::{Dialect, Endpoint, Sdk, SessionId};

/// Every series of ours with its value; of histograms `_count` and `_sum`.
///
/// Less the process's own numbers, which move by themselves.
fn series(telemetry: &Telemetry) -> BTreeMap<String, f64> {
    telemetry.sessions.harvest(&telemetry.metrics);
    let families = telemetry.registry.gather();
    let own = families.iter().filter(|family| !family.name().starts_with("process_"));
    own.flat_map(series_of).collect()
}

fn series_of(family: &MetricFamily) -> Vec<(String, f64)> {
    let name = family.name().trim_start_matches("deepgram_sidecar_");
    let of_metric = |metric: &prometheus::proto::Metric| {
        let labels: Vec<_> = metric
            .get_label()
            .iter()
            .map(|label| format!("{}={}", label.name(), label.value()))
            .collect();
        let labels = labels.join(",");
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        match family.get_field_type() {
            MetricType::COUNTER => {
                vec![(format!("{name}{labels}"), metric.get_counter().get_value())]
            }
            MetricType::GAUGE => vec![(format!("{name}{labels}"), metric.get_gauge().get_value())],
            MetricType::HISTOGRAM => {
                let histogram = metric.get_histogram();
                vec![
                    (format!("{name}_count{labels}"), histogram.get_sample_count() as f64),
                    (format!("{name}_sum{labels}"), histogram.get_sample_sum()),
                ]
            }
            other => panic!("{name} has the unexpected type {other:?}"),
        }
    };
    family.get_metric().iter().flat_map(of_metric).collect()
}

/// What `happen` moved, and by how much; a series that it made has moved from zero.
fn moved(telemetry: &Telemetry, happen: impl FnOnce()) -> BTreeMap<String, f64> {
    let before = series(telemetry);
    happen();
    let was = |name: &String| before.get(name).copied().unwrap_or_default();
    let after = series(telemetry).into_iter();
    let changes = after.map(|(name, value)| {
        let change = value - was(&name);
        (name, (change * 1e6).round() / 1e6)
    });
    changes.filter(|(_, change)| *change != 0.0).collect()
}

#[track_caller]
fn assert_moved(telemetry: &Telemetry, expected: &[(&str, f64)], happen: impl FnOnce()) {
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(name, change)| ((*name).to_owned(), *change)).collect();
    assert_eq!(moved(telemetry, happen), expected);
}

pub(super) fn live(id: &str) -> Arc<LiveSession> {
    let id = SessionId::parse(id).unwrap();
    let tags = vec![("tenant".to_owned(), "ac\"me\n".to_owned())];
    LiveSession::new(
        id,
        Endpoint::V1Listen,
        AudioFormat::new("linear16", 16_000, 1),
        clock::now(),
        tags,
    )
}

/// The same, of an application that speaks Deepgram's dialect with this SDK.
pub(super) fn live_with(id: &str, sdk: Sdk) -> Arc<LiveSession> {
    let user_agent = format!("{}/1.2.3", sdk.as_str()).into();
    let speaker = Speaker { dialect: Dialect::Compatible, sdk: Some(sdk), user_agent };
    live(id).with_speaker(speaker)
}

/// A session that died and whose application then left.
pub(super) fn summary() -> Summary {
    Summary {
        session_id: SessionId::parse("call-7").unwrap(),
        outcome: Outcome::Aborted,
        cut: false,
        death: Some(DeathSummary {
            reason: Reason::ProviderError,
            trigger: Reason::ProviderError.triggers()[0],
            class: Reason::ProviderError.class(),
            detail: "1011 \"oops\"\n".to_owned(),
        }),
        duration_ms: 310_000,
        connections: 1,
        audio: AudioSummary {
            frames: 30,
            bytes_received: 96_000,
            bytes_sent: 48_000,
            frames_dropped: 10,
            bytes_dropped: 32_000,
            bytes_gated: 16_000,
        },
        keepalives: 11,
        finalizes: FinalizeSummary { sent: 7, errors: 1, timeouts: 2, skipped_dead: 0 },
        messages: MessageSummary { received: 164, finals: 82 },
        recoveries: 0,
        lost_ms: Some(1000),
        unknown_ms: Some(0),
        vad: Some(VadSummary {
            mode: VadMode::Active,
            opens: 3,
            finalizes: 2,
            speech_ms: 1_200,
            held_ms: 500,
            would_hold_ms: 0,
            failed: false,
        }),
    }
}

pub(super) fn drained() -> Drained {
    Drained {
        lasted: Duration::from_millis(1500),
        flush: Flush::Incomplete,
        unflushed: Some(Duration::from_millis(700)),
    }
}

pub(super) fn session_ended() -> Fact {
    Fact::SessionEnded(Box::new(SessionEnded {
        summary: summary(),
        cause: Some(EndCause::AppLeft),
        send_gap_max: Duration::from_millis(5001),
        audio: Some(Duration::from_secs(3)),
        drained: Some(drained()),
        finalizes_requested: 10,
        drops: Drops { empty_frames: 1, texts: 2, updates: 3, preludes: 5, messages: 4 },
    }))
}

pub(super) fn died(reason: Reason) -> Fact {
    Fact::ConnectionDied(ConnectionDied {
        death: Death {
            reason,
            trigger: reason.triggers()[0],
            class: reason.class(),
            detail: "a \"reason\" with\nlines".to_owned(),
            send_age_ms: 1500,
            receive_age_ms: 2500,
            connection: 1,
            final_ms: Some(1200),
        },
        age: Duration::from_secs(42),
        stage: Stage::Idle,
    })
}

pub(super) fn connected() -> Connected {
    let ms = Duration::from_millis;
    Connected {
        connection: 1,
        attempt: 1,
        phases: DialPhases { queued: ms(5), dns: ms(1), tcp: ms(2), tls: ms(3), upgrade: ms(4) },
        waited: ms(10),
        buffered: Some(ms(300)),
        request_id: None,
        is_beside: false,
    }
}

fn closed() -> Fact {
    Fact::ConnectionClosed(ConnectionClosed {
        connection: 1,
        age: Duration::from_secs(9),
        closing: None,
        end: ConnectionEnd::Flushed,
    })
}

/// One death of each class, in the classes' order.
pub(super) fn deaths_by_class() -> [Fact; 4] {
    [Reason::Net0001Idle, Reason::ClosedAccount, Reason::ConnectionReset, Reason::InternalError]
        .map(died)
}
