//! Any bytes as a request for a WebSocket: never a panic; what is accepted has a head of at most 16 KiB, and its query is passed
//! on as it was written, less the parameters that are the sidecar's.

#![no_main]

use bytes::BytesMut;
use deepgram_sidecar::ipc::compatible::{HttpRefusal, Request, read_request, refusal};
use libfuzzer_sys::fuzz_target;

const HEAD_BYTES_MAX: usize = 16 << 10;

fuzz_target!(|wire: &[u8]| {
    let mut inbound = BytesMut::from(wire);
    match read_request(&mut inbound) {
        Ok(Some(request)) => {
            assert!(wire.ends_with(&inbound), "what follows the head is left alone");
            check(&wire[..wire.len() - inbound.len()], &request);
        }
        Ok(None) => assert!(inbound == wire && wire.len() < HEAD_BYTES_MAX),
        Err(refused) => check_refusal(&refused),
    }
});

fn check(head: &[u8], request: &Request) {
    assert!(head.len() <= HEAD_BYTES_MAX);
    for cut in [1, head.len() / 3, head.len() / 2, head.len() - 1] {
        let come = read_request(&mut BytesMut::from(&head[..cut]));
        assert!(matches!(come, Ok(None)), "its beginning is no other request");
    }
    let target = head.split(|it| *it == b' ').nth(1).unwrap();
    let query = target.splitn(2, |it| *it == b'?').nth(1).unwrap_or_default();
    let pairs = query.split(|it| *it == b'&').filter(|pair| !is_ours(pair));
    assert_eq!(request.open.query.as_bytes(), pairs.collect::<Vec<_>>().join(&b'&'));
    assert!(request.speaker.user_agent.len() <= 128);
    assert!(request.open.traceparent.is_none() || !request.open.traceparent_malformed);
}

/// Whether a parameter's name begins with `sidecar_`, once it is decoded.
fn is_ours(pair: &[u8]) -> bool {
    let name = pair.split(|it| *it == b'=').next().unwrap();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < name.len() {
        let hex = name.get(at + 1..at + 3).and_then(|it| std::str::from_utf8(it).ok());
        let is_hex = |it: &&str| it.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (name[at], hex.filter(is_hex)) {
            (b'%', Some(hex)) => {
                decoded.push(u8::from_str_radix(hex, 16).unwrap());
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded.starts_with(b"sidecar_")
}

fn check_refusal(refused: &HttpRefusal) {
    assert!(matches!(refused.status, 400 | 404 | 405 | 426 | 431));
    assert!(!refused.refusal.message.is_empty());
    let response = refusal(refused);
    let end = response.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let head = std::str::from_utf8(&response[..end]).unwrap();
    assert!(head.contains(&format!("content-length: {}\r\n", response.len() - end)));
}
