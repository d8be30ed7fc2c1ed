//! A server that breaks the protocol in each of the ways of the Autobahn suite: the connection is dead,
//! for that reason, and the server is told by which code.

use super::*;

/// What a server that sends these bytes comes to, and what it is told.
async fn judged(bytes: &[u8]) -> (Reason, Option<u16>) {
    let (mut link, mut theirs) = link(8 << 20, Endpoint::V1Listen).await;
    theirs.write_all(bytes).await.unwrap();
    let (reason, _) = loop {
        match next(&mut link).await {
            UpstreamInput::Message { .. } | UpstreamInput::Binary { .. } | UpstreamInput::Ping => {}
            end => break self::reason(end),
        }
    };
    assert!(poll(&mut link).is_pending(), "nothing follows an end");
    link.hang_up();
    let mut told = Vec::new();
    theirs.read_to_end(&mut told).await.unwrap();
    (reason, close_code(&told))
}

/// The code of a client's close frame, which is all that was sent.
fn close_code(told: &[u8]) -> Option<u16> {
    match *told {
        [] => None,
        [0x88, length, a, b, _, _, high, low, ..] => {
            assert_eq!(usize::from(length & 0x7f), told.len() - 6, "one frame, and nothing else");
            Some(u16::from_be_bytes([high ^ a, low ^ b]))
        }
        _ => panic!("{told:?} is no close frame with a code"),
    }
}

async fn check(cases: &[(&str, &[u8])], code: u16) {
    for (breach, bytes) in cases {
        assert_eq!(judged(bytes).await, (Reason::WsProtocol, Some(code)), "{breach}");
    }
}

#[tokio::test]
async fn frames_that_mean_nothing_are_answered_with_1002() {
    check(
        &[
            ("reserved bit 1", &[0xc1, 0]),
            ("reserved bit 2", &[0xa1, 0]),
            ("reserved bit 3", &[0x91, 0]),
            ("all of them, on a Ping", &[0xf9, 0]),
            ("opcode 3", &[0x83, 0]),
            ("opcode 4", &[0x84, 1, b'x']),
            ("opcode 7", &[0x87, 0]),
            ("opcode 11", &[0x8b, 0]),
            ("opcode 15", &[0x8f, 1, b'x']),
            ("behind a sound message", &[0x81, 1, b'x', 0x83, 0]),
            ("masked", &[0x81, 0x81, 0, 0, 0, 0, b'x']),
        ],
        1002,
    )
    .await;
}

#[tokio::test]
async fn control_frames_that_are_long_or_in_pieces_are_answered_with_1002() {
    let mut long = vec![0x89, 126, 0, 126];
    long.resize(4 + 126, b'x');
    let mut long_close = vec![0x88, 126, 0, 126, 0x03, 0xe8];
    long_close.resize(4 + 126, b'x');
    check(
        &[
            ("a Ping of 126 bytes", &long),
            ("a Close of 126 bytes", &long_close),
            ("a Ping in pieces", &[0x09, 1, b'x', 0x80, 1, b'y']),
            ("a Pong in pieces", &[0x0a, 0]),
            ("a Close of one byte", &[0x88, 1, 0x03]),
        ],
        1002,
    )
    .await;
}

#[tokio::test]
async fn fragments_out_of_order_are_answered_with_1002() {
    check(
        &[
            ("nothing to continue", &[0x80, 1, b'x']),
            ("nothing to continue, and more to come", &[0x00, 1, b'x']),
            ("nothing left to continue", &[0x01, 1, b'x', 0x80, 1, b'y', 0x80, 1, b'z']),
            ("a message inside a message", &[0x01, 1, b'x', 0x81, 1, b'y']),
            ("another kind inside a message", &[0x01, 1, b'x', 0x02, 1, b'y']),
        ],
        1002,
    )
    .await;
}

#[tokio::test]
async fn text_that_is_not_utf8_is_answered_with_1007() {
    check(
        &[
            ("a lonely byte", &[0x81, 1, 0xff]),
            ("an overlong slash", &[0x81, 2, 0xc0, 0xaf]),
            ("a surrogate", &[0x81, 3, 0xed, 0xa0, 0x80]),
            ("beyond Unicode", &[0x81, 4, 0xf4, 0x90, 0x80, 0x80]),
            ("half a character at the end", &[0x81, 2, b'x', 0xc3]),
            ("half a one at the end of fragments", &[0x01, 1, b'x', 0x80, 1, 0xc3]),
            ("in a later fragment", &[0x01, 1, b'x', 0x80, 2, 0xc3, b'x']),
            ("in a Close's reason", &[0x88, 3, 0x03, 0xe8, 0xff]),
        ],
        1007,
    )
    .await;
}

#[tokio::test]
async fn a_message_over_the_bound_is_answered_with_1009_before_it_has_come() {
    let half = MESSAGE_BYTES_MAX / 2 + 1;
    let mut fragments = vec![0x02, 127];
    fragments.extend((half as u64).to_be_bytes());
    fragments.resize(fragments.len() + half, 7);
    fragments.extend([0x80, 127]);
    fragments.extend((half as u64).to_be_bytes());
    fragments.resize(fragments.len() + half, 7);
    check(
        &[
            ("one byte more than 4 MiB", &[0x82, 127, 0, 0, 0, 0, 0, 0x40, 0, 1]),
            ("all that a length can say", &[0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255]),
            ("over two fragments", &fragments),
        ],
        1009,
    )
    .await;
}

#[tokio::test]
async fn a_message_of_exactly_the_bound_is_no_breach() {
    let mut bytes = vec![0x82, 127];
    bytes.extend((MESSAGE_BYTES_MAX as u64).to_be_bytes());
    bytes.resize(bytes.len() + MESSAGE_BYTES_MAX, 7);
    bytes.extend([0x88, 2, 0x03, 0xe8]);
    assert_eq!(judged(&bytes).await, (Reason::ClosedEarly, Some(1000)));
}

#[tokio::test]
async fn a_close_is_answered_in_kind_and_one_that_no_peer_may_send_with_1002() {
    for (code, reason, answer) in [
        (1000_u16, Reason::ClosedEarly, 1000),
        (1001, Reason::ClosedGoingAway, 1001),
        (1011, Reason::ProviderError, 1011),
        (3000, Reason::ClosedOther, 3000),
        (4999, Reason::ClosedOther, 4999),
        (0, Reason::WsProtocol, 1002),
        (999, Reason::WsProtocol, 1002),
        (1004, Reason::WsProtocol, 1002),
        (1005, Reason::WsProtocol, 1002),
        (1006, Reason::WsProtocol, 1002),
        (1015, Reason::WsProtocol, 1002),
        (1016, Reason::WsProtocol, 1002),
        (2999, Reason::WsProtocol, 1002),
        (5000, Reason::WsProtocol, 1002),
        (u16::MAX, Reason::WsProtocol, 1002),
    ] {
        let [high, low] = code.to_be_bytes();
        assert_eq!(judged(&[0x88, 2, high, low]).await, (reason, Some(answer)), "{code}");
    }
}

#[tokio::test]
async fn what_is_no_breach_ends_nothing() {
    let bytes = [
        &[0x01, 1, 0xc3][..],
        &[0x89, 1, b'p'],
        &[0x80, 1, 0xa9],
        &[0x8a, 0],
        &[0x02, 0, 0x00, 0, 0x80, 0],
        &[0x88, 2, 0x03, 0xe8],
    ];
    let (mut link, mut theirs) = link(1 << 10, Endpoint::V1Listen).await;
    theirs.write_all(&bytes.concat()).await.unwrap();
    assert!(matches!(next(&mut link).await, UpstreamInput::Ping));
    let UpstreamInput::Message { text, .. } = next(&mut link).await else { panic!("no text") };
    assert_eq!(text, "\u{e9}");
    assert!(matches!(next(&mut link).await, UpstreamInput::Pong));
    assert!(
        matches!(next(&mut link).await, UpstreamInput::Binary { payload } if payload.is_empty())
    );
    assert!(matches!(next(&mut link).await, UpstreamInput::Closed { .. }));
}
