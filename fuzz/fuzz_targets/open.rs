//! Any bytes as the payload of OPEN: never a panic; what is refused says why and where, and what is
//! accepted is within the contract's bounds.

#![no_main]

use std::time::Duration;

use deepgram_sidecar::ipc::open::{Open, parse};
use session::{ErrorCode, Refusal};
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
    assert!(open.tags.len() <= 16);
    assert!(open.tags.iter().all(|(key, value)| key.len() <= 64 && value.len() <= 256));
    assert!(open.traceparent.is_none() || !open.traceparent_malformed);
}

fn check_refusal(refusal: &Refusal) {
    assert!(matches!(refusal.code, ErrorCode::InvalidOpen | ErrorCode::UnsupportedProtocol));
    assert!(!refusal.message.is_empty());
}
