//! Faults of a session's first dial, of which there is one.

use std::time::Duration;

use client::Refusal;

use crate::support::{App, Config, Emulator, listen};

use super::line::{Fault, Line};
use super::row::{SLACK, reconnecting};

pub(super) fn faults() -> Vec<Fault> {
    let refused = [
        ("400", "http_400"),
        ("401", "http_401"),
        ("402", "http_402"),
        ("403", "http_403"),
        ("404", "http_4xx"),
        ("408", "http_4xx"),
        ("429", "http_429"),
        ("500", "http_5xx"),
        ("503", "http_5xx"),
    ];
    let refused = refused.map(|(status, reason)| {
        let plan = format!("{{refuse: {{status: {status}}}}}");
        scripted(format!("the dial gets {status}"), plan, reason, Duration::ZERO)
    });
    refused.into_iter().chain(unanswered()).collect()
}

fn unanswered() -> Vec<Fault> {
    let redirect = "{redirect: {status: 302, location: 'http://127.0.0.1:1/'}}";
    let second = Duration::from_secs(1);
    vec![
        scripted("the dial is redirected".into(), redirect.into(), "http_3xx", Duration::ZERO),
        scripted(
            "the dial is reset".into(),
            "{refuse_tcp: true}".into(),
            "protocol",
            Duration::ZERO,
        ),
        scripted(
            "the dial gets no HTTP".into(),
            "{garbage_handshake: true}".into(),
            "protocol",
            Duration::ZERO,
        ),
        scripted(
            "the dial gets no answer".into(),
            "{hang_handshake: true}".into(),
            "timeout",
            second,
        ),
    ]
}

/// A dial that meets with a plan of the emulator's.
fn scripted(fault: String, plan: String, reason: &'static str, deadline: Duration) -> Fault {
    Box::pin(async move {
        let emulator = Emulator::scripted(&[&plan]).await;
        dialled(fault, &reconnecting(&emulator), reason, deadline).await
    })
}

/// One attempt, and the ERROR that comes of it.
pub(super) async fn dialled(
    fault: String,
    config: &Config,
    reason: &str,
    deadline: Duration,
) -> Line {
    let config = config.clone().set("upstream.connect_timeout", "1s");
    let sidecar = config.set("upstream.connect_attempts", 1).start().await;
    let begun = clock::now();
    let Refusal { code, reason: told, .. } =
        App::dial(&sidecar, &listen("refused")).await.refusal().await;
    let noticed = clock::now().duration_since(begun);
    assert_eq!((code.as_str(), told.as_deref()), ("connect_failed", Some(reason)), "{fault}");
    assert!(noticed < deadline + SLACK, "{fault}: {noticed:?}");
    let recovered = "no session".into();
    Line { fault, reason: format!("`{reason}`"), noticed: Some(noticed), lost_ms: None, recovered }
}
