mod breaches;

use std::future::poll_fn;

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::*;
use crate::upstream::meter::Metered;
use session::close::DgCode;
use session::death::Reason;

type Ours = Link<Metered<DuplexStream>>;

async fn link(capacity: usize, endpoint: Endpoint) -> (Ours, DuplexStream) {
    let (ours, theirs) = duplex(capacity);
    let (stream, meter) = Metered::new(ours);
    (Link::new(stream, Bytes::new(), meter, endpoint).await, theirs)
}

/// A link and a WebSocket server at its other end.
async fn served(endpoint: Endpoint) -> (Ours, WebSocketStream<DuplexStream>) {
    let (link, theirs) = link(1 << 20, endpoint).await;
    (link, WebSocketStream::from_raw_socket(theirs, Role::Server, None).await)
}

async fn next(link: &mut Ours) -> UpstreamInput {
    poll_fn(|cx| link.poll_input(cx, true)).await
}

fn poll(link: &mut Ours) -> Poll<UpstreamInput> {
    link.poll_input(&mut Context::from_waker(Waker::noop()), true)
}

async fn received(server: &mut WebSocketStream<DuplexStream>) -> Message {
    poll_fn(|cx| Pin::new(&mut *server).poll_next(cx)).await.unwrap().unwrap()
}

fn reason(input: UpstreamInput) -> (Reason, Trigger) {
    match input {
        UpstreamInput::Failed { reason, trigger, .. } => (reason, trigger),
        UpstreamInput::Closed { reason, .. } => (reason, Trigger::Read),
        other => panic!("no end: {other:?}"),
    }
}

#[tokio::test]
async fn every_message_goes_out_as_deepgram_spells_it() {
    let (mut link, mut server) = served(Endpoint::V1Listen).await;
    for outgoing in [
        Outgoing::Audio(Bytes::from_static(b"pcm")),
        Outgoing::KeepAlive,
        Outgoing::Finalize { channel: None, again: false },
        Outgoing::Finalize { channel: Some(1), again: false },
        Outgoing::Text(Bytes::from_static(br#"{"type":"Configure"}"#)),
        Outgoing::CloseStream,
    ] {
        link.send(outgoing);
    }
    let UpstreamInput::Written(written) = next(&mut link).await else { panic!("not written") };
    let expected = Written {
        audio_frames: 1,
        audio_bytes: 3,
        keepalives: 1,
        finalizes: 2,
        texts: 1,
        close_streams: 1,
        ..Written::default()
    };
    assert_eq!(written, expected);
    assert_eq!(received(&mut server).await, Message::binary(&b"pcm"[..]));
    for text in [
        r#"{"type":"KeepAlive"}"#,
        r#"{"type":"Finalize"}"#,
        r#"{"type":"Finalize","channel":1}"#,
        r#"{"type":"Configure"}"#,
        r#"{"type":"CloseStream"}"#,
    ] {
        assert_eq!(received(&mut server).await, Message::text(text));
    }
}

#[tokio::test]
async fn flux_is_kept_alive_by_a_ping() {
    let (mut link, mut server) = served(Endpoint::V2Listen).await;
    link.send(Outgoing::KeepAlive);
    let UpstreamInput::Written(written) = next(&mut link).await else { panic!("not written") };
    assert_eq!((written.keepalives, written.pings), (1, 0));
    assert!(matches!(received(&mut server).await, Message::Ping(_)));
}

#[tokio::test]
async fn what_is_sent_together_leaves_in_one_write() {
    let (mut link, mut theirs) = link(1 << 20, Endpoint::V1Listen).await;
    for _ in 0..4 {
        link.send(Outgoing::Audio(Bytes::from(vec![0; 640])));
    }
    assert_eq!(link.meter.bytes_written(), 0, "nothing leaves before the flush");
    next(&mut link).await;
    let mut buffer = vec![0; 8 << 10];
    let read = theirs.read(&mut buffer).await.unwrap();
    assert_eq!(read as u64, link.meter.bytes_written());
    assert!(read > 4 * 640);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_a_state_and_no_wait() {
    let (mut link, mut theirs) = link(1_000, Endpoint::V1Listen).await;
    link.send(Outgoing::Audio(Bytes::from(vec![0; 3_000])));
    assert!(matches!(poll(&mut link), Poll::Ready(UpstreamInput::WriteBlocked)));
    assert!(poll(&mut link).is_pending(), "told once");
    let mut read = vec![0; 1_000];
    theirs.read_exact(&mut read).await.unwrap();
    assert!(matches!(poll(&mut link), Poll::Ready(UpstreamInput::WriteProgress)));
    assert!(poll(&mut link).is_pending());
    theirs.read_exact(&mut read).await.unwrap();
    assert!(matches!(poll(&mut link), Poll::Ready(UpstreamInput::WriteProgress)));
    theirs.read_exact(&mut read).await.unwrap();
    assert!(matches!(poll(&mut link), Poll::Ready(UpstreamInput::Written(_))));
}

#[tokio::test]
async fn messages_come_with_their_kind_and_their_very_bytes() {
    let (mut link, mut server) = served(Endpoint::V1Listen).await;
    let text = r#"{"type":"Metadata", "x":1.10}"#;
    server.send(Message::text(text)).await.unwrap();
    server.send(Message::binary(vec![1, 2])).await.unwrap();
    server.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
    let UpstreamInput::Message { text: seen, kind } = next(&mut link).await else { panic!() };
    assert_eq!((&seen[..], kind), (text.as_bytes(), MessageKind::Metadata { processed: None }));
    assert!(
        matches!(next(&mut link).await, UpstreamInput::Binary { payload } if payload.len() == 2)
    );
    assert!(matches!(next(&mut link).await, UpstreamInput::Ping));
    assert!(poll(&mut link).is_pending());
    assert_eq!(received(&mut server).await, Message::Pong(Bytes::from_static(b"p")));
}

#[tokio::test]
async fn a_close_is_named_and_answered() {
    let (mut link, mut server) = served(Endpoint::V1Listen).await;
    let frame = CloseFrame { code: 1011.into(), reason: "See https://dpgr.am/net0001".into() };
    server.close(Some(frame)).await.unwrap();
    let UpstreamInput::Closed { frame, reason, dg_code, detail, .. } = next(&mut link).await else {
        panic!()
    };
    let told = session::close::CloseFrame {
        code: Some(1011),
        text: "See https://dpgr.am/net0001".to_owned(),
    };
    assert_eq!((frame, reason), (told, Reason::Net0001Idle));
    assert_eq!(dg_code, DgCode::Net0001);
    assert_eq!(detail, "close 1011: See https://dpgr.am/net0001");
    assert!(poll(&mut link).is_pending(), "nothing follows an end");
    link.hang_up();
    assert!(matches!(received(&mut server).await, Message::Close(_)));
}

/// Writes a close frame with any code, which the library on the other end would not.
async fn close_of(code: u16, text: &str) -> UpstreamInput {
    let (mut link, mut theirs) = link(1 << 10, Endpoint::V1Listen).await;
    let length = u8::try_from(2 + text.len()).unwrap();
    let mut frame = vec![0x88, length];
    frame.extend(code.to_be_bytes());
    frame.extend(text.as_bytes());
    theirs.write_all(&frame).await.unwrap();
    next(&mut link).await
}

#[tokio::test]
async fn each_code_that_a_peer_can_put_on_the_wire_is_named_as_it_came() {
    for (code, expected) in [
        (1000, Reason::ClosedEarly),
        (1001, Reason::ClosedGoingAway),
        (1002, Reason::ClosedOther),
        (1003, Reason::ClosedOther),
        (1007, Reason::ClosedOther),
        (1008, Reason::ClosedOther),
        (1009, Reason::ClosedOther),
        (1010, Reason::ClosedOther),
        (1011, Reason::ProviderError),
        (1012, Reason::ClosedGoingAway),
        (1013, Reason::ClosedGoingAway),
        (1014, Reason::ProviderError),
        (3000, Reason::ClosedOther),
        (4999, Reason::ClosedOther),
    ] {
        let UpstreamInput::Closed { frame, reason, detail, .. } = close_of(code, "").await else {
            panic!("{code}")
        };
        assert_eq!((frame.code, reason, detail), (Some(code), expected, format!("close {code}")));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, u16::MAX] {
        let UpstreamInput::Closed { frame, reason, detail, .. } = close_of(code, "bye").await
        else {
            panic!("{code}")
        };
        assert_eq!((frame.code, reason), (Some(code), Reason::WsProtocol));
        assert_eq!(detail, format!("close {code}, which no peer may send: bye"));
    }
}

#[tokio::test]
async fn a_close_says_why_by_its_text_or_by_a_code_that_is_no_mere_end() {
    for (code, text, expected) in [
        (1000, "", false),
        (1011, "", false),
        (1011, "net0001", true),
        (1000, "bye", true),
        (1008, "", true),
    ] {
        let UpstreamInput::Closed { says_why, .. } = close_of(code, text).await else { panic!() };
        assert_eq!(says_why, expected, "{code} {text}");
    }
}

#[tokio::test]
async fn an_end_of_stream_is_not_called_a_reset() {
    let (mut link, theirs) = link(1 << 10, Endpoint::V1Listen).await;
    drop(theirs);
    let UpstreamInput::Failed { reason, detail, .. } = next(&mut link).await else { panic!() };
    assert_eq!(reason, Reason::EofWithoutClose);
    assert_eq!(detail, "the stream ended without a close frame");
}

#[tokio::test]
async fn deepgrams_error_is_handed_on_with_what_it_says() {
    let (mut link, mut server) = served(Endpoint::V2Listen).await;
    let text = r#"{"type":"Error","code":"INACTIVE_CLIENT","description":"Idle."}"#;
    server.send(Message::text(text)).await.unwrap();
    let UpstreamInput::ErrorMessage { text: seen, error } = next(&mut link).await else { panic!() };
    assert_eq!((&seen[..], error.to_string()), (text.as_bytes(), "INACTIVE_CLIENT: Idle.".into()));
}

#[tokio::test]
async fn a_close_without_a_code_has_none() {
    let (mut link, mut server) = served(Endpoint::V1Listen).await;
    server.close(None).await.unwrap();
    let UpstreamInput::Closed { frame, reason, .. } = next(&mut link).await else { panic!() };
    assert_eq!((frame.code, reason), (None, Reason::ClosedEarly));
}

#[tokio::test]
async fn an_end_of_stream_without_a_close_is_named() {
    let (mut link, theirs) = link(64, Endpoint::V1Listen).await;
    drop(theirs);
    assert_eq!(reason(next(&mut link).await), (Reason::EofWithoutClose, Trigger::Read));
}

#[tokio::test]
async fn a_failing_write_is_blamed_on_its_operation() {
    for (outgoing, trigger) in [
        (Outgoing::Audio(Bytes::from_static(b"x")), Trigger::AudioWrite),
        (Outgoing::KeepAlive, Trigger::KeepaliveWrite),
        (Outgoing::Finalize { channel: None, again: false }, Trigger::FinalizeWrite),
        (Outgoing::Text(Bytes::from_static(b"{}")), Trigger::TextWrite),
        (Outgoing::CloseStream, Trigger::CloseWrite),
        (Outgoing::Ping, Trigger::Ping),
    ] {
        let (mut link, theirs) = link(64, Endpoint::V1Listen).await;
        drop(theirs);
        link.send(outgoing);
        assert_eq!(reason(next(&mut link).await), (Reason::BrokenPipe, trigger));
    }
}

#[tokio::test]
async fn what_deepgram_said_before_a_write_failed_names_the_cause() {
    let (mut link, mut server) = served(Endpoint::V1Listen).await;
    server.send(Message::text("{}")).await.unwrap();
    let frame = CloseFrame { code: 1011.into(), reason: "net0000".into() };
    server.send(Message::Close(Some(frame))).await.unwrap();
    drop(server);
    link.send(Outgoing::KeepAlive);
    assert!(matches!(next(&mut link).await, UpstreamInput::Message { .. }));
    assert_eq!(reason(next(&mut link).await), (Reason::Net0000NoResult, Trigger::Read));
}

#[tokio::test]
async fn a_ping_that_cannot_be_answered_hides_no_cause_behind_it() {
    let (mut link, mut server) = served(Endpoint::V1Listen).await;
    server.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
    let frame = CloseFrame { code: 1011.into(), reason: "net0001".into() };
    server.send(Message::Close(Some(frame))).await.unwrap();
    drop(server);
    assert!(matches!(next(&mut link).await, UpstreamInput::Ping));
    assert_eq!(reason(next(&mut link).await), (Reason::Net0001Idle, Trigger::Read));
}
