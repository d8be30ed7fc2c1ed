pub(super) mod wire;

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use session::summary::EndCause;
use session::summary::{Outcome, Summary};
use session::{ErrorCode, Event, SessionId, TimeMap};
use wire::{CLOSE, Frame, PING, PONG, TEXT, client_frame, header_alone};

const MESSAGE_BYTES_MAX: u32 = 4_096;

const BINARY: u8 = 0x2;

type Ours = CompatibleSocket<DuplexStream>;

fn live() -> Arc<LiveSession> {
    let id = SessionId::parse("call-7").unwrap();
    LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new())
}

/// A socket that has accepted a request with this query, and its application.
async fn asked(capacity: usize, query: &str) -> (Ours, DuplexStream) {
    let (ours, mut app) = duplex(capacity);
    let mut socket = CompatibleSocket::new(ours, BytesMut::new(), MESSAGE_BYTES_MAX);
    let head = format!(
        "GET /v1/listen?{query} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n\r\n"
    );
    let (request, ()) = tokio::join!(socket.read_request(), async {
        app.write_all(head.as_bytes()).await.unwrap();
    });
    let _open = socket.opened(request.unwrap());
    (socket, app)
}

/// The same with the upgrade behind it.
async fn upgraded(capacity: usize, query: &str) -> (Ours, DuplexStream) {
    let (mut socket, mut app) = asked(capacity, query).await;
    socket.send(&AppFrame::Opened { request_id: None }, &live());
    work(&mut socket);
    wire::read_head(&mut app).await;
    (socket, app)
}

fn poll(socket: &mut Ours, wants_input: bool) -> Poll<AppInput> {
    socket.poll_input(&mut Context::from_waker(Waker::noop()), wants_input)
}

/// Lets the socket do what it can while the session takes nothing.
fn work(socket: &mut Ours) {
    while poll(socket, false).is_ready() {}
}

async fn next(socket: &mut Ours) -> AppInput {
    poll_fn(|cx| socket.poll_input(cx, true)).await
}

fn message(text: &'static [u8]) -> AppFrame {
    AppFrame::Message { text: Bytes::from_static(text), times: TimeMap::default() }
}

fn draining() -> AppFrame {
    AppFrame::Event { at_ms: 7, event: Event::Draining { deadline_ms: 25_000 } }
}

fn finished(outcome: Outcome) -> AppFrame {
    let summary = Summary { outcome, ..wire::summary() };
    AppFrame::Finished { summary: Box::new(summary), close: None }
}

/// All frames that come until there is none.
async fn told(socket: &mut Ours, app: &mut DuplexStream) -> Vec<Frame> {
    work(socket);
    let mut bytes = vec![0; 64 << 10];
    let mut come = Vec::new();
    loop {
        tokio::select! {
            biased;
            read = app.read(&mut bytes) => match read.unwrap() {
                0 => return wire::frames(&come),
                read => come.extend_from_slice(&bytes[..read]),
            },
            () = std::future::ready(()) => return wire::frames(&come),
        }
        work(socket);
    }
}

#[tokio::test]
async fn messages_come_as_what_they_mean() {
    let (mut socket, mut app) = upgraded(64 << 10, "").await;
    let frames = [
        client_frame(BINARY, b"pcm"),
        client_frame(TEXT, br#"{ "type": "KeepAlive" }"#),
        client_frame(TEXT, br#"{"type":"Configure"}"#),
        client_frame(PONG, b""),
        client_frame(BINARY, b""),
    ];
    app.write_all(&frames.concat()).await.unwrap();
    assert!(matches!(next(&mut socket).await, AppInput::Audio(audio) if audio == "pcm"));
    assert!(matches!(next(&mut socket).await, AppInput::KeepAlive));
    assert!(matches!(next(&mut socket).await, AppInput::Text(_)));
    assert!(matches!(next(&mut socket).await, AppInput::Pong));
    assert!(matches!(next(&mut socket).await, AppInput::Finish));
    drop(app);
    assert!(matches!(next(&mut socket).await, AppInput::Eof));
}

#[tokio::test]
async fn a_ping_is_answered_while_the_session_takes_nothing() {
    let (mut socket, mut app) = upgraded(64 << 10, "").await;
    app.write_all(&[client_frame(BINARY, b"pcm"), client_frame(PING, b"p")].concat())
        .await
        .unwrap();
    assert_eq!(told(&mut socket, &mut app).await, [Frame::new(PONG, b"p")]);
    assert!(matches!(next(&mut socket).await, AppInput::Audio(_)), "nothing is lost over it");
}

#[tokio::test]
async fn of_the_pings_behind_a_blocked_write_the_latest_is_answered_once() {
    let (mut socket, mut app) = upgraded(256, "").await;
    socket.send(&message(&[b'x'; 1_000]), &live());
    work(&mut socket);
    for payload in [b"a", b"b", b"c"] {
        app.write_all(&client_frame(PING, payload)).await.unwrap();
        work(&mut socket);
    }
    assert!(socket.unwritten_bytes() < 1_000, "no answer is queued for each of them");
    let told = told(&mut socket, &mut app).await;
    assert_eq!(told[1..], [Frame::new(PONG, b"a"), Frame::new(PONG, b"c")]);
}

#[tokio::test]
async fn a_ping_is_answered_although_something_always_waits() {
    let (mut socket, mut app) = upgraded(256, "").await;
    socket.send(&message(&[b'x'; 300]), &live());
    work(&mut socket);
    app.write_all(&client_frame(PING, b"a")).await.unwrap();
    work(&mut socket);
    socket.send(&message(&[b'y'; 1_000]), &live());
    // The first message and its Pong are read, and some of what is behind them.
    let mut read = vec![0; 400];
    while !read.is_empty() {
        let length = app.read(&mut read).await.unwrap();
        read.truncate(read.len() - length);
        work(&mut socket);
    }
    app.write_all(&client_frame(PING, b"b")).await.unwrap();
    work(&mut socket);
    socket.send(&message(b"last"), &live());
    let mut rest = Vec::new();
    work(&mut socket);
    while socket.is_write_blocked() {
        rest.extend_from_slice(&wire::read_some(&mut app).await);
        work(&mut socket);
    }
    rest.extend_from_slice(&wire::read_some(&mut app).await);
    let expected = [&[0x8a, 1, b'b'][..], &[0x81, 4], b"last"].concat();
    assert!(rest.ends_with(&expected), "{:?}", &rest[rest.len().saturating_sub(20)..]);
}

#[tokio::test]
async fn no_more_is_read_ahead_than_its_bound() {
    let (mut socket, mut app) = upgraded(64 << 10, "").await;
    let audio = client_frame(BINARY, &[0; 4_000]);
    let mut taken = 0;
    while let Ok(written) = {
        work(&mut socket);
        tokio::select! {
            biased;
            written = app.write(&audio[taken % audio.len()..]) => Ok(written.unwrap()),
            () = std::future::ready(()) => Err(()),
        }
    } {
        taken += written;
        assert!(taken < 2 << 20, "it reads without a bound");
    }
    assert!(taken > 1 << 20, "half a minute of audio is read ahead, not {taken} bytes");
    // All of it is there once the session wants it, in the order in which it came.
    while taken > audio.len() {
        assert!(matches!(next(&mut socket).await, AppInput::Audio(it) if it.len() == 4_000));
        taken -= audio.len();
    }
}

#[tokio::test]
async fn a_close_is_echoed_once_the_session_has_let_go() {
    for (payload, code) in [(&b"\x03\xe8bye"[..], Some(1000)), (b"", None)] {
        let (mut socket, mut app) = upgraded(64 << 10, "").await;
        app.write_all(&client_frame(CLOSE, payload)).await.unwrap();
        assert!(matches!(next(&mut socket).await, AppInput::Closed(EndCause::AppLeft)));
        assert_eq!(told(&mut socket, &mut app).await, [], "its name may still be taken");
        socket.let_go();
        // Nobody polls it any more.
        let mut rest = Vec::new();
        app.read_to_end(&mut rest).await.unwrap();
        let close = Frame::close(code, "");
        assert_eq!(wire::frames(&rest), [close]);
    }
}

#[tokio::test]
async fn what_an_application_closes_with_tells_whose_fault_it_is() {
    for (code, reason, cause) in [
        (1000_u16, "", EndCause::AppLeft),
        (1001, "", EndCause::AppLeft),
        (1011, "keepalive ping timeout", EndCause::AppStalled),
        (1011, "my disk is full", EndCause::AppLeft),
        (1009, "", EndCause::AppLimit),
    ] {
        let (mut socket, mut app) = upgraded(64 << 10, "").await;
        let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        app.write_all(&client_frame(CLOSE, &payload)).await.unwrap();
        let AppInput::Closed(found) = next(&mut socket).await else { panic!("{code}") };
        assert_eq!(found, cause, "{code} {reason}");
    }
}

#[tokio::test]
async fn a_breach_is_told_in_a_close_frame_of_ours() {
    let large = header_alone(0x82, u64::from(MESSAGE_BYTES_MAX) + 1);
    let fragments = [header_alone(0x02, 2), vec![0; 2], header_alone(0x80, 4_095)].concat();
    for (bytes, code) in [
        (b"GET /v1/listen HTTP/1.1\r\n\r\n".to_vec(), 1002),
        (vec![0x82, 0x00], 1002),
        (client_frame(0x3, b""), 1002),
        (client_frame(TEXT, b"\xff"), 1007),
        (large, 1009),
        (fragments, 1009),
        (client_frame(TEXT, br#"{"type":"a","type":"CloseStream"}"#), 1008),
    ] {
        let (mut socket, mut app) = upgraded(64 << 10, "").await;
        app.write_all(&[bytes, client_frame(BINARY, b"pcm")].concat()).await.unwrap();
        let AppInput::Breach(refusal) = next(&mut socket).await else { panic!("{code}") };
        assert!(poll(&mut socket, true).is_pending(), "nothing behind it is looked at");
        socket.send(&AppFrame::Error(refusal.clone()), &live());
        socket.send(&finished(Outcome::Aborted), &live());
        let told = told(&mut socket, &mut app).await;
        assert_eq!(told, [Frame::close(Some(code), &refusal.message)]);
    }
}

#[tokio::test]
async fn what_the_session_tells_is_told_to_those_who_ask() {
    for (query, frames) in [("", 1), ("sidecar_events=false", 1), ("sidecar_events=true", 3)] {
        let (mut socket, mut app) = upgraded(64 << 10, query).await;
        socket.send(&draining(), &live());
        socket.send(&finished(Outcome::Finished), &live());
        let told = told(&mut socket, &mut app).await;
        assert_eq!(told.len(), frames, "{query}");
        assert_eq!(told.last(), Some(&Frame::close(Some(1000), "")));
        if let [draining, finished, _] = told.as_slice() {
            let expected = serde_json::json!({"type": "SidecarEvent", "event": "draining",
                "at_ms": 7, "deadline_ms": 25_000});
            assert_eq!(draining.json(), expected);
            let finished = finished.json();
            assert_eq!(
                (&finished["type"], &finished["event"]),
                (&"SidecarEvent".into(), &"finished".into())
            );
            assert_eq!(finished["outcome"], "finished");
        }
    }
}

#[tokio::test]
async fn what_is_told_before_the_upgrade_stands_behind_it() {
    let (mut socket, mut app) = asked(64 << 10, "sidecar_events=true").await;
    socket.send(&draining(), &live());
    work(&mut socket);
    socket.send(&AppFrame::Opened { request_id: None }, &live());
    work(&mut socket);
    let head = wire::read_head(&mut app).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let told = told(&mut socket, &mut app).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].json()["event"], "draining");
}

#[tokio::test]
async fn a_session_that_is_not_opened_ends_with_a_response() {
    let (mut socket, mut app) = asked(64 << 10, "sidecar_events=true").await;
    socket.send(&draining(), &live());
    let refusal = Refusal::new(ErrorCode::Draining, "it drains");
    socket.send(&AppFrame::Error(Box::new(refusal)), &live());
    work(&mut socket);
    drop(socket);
    let mut response = String::new();
    app.read_to_string(&mut response).await.unwrap();
    assert!(
        response.starts_with("HTTP/1.1 503 ") && response.ends_with("it drains\"}"),
        "{response}"
    );
}

#[tokio::test]
async fn it_is_emptied_once_nothing_waits_and_no_message_is_half_there() {
    let (mut socket, mut app) = upgraded(64 << 10, "").await;
    assert!(socket.is_emptied());
    let audio = client_frame(BINARY, b"pcm");
    app.write_all(&audio[..3]).await.unwrap();
    assert!(poll(&mut socket, true).is_pending());
    assert!(!socket.is_emptied(), "a header is half there");
    app.write_all(&audio[3..]).await.unwrap();
    work(&mut socket);
    assert!(!socket.is_emptied(), "it was read ahead");
    assert!(matches!(next(&mut socket).await, AppInput::Audio(_)));
    assert!(socket.is_emptied());
}

#[tokio::test]
async fn an_idle_application_costs_no_buffer() {
    let (mut socket, mut app) = upgraded(64 << 10, "").await;
    let fragments = [header_alone(0x02, 4), vec![0; 4], client_frame(0x0, &[7; 4_000])].concat();
    app.write_all(&fragments).await.unwrap();
    assert!(matches!(next(&mut socket).await, AppInput::Audio(audio) if audio.len() == 4_004));
    assert!(poll(&mut socket, true).is_pending());
    socket.rest();
    assert_eq!(socket.inbound.capacity(), 0);
    app.write_all(&client_frame(BINARY, b"pcm")).await.unwrap();
    assert!(matches!(next(&mut socket).await, AppInput::Audio(audio) if audio == "pcm"));
}

/// The session waits for every frame that it hands in to be written, or gives the application up.
#[tokio::test]
async fn what_is_not_told_is_as_good_as_written() {
    let event = || AppFrame::Event { at_ms: 7, event: Event::Draining { deadline_ms: 1 } };
    let (mut socket, _app) = upgraded(1 << 10, "").await;
    socket.send(&event(), &live());
    assert!(matches!(poll(&mut socket, true), Poll::Ready(AppInput::WriteDrained)));
    let (mut socket, _app) = asked(1 << 10, "sidecar_events=true").await;
    socket.send(&event(), &live());
    assert!(
        matches!(poll(&mut socket, true), Poll::Ready(AppInput::WriteDrained)),
        "before the 101"
    );
}

/// A message shares the buffer that it was read into, and small ones would pin a hundred times their size.
#[tokio::test]
async fn what_is_read_ahead_is_kept_without_its_buffer() {
    let (mut socket, mut app) = upgraded(64 << 10, "").await;
    let mut wire = client_frame(BINARY, b"x");
    wire.extend(client_frame(TEXT, &[b' '; 4_000]));
    app.write_all(&wire).await.unwrap();
    work(&mut socket);
    let AppInput::Audio(first) = next(&mut socket).await else { panic!() };
    assert!(first.try_into_mut().is_ok_and(|it| it.capacity() < 64));
}
