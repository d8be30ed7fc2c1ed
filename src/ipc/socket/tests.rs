use std::io::Write;
use std::task::Waker;

use bytes::BufMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::UnixStream;

use std::sync::Arc;

use super::*;
use protocol::frame::{HEADER_BYTES, encode};
use session::{SessionId, TimeMap};

const FRAME_BYTES_MAX: u32 = 4_096;

fn pair(capacity: usize) -> (AppSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(capacity);
    (AppSocket::new(ours, FRAME_BYTES_MAX), theirs)
}

/// A socket whose OPEN has been accepted.
async fn opened(endpoint: Endpoint) -> (AppSocket<DuplexStream>, DuplexStream) {
    let (mut socket, mut app) = pair(64 << 10);
    app.write_all(&bytes_of(0x01, b"{}")).await.unwrap();
    assert_eq!(socket.read_open().await.unwrap(), "{}");
    socket.opened(endpoint, false);
    (socket, app)
}

fn bytes_of(kind: u8, payload: &[u8]) -> BytesMut {
    let mut buffer = BytesMut::new();
    encode(kind, payload, &mut buffer);
    buffer
}

fn poll(socket: &mut AppSocket<DuplexStream>) -> Poll<AppInput> {
    socket.poll_input(&mut Context::from_waker(Waker::noop()), true)
}

async fn next<S: AppStream>(socket: &mut AppSocket<S>) -> AppInput {
    poll_fn(|cx| socket.poll_input(cx, true)).await
}

async fn breach_code(socket: &mut AppSocket<DuplexStream>) -> ErrorCode {
    match next(socket).await {
        AppInput::Breach(refusal) => refusal.code,
        other => panic!("no breach: {other:?}"),
    }
}

/// What a connection that begins with these bytes is told.
async fn first_bytes(bytes: &[u8]) -> Result<Dialect, PreOpen> {
    let (mut socket, mut app) = pair(64 << 10);
    app.write_all(bytes).await.unwrap();
    match socket.read_dialect().await? {
        Dialect::Native => socket.read_open().await.map(|_| Dialect::Native),
        Dialect::Compatible => Ok(Dialect::Compatible),
    }
}

async fn first_bytes_code(bytes: &[u8]) -> ErrorCode {
    match first_bytes(bytes).await {
        Err(PreOpen::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn the_first_byte_alone_decides_the_dialect() {
    for kind in 0x02..=0x07 {
        assert_eq!(first_bytes_code(&[kind]).await, ErrorCode::UnexpectedFrame, "0x{kind:02x}");
    }
    for kind in [0x00, 0x08, 0x81, 0xff, b'P'] {
        assert_eq!(first_bytes_code(&[kind]).await, ErrorCode::BadFrame, "0x{kind:02x}");
    }
    assert_eq!(first_bytes(b"G").await, Ok(Dialect::Compatible));
}

#[tokio::test]
async fn an_open_that_trickles_in_is_one_open() {
    let (mut socket, mut app) = pair(64 << 10);
    let writer = async move {
        // The length's bytes are those of other frame types: only the first byte is the dialect.
        for byte in bytes_of(0x01, &[b'x'; 0x0202]) {
            app.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        app
    };
    let (open, _app) = tokio::join!(socket.read_open(), writer);
    assert_eq!(open.unwrap().len(), 0x0202);
}

#[tokio::test]
async fn an_open_over_the_bound_is_refused_from_its_header() {
    let header = [0x01, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(first_bytes_code(&header).await, ErrorCode::FrameTooLarge);
}

#[tokio::test]
async fn leaving_before_open_is_no_refusal() {
    let (mut socket, mut app) = pair(64);
    app.write_all(&[0x01, 0, 0]).await.unwrap();
    drop(app);
    assert_eq!(socket.read_open().await.unwrap_err(), PreOpen::Left);
}

#[tokio::test]
async fn headers_are_judged_by_type_then_length_then_state() {
    for (header, code) in [
        ([0x09, 0xff, 0xff, 0xff, 0xff], ErrorCode::UnknownFrameType),
        ([0x82, 0, 0, 0, 0], ErrorCode::UnknownFrameType),
        ([0x01, 0xff, 0xff, 0xff, 0xff], ErrorCode::FrameTooLarge),
        ([0x07, 0xff, 0xff, 0xff, 0xff], ErrorCode::FrameTooLarge),
        ([0x07, 0, 0, 0, 0], ErrorCode::UnexpectedFrame),
        ([0x02, 0, 0, 0x10, 0x01], ErrorCode::FrameTooLarge),
        ([0x01, 0, 0, 0, 0], ErrorCode::UnexpectedFrame),
    ] {
        let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
        app.write_all(&header).await.unwrap();
        assert_eq!(breach_code(&mut socket).await, code, "{header:?}");
    }
}

#[tokio::test]
async fn a_payload_of_exactly_the_bound_is_taken() {
    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    app.write_all(&bytes_of(0x02, &[7; FRAME_BYTES_MAX as usize])).await.unwrap();
    let AppInput::Audio(audio) = next(&mut socket).await else { panic!("not taken") };
    assert_eq!(audio.len(), FRAME_BYTES_MAX as usize);
}

#[tokio::test]
async fn flux_has_no_finalize() {
    let (mut socket, mut app) = opened(Endpoint::V2Listen).await;
    app.write_all(&bytes_of(0x03, b"")).await.unwrap();
    assert_eq!(breach_code(&mut socket).await, ErrorCode::UnexpectedFrame);
}

#[tokio::test]
async fn a_prelude_is_taken_where_open_had_one_and_after_finish() {
    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    app.write_all(&bytes_of(0x07, b"known voice")).await.unwrap();
    let AppInput::Breach(refusal) = next(&mut socket).await else { panic!("no breach") };
    assert_eq!(refusal.code, ErrorCode::UnexpectedFrame);
    assert!(refusal.message.contains("OPEN has no prelude"), "{}", refusal.message);

    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    socket.opened(Endpoint::V1Listen, true);
    for payload in [&b"known voice"[..], b""] {
        app.write_all(&bytes_of(0x07, payload)).await.unwrap();
        assert!(matches!(next(&mut socket).await, AppInput::Prelude(it) if it == payload));
    }

    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    app.write_all(&bytes_of(0x04, b"")).await.unwrap();
    app.write_all(&bytes_of(0x07, b"late")).await.unwrap();
    assert!(matches!(next(&mut socket).await, AppInput::Finish));
    assert!(matches!(next(&mut socket).await, AppInput::Prelude(_)), "dropped, never an error");
}

#[tokio::test]
async fn what_came_before_a_bad_frame_is_still_read_and_what_follows_is_not() {
    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    app.write_all(&bytes_of(0x02, b"before")).await.unwrap();
    app.write_all(&bytes_of(0x55, b"")).await.unwrap();
    app.write_all(&bytes_of(0x02, b"behind")).await.unwrap();
    assert!(matches!(next(&mut socket).await, AppInput::Audio(audio) if audio == "before"));
    assert_eq!(breach_code(&mut socket).await, ErrorCode::UnknownFrameType);
    assert!(poll(&mut socket).is_pending());
    drop(app);
    assert!(matches!(next(&mut socket).await, AppInput::Eof), "leaving is noticed all the same");
}

#[tokio::test]
async fn after_finish_payloads_are_not_judged() {
    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    for (kind, payload) in [(0x04, ""), (0x05, "no json"), (0x03, "no json"), (0x06, "no json")] {
        app.write_all(&bytes_of(kind, payload.as_bytes())).await.unwrap();
    }
    assert!(matches!(next(&mut socket).await, AppInput::Finish));
    assert!(matches!(next(&mut socket).await, AppInput::Text(_)));
    assert!(matches!(next(&mut socket).await, AppInput::Finalize { channel: None }));
    assert!(matches!(next(&mut socket).await, AppInput::Update { .. }));
    app.write_all(&bytes_of(0x99, b"")).await.unwrap();
    assert_eq!(breach_code(&mut socket).await, ErrorCode::UnknownFrameType, "headers still are");
}

#[tokio::test]
async fn half_a_frame_at_the_end_is_a_disconnect_and_nothing_else() {
    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    let whole = bytes_of(0x02, b"lost");
    app.write_all(&whole[..HEADER_BYTES + 2]).await.unwrap();
    drop(app);
    assert!(matches!(next(&mut socket).await, AppInput::Eof));
    assert!(poll(&mut socket).is_pending(), "an end is told once");
}

#[tokio::test]
async fn nothing_is_read_that_is_not_wanted() {
    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    app.write_all(&bytes_of(0x02, b"x")).await.unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(socket.poll_input(&mut cx, false).is_pending());
    assert!(socket.poll_input(&mut cx, true).is_ready());
}

#[tokio::test]
async fn a_write_tells_when_it_stops_goes_on_and_is_done() {
    let (mut socket, mut app) = pair(64);
    let session = live();
    socket.send(&message(Bytes::from(vec![b'm'; 150])), &session);
    assert!(matches!(poll(&mut socket), Poll::Ready(AppInput::WriteBlocked)));
    assert!(poll(&mut socket).is_pending(), "told once");
    let mut read = vec![0; 64];
    app.read_exact(&mut read).await.unwrap();
    assert!(matches!(poll(&mut socket), Poll::Ready(AppInput::WriteProgress)));
    app.read_exact(&mut read).await.unwrap();
    assert!(matches!(poll(&mut socket), Poll::Ready(AppInput::WriteDrained)));
    assert!(poll(&mut socket).is_pending());
}

#[tokio::test]
async fn an_application_that_is_gone_is_told_once_and_written_to_no_more() {
    let (mut socket, app) = pair(64);
    drop(app);
    let session = live();
    socket.send(&message(Bytes::from_static(b"{}")), &session);
    assert!(matches!(poll(&mut socket), Poll::Ready(AppInput::WriteFailed)));
    socket.send(&message(Bytes::from_static(b"{}")), &session);
    assert_eq!(socket.unwritten_bytes(), 0);
}

#[tokio::test]
async fn frames_that_were_read_together_are_had_without_another_read() {
    let (mut socket, mut app) = opened(Endpoint::V1Listen).await;
    let mut frames = BytesMut::new();
    for n in 0..5_u8 {
        frames.put(bytes_of(0x02, &[n]));
    }
    app.write_all(&frames).await.unwrap();
    assert!(matches!(next(&mut socket).await, AppInput::Audio(_)));
    let rest = std::iter::from_fn(|| socket.next_buffered()).count();
    assert_eq!(rest, 4);
}

#[tokio::test]
async fn what_an_application_sent_before_it_left_is_read_although_nothing_can_be_written() {
    let (ours, mut app) = tokio::net::UnixStream::pair().unwrap();
    let mut socket = AppSocket::new(ours, FRAME_BYTES_MAX);
    app.write_all(&bytes_of(0x01, b"{}")).await.unwrap();
    socket.read_open().await.unwrap();
    socket.opened(Endpoint::V1Listen, false);
    app.write_all(&bytes_of(0x02, b"last words")).await.unwrap();
    app.write_all(&bytes_of(0x04, b"")).await.unwrap();
    drop(app);
    let session = live();
    socket.send(&message(Bytes::from_static(b"{}")), &session);
    let mut inputs = Vec::new();
    while !matches!(inputs.last(), Some(AppInput::Eof)) {
        inputs.push(poll_fn(|cx| socket.poll_input(cx, true)).await);
    }
    let [AppInput::WriteFailed, AppInput::Audio(audio), AppInput::Finish, AppInput::Eof] =
        &inputs[..]
    else {
        panic!("{inputs:?}")
    };
    assert_eq!(audio, "last words");
}

#[tokio::test]
async fn what_only_the_kernel_knows_of_is_not_empty_and_nor_is_half_a_frame() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut socket = AppSocket::new(UnixStream::from_std(ours).unwrap(), FRAME_BYTES_MAX);
    socket.opened(Endpoint::V1Listen, false);
    let poll = |socket: &mut AppSocket<UnixStream>| {
        socket.poll_input(&mut Context::from_waker(Waker::noop()), true)
    };
    assert!(poll(&mut socket).is_pending() && socket.is_emptied());
    let frame = bytes_of(0x02, b"last words");
    (&theirs).write_all(&frame[..7]).unwrap();
    // The runtime has had no time to hear of it.
    assert!(poll(&mut socket).is_pending() && !socket.is_emptied());
    let half = poll_fn(|cx| {
        let polled = socket.poll_input(cx, true);
        if polled.is_pending() && !socket.stream.has_unread() {
            assert!(!socket.is_emptied(), "half a frame has been read");
            return Poll::Ready(());
        }
        assert!(polled.is_pending());
        Poll::Pending
    });
    half.await;
    (&theirs).write_all(&frame[7..]).unwrap();
    assert!(matches!(next(&mut socket).await, AppInput::Audio(_)));
    assert!(socket.is_emptied());
}

fn live() -> Arc<LiveSession> {
    let id = SessionId::parse("s").unwrap();
    LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new())
}

fn message(text: Bytes) -> AppFrame {
    AppFrame::Message { text, times: TimeMap::default() }
}
