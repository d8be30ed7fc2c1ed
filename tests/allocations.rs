//! Steady streaming allocates nothing: what a frame costs must not depend on the allocator. And a
//! session that only waits holds little.
//!
//! A binary of its own, since counting needs an allocator of its own.

#[path = "../benches/fixture/connected.rs"]
mod connected;
#[path = "../benches/fixture/held.rs"]
mod held;
#[path = "../benches/fixture/path.rs"]
mod path;
#[path = "../benches/fixture/results.rs"]
mod results;

use std::hint::black_box;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use deepgram_sidecar::ipc::compatible::CompatibleSocket;
use deepgram_sidecar::ipc::socket::AppSocket;
use deepgram_sidecar::live::LiveSession;
use deepgram_sidecar::relay::driver::Driver;
use deepgram_sidecar::telemetry::{SessionTelemetry, Telemetry};
use deepgram_sidecar::upstream::dial::Dialer;
use deepgram_sidecar::upstream::link::Link;
use deepgram_sidecar::upstream::timestamps::to_session_time;
use deepgram_sidecar::upstream::transport::Transport;
use http::HeaderValue;
use path::{Nobody, Path};
use protocol::frame::{self, AppFrameType, Decoder, Header};
use protocol::websocket;
use session::counts::Count;
use session::fact::Observer;
use session::gate::Heard;
use session::machine::Output;
use session::{
    AppInput, ConnectionId, Dialect, Endpoint, MessageKind, Observation, TimeMap, UpstreamInput,
    Written,
};
use tokio::net::UnixStream;
use vad::Vad;

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
fn encoding_a_websocket_message_allocates_nothing() {
    for length in PAYLOADS {
        let payload = vec![7; length];
        let mut buffer = BytesMut::new();
        let counted = allocations(|| {
            buffer.clear();
            websocket::encode_text(&payload, &mut buffer);
            black_box(&buffer);
        });
        assert_eq!(counted, 0, "{length} B");
    }
}

/// Fragments as well: Go's clients send all that is over 4 KiB in some.
#[test]
fn decoding_a_websocket_message_allocates_nothing() {
    for length in PAYLOADS {
        for fragments in [1, 2] {
            let wire = websocket_message(length, fragments);
            let mut decoder = websocket::Decoder::new(1 << 20);
            let mut buffer = BytesMut::new();
            let counted = allocations(|| {
                buffer.extend_from_slice(&wire);
                let event = decoder.decode(&mut buffer).unwrap().unwrap();
                let websocket::Event::Message { payload, .. } = event else { unreachable!() };
                assert_eq!(payload.len(), length * fragments);
            });
            assert_eq!(counted, 0, "{fragments} of {length} B");
        }
    }
}

/// A client's binary message in fragments of a length each.
fn websocket_message(length: usize, fragments: usize) -> BytesMut {
    let mut wire = BytesMut::new();
    for fragment in 0..fragments {
        let opcode = if fragment == 0 { 2 } else { 0 };
        wire.put_u8(if fragment + 1 == fragments { 0x80 } else { 0 } | opcode);
        wire.put_u8(0x80 | 126);
        wire.put_u16(length as u16);
        wire.put_u32(0x12_34_56_78);
        wire.put_bytes(7, length);
    }
    wire
}

#[test]
fn an_audio_frame_through_the_machine_allocates_nothing() {
    for length in PAYLOADS {
        let audio = Bytes::from(vec![7; length]);
        let written = Written { audio_frames: 1, audio_bytes: length as u64, ..Written::default() };
        let mut now = clock::now();
        let mut session = connected::connected(now, connected::config());
        let counted = allocations(|| {
            now += Duration::from_millis(1);
            session.handle_app(now, AppInput::Audio(audio.clone()));
            while session.poll_output().is_some() {}
            session.handle_upstream(now, ConnectionId::FIRST, UpstreamInput::Written(written));
            while session.poll_output().is_some() {}
            assert!(session.next_deadline().is_some() && session.wants_app_input());
        });
        assert_eq!(counted, 0, "{length} B");
    }
}

/// Once the ring is full: it takes as many chunks as it gives back.
#[test]
fn an_audio_frame_that_is_kept_allocates_nothing() {
    for length in PAYLOADS {
        let audio = Bytes::from(vec![7; length]);
        let written = Written { audio_frames: 1, audio_bytes: length as u64, ..Written::default() };
        let mut now = clock::now();
        let mut session = connected::connected(now, connected::recovering());
        let counted = allocations(|| {
            now += Duration::from_millis(100);
            session.handle_app(now, AppInput::Audio(audio.clone()));
            while session.poll_output().is_some() {}
            session.handle_upstream(now, ConnectionId::FIRST, UpstreamInput::Written(written));
            while session.poll_output().is_some() {}
        });
        assert!(session.snapshot().counts[Count::RingBytes] > 900_000, "it is full");
        assert_eq!(counted, 0, "{length} B");
    }
}

/// Heard by the detector that ships, and sent or held back by the gate.
#[test]
fn an_audio_frame_that_is_gated_allocates_nothing() {
    for length in PAYLOADS {
        for heard in [Heard::Silence, Heard::Speech { since: 0 }] {
            let audio = Bytes::from(vec![7; length]);
            let written =
                Written { audio_frames: 1, audio_bytes: length as u64, ..Written::default() };
            let mut now = clock::now();
            let mut session = connected::connected(now, connected::gated());
            let (text, kind) = (Bytes::from_static(b"{}"), MessageKind::Other);
            let answer = UpstreamInput::Message { text, kind };
            session.handle_upstream(now, ConnectionId::FIRST, answer);
            let (format, threshold) = session.hearing().expect("it is gated");
            let mut vad = Vad::new(format, threshold);
            let counted = allocations(|| {
                now += Duration::from_millis(1);
                black_box(vad.hear(&audio));
                session.handle_heard(now, audio.clone(), heard, true);
                let mut is_sent = false;
                while let Some(output) = session.poll_output() {
                    is_sent |= matches!(output, Output::Send(..));
                }
                if is_sent {
                    let input = UpstreamInput::Written(written);
                    session.handle_upstream(now, ConnectionId::FIRST, input);
                    while session.poll_output().is_some() {}
                }
            });
            assert_eq!(counted, 0, "{length} B, {heard:?}");
            let gated = session.snapshot().counts[Count::BytesGated];
            assert_eq!(gated > 0, heard == Heard::Silence);
        }
    }
}

#[test]
fn an_audio_frame_from_socket_to_websocket_allocates_nothing() {
    for dialect in Dialect::ALL {
        for length in PAYLOADS {
            let mut path = Path::open(dialect, |_| Nobody);
            let audio = vec![7; length];
            assert_eq!(allocations(|| path.pass(&audio)), 0, "{length} B, {dialect:?}");
        }
    }
}

/// With metrics, log and a trace of the session.
#[test]
fn an_audio_frame_that_is_watched_allocates_nothing() {
    let telemetry = path::telemetry();
    for length in PAYLOADS {
        let mut path = Path::open(Dialect::Native, |live| telemetry.session(live));
        let audio = vec![7; length];
        assert_eq!(allocations(|| path.pass(&audio)), 0, "{length} B");
    }
}

#[test]
fn the_figures_of_a_result_allocate_nothing() {
    let telemetry = Telemetry::default();
    let (id, audio) = (connected::id(), connected::config().audio);
    let live = LiveSession::new(id, Endpoint::V1Listen, audio, clock::now(), Vec::new());
    let handle = telemetry.session(live);
    let kind = MessageKind::Results {
        start: Duration::ZERO,
        is_final: true,
        from_finalize: false,
        end: Duration::from_secs(1),
        channel: 0,
        channels: 1,
    };
    let (lag, first_result) = (Some(Duration::from_millis(300)), None);
    let message = Observation::Message { kind, lag, first_result };
    let delivered = Observation::Delivered { latency: Duration::from_micros(30) };
    let counted = allocations(|| {
        handle.observe(&message);
        handle.observe(&delivered);
    });
    assert_eq!(counted, 0);
}

/// The text that it becomes, and no more.
#[test]
fn moving_the_times_of_a_result_allocates_once() {
    let text = Bytes::from(results::of_words(40, 0.0));
    for (times, expected) in [(TimeMap::default(), 0), (held::times(5), 1)] {
        let counted = allocations(|| {
            black_box(to_session_time(text.clone(), times.clone()));
        });
        assert_eq!(counted, expected * FRAMES as u64);
    }
}

/// What every session holds beside its buffers and TLS.
#[test]
fn a_session_is_small() {
    type Authorization = fn() -> Option<HeaderValue>;
    let native =
        size_of::<Driver<AppSocket<UnixStream>, Dialer<Authorization>, SessionTelemetry>>();
    let compatible =
        size_of::<Driver<CompatibleSocket<UnixStream>, Dialer<Authorization>, SessionTelemetry>>();
    let beside = size_of::<Link<Transport>>() + size_of::<LiveSession>();
    assert!(native + beside <= 3_640, "{} B", native + beside);
    assert!(compatible + beside <= 3_880, "{} B", compatible + beside);
}
