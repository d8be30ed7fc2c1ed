//! Steady streaming allocates nothing: what a frame costs must not depend on the allocator. And a
//! session that only waits holds little.
//!
//! A binary of its own, since counting needs an allocator of its own.

#[path = "../benches/fixture/session.rs"]
mod fixture;

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use deepgram_sidecar::client::Client;
use deepgram_sidecar::ipc::frame::{self, AppFrameType, Decoder, Header};
use deepgram_sidecar::ipc::socket::AppSocket;
use deepgram_sidecar::session::dial::{DialFailure, DialPhases};
use deepgram_sidecar::session::driver::Driver;
use deepgram_sidecar::session::fact::{Fact, Observer};
use deepgram_sidecar::session::live::{LiveSession, State};
use deepgram_sidecar::session::machine::Session;
use deepgram_sidecar::session::registry::Registry;
use deepgram_sidecar::session::{
    AppInput, Endpoint, Observation, Refusal, UpstreamInput, Written, clock,
};
use deepgram_sidecar::telemetry::SessionTelemetry;
use deepgram_sidecar::upstream::dial::{Dial, Dialed, Dialer};
use deepgram_sidecar::upstream::link::Link;
use deepgram_sidecar::upstream::meter::Meter;
use deepgram_sidecar::upstream::transport::Transport;
use http::HeaderValue;
use tokio::io::{AsyncReadExt, DuplexStream, ReadHalf, WriteHalf, duplex};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

const PAYLOADS: [usize; 2] = [640, 3_200];
const FRAMES: usize = 10_000;

/// Runs `frame` until it is warm, then counts the allocations of many more runs.
fn allocations(mut frame: impl FnMut()) -> u64 {
    for _ in 0..FRAMES {
        frame();
    }
    let counted = allocation_counter::measure(|| {
        for _ in 0..FRAMES {
            frame();
        }
    });
    counted.count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(vec![0_u8; 16]))), FRAMES as u64);
}

#[test]
fn encoding_a_frame_allocates_nothing() {
    for length in PAYLOADS {
        let payload = vec![7; length];
        let mut buffer = BytesMut::new();
        let counted = allocations(|| {
            buffer.clear();
            frame::encode(AppFrameType::Audio as u8, &payload, &mut buffer);
            black_box(&buffer);
        });
        assert_eq!(counted, 0, "{length} B");
    }
}

#[test]
fn decoding_a_frame_allocates_nothing() {
    for length in PAYLOADS {
        let mut wire = BytesMut::new();
        frame::encode(AppFrameType::Audio as u8, &vec![7; length], &mut wire);
        let mut decoder = Decoder::default();
        let mut buffer = BytesMut::new();
        let counted = allocations(|| {
            buffer.extend_from_slice(&wire);
            let frame = decoder.decode(&mut buffer, |_: Header| Ok::<(), ()>(()));
            assert_eq!(frame.unwrap().unwrap().payload.len(), length);
        });
        assert_eq!(counted, 0, "{length} B");
    }
}

#[test]
fn an_audio_frame_through_the_machine_allocates_nothing() {
    for length in PAYLOADS {
        let audio = Bytes::from(vec![7; length]);
        let written = Written { audio_frames: 1, audio_bytes: length as u64, ..Written::default() };
        let mut now = clock::now();
        let mut session = fixture::connected(now);
        let counted = allocations(|| {
            now += Duration::from_millis(1);
            session.handle_app(now, AppInput::Audio(audio.clone()));
            while session.poll_output().is_some() {}
            session.handle_upstream(now, UpstreamInput::Written(written));
            while session.poll_output().is_some() {}
            assert!(session.next_deadline().is_some() && session.wants_app_input());
        });
        assert_eq!(counted, 0, "{length} B");
    }
}

/// The whole way of a frame but for TLS and the kernel: the application's socket, the session's
/// task with its timers, and WebSocket.
#[test]
fn an_audio_frame_from_socket_to_websocket_allocates_nothing() {
    for length in PAYLOADS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut path = runtime.block_on(Path::open());
        let audio = vec![7; length];
        let mut wire = vec![0; WEBSOCKET_HEADER_BYTES + length];
        let counted = allocations(|| {
            runtime.block_on(async {
                path.app.send_audio(&audio).await.unwrap();
                path.deepgram.read_exact(&mut wire).await.unwrap();
            });
        });
        assert_eq!(wire[0], 0x82, "one whole binary message was read at a time");
        assert_eq!(counted, 0, "{length} B");
    }
}

/// What every session holds beside its buffers and TLS.
#[test]
fn a_session_is_small() {
    type Authorization = fn() -> Option<HeaderValue>;
    let driver = size_of::<Driver<UnixStream, Dialer<Authorization>, SessionTelemetry>>();
    let bytes = driver + size_of::<Link<Transport>>() + size_of::<LiveSession>();
    assert!(bytes <= 3_072, "{bytes} B");
}

/// A session's real driver between two pipes.
struct Path {
    app: Client<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>,
    deepgram: DuplexStream,
    _driver: JoinSet<DuplexStream>,
}

impl Path {
    async fn open() -> Self {
        let (app, app_end) = duplex(64 << 10);
        let (deepgram, deepgram_end) = duplex(64 << 10);
        let dialer = Arc::new(Pipe(Mutex::new(Some(deepgram_end))));
        let (id, now) = (fixture::id(), clock::now());
        let live = LiveSession::new(id.clone(), Endpoint::V1Listen, None, now, Vec::new());
        let slot = Registry::new(1).claim(live).expect("there is room for one");
        let mut socket = AppSocket::new(app_end, 1 << 20);
        socket.opened(Endpoint::V1Listen);
        let machine = Session::new(id, fixture::config(), now, 7);
        let driver = Driver::new(machine, socket, dialer, "".into(), slot, Nobody);
        let mut tasks = JoinSet::new();
        tasks.spawn(Box::new(driver).run());
        let mut app = Client::over(app);
        app.opened().await.expect("the dialer never fails");
        Self { app, deepgram, _driver: tasks }
    }
}

/// A Deepgram at the other end of a pipe, already upgraded.
struct Pipe(Mutex<Option<DuplexStream>>);

impl Dial for Pipe {
    type Stream = DuplexStream;

    async fn dial(
        self: Arc<Self>,
        endpoint: Endpoint,
        _query: Arc<str>,
    ) -> Result<Dialed<DuplexStream>, DialFailure> {
        let stream =
            self.0.lock().expect("no thread panics with it").take().expect("one dial is made");
        let link = Link::new(stream, Bytes::new(), Meter::default(), endpoint).await;
        Ok(Dialed { link, request_id: None, phases: DialPhases::default() })
    }
}

/// An observer that looks away.
struct Nobody;

impl Observer for Nobody {
    fn record(&self, _fact: &Fact) {}
    fn observe(&self, _observation: &Observation) {}
    fn refused(&self, _refusal: &Refusal) {}
    fn state_changed(&self, _from: State, _to: State) {}
}

/// Of a client's message of 126 to 65,535 bytes: two fixed bytes, length, mask.
const WEBSOCKET_HEADER_BYTES: usize = 8;
