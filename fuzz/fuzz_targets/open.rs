//! Any bytes as the payload of OPEN: never a panic; what is refused says why and where, and what is
//! accepted is within the contract's bounds.

#![no_main]

use std::time::Duration;

use deepgram_sidecar::ipc::open::{Open, parse};
use session::gate::{VadMode, VadUnavailable};
use session::{Endpoint, ErrorCode, Refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| match parse(payload) {
    Ok(open) => check(&open),
    Err(refusal) => check_refusal(&refusal),
});

fn check(open: &Open) {
    assert!(open.query.len() <= 16 << 10);
    assert!(
        open.query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%&=".contains(&byte))
    );
    assert!(open.query.split('&').all(|pair| !pair.starts_with("sidecar_")));
    let interval_max = Duration::from_millis(9_999);
    assert!(open.keepalive_interval.is_none_or(|it| !it.is_zero() && it <= interval_max));
    let minute = Duration::from_secs(60);
    assert!(open.hangover_min <= minute);
    if let Some(prelude) = open.prelude {
        assert!(prelude.pad_to <= minute && prelude.stabilize <= minute);
        assert!(open.audio.is_some() && open.endpoint == Endpoint::V1Listen);
    }
    if open.vad.is_some_and(|mode| mode != VadMode::Off) {
        assert_eq!(VadUnavailable::of(open.endpoint, open.audio, open.results_elsewhere), None);
    }
    assert!(open.tags.len() <= 16);
    assert!(open.tags.iter().all(|(key, value)| key.len() <= 64 && value.len() <= 256));
    assert!(open.traceparent.is_none() || !open.traceparent_malformed);
}

fn check_refusal(refusal: &Refusal) {
    assert!(matches!(refusal.code, ErrorCode::InvalidOpen | ErrorCode::UnsupportedProtocol));
    assert!(!refusal.message.is_empty());
}
