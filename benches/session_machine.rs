//! Nanoseconds per audio frame and per message in the session machine: from the input to the last
//! of its effects and the next deadline.
//!
//! The sizes are 20 ms and 100 ms of 16 kHz linear16. They cost the same, and should: the machine
//! passes audio on by reference.

#[path = "fixture/connected.rs"]
mod fixture;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput};

use deepgram_sidecar::upstream::message::kind_of;
use session::gate::Heard;
use session::machine::Session;
use session::{AppInput, ConnectionId, MessageKind, UpstreamInput, Written};

const PAYLOADS: [usize; 2] = [640, 3_200];

/// An interim result as Deepgram sends it.
const RESULT: &[u8] = br#"{"type":"Results","channel_index":[0,1],"duration":2.3,"start":1.0,"is_final":false,"speech_final":false,"channel":{"alternatives":[{"transcript":"the harbour lights came on","confidence":0.99121094,"words":[{"word":"the","start":1.04,"end":1.2,"confidence":0.99},{"word":"harbour","start":1.2,"end":1.6,"confidence":0.98},{"word":"lights","start":1.6,"end":2.0,"confidence":0.99},{"word":"came","start":2.0,"end":2.4,"confidence":0.99},{"word":"on","start":2.4,"end":2.56,"confidence":0.99}]}]},"metadata":{"request_id":"01985b3e-4f7e-7d1c-a6a3-ce929d0e0e47","model_info":{"name":"general-nova-3","version":"2025-04-17.21547","arch":"nova-3"},"model_uuid":"40bd3654-e622-47c4-a111-63a61b23bfe8"},"from_finalize":false}"#;

fn audio_frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine: audio frame");
    for length in PAYLOADS {
        let audio = Bytes::from(vec![7; length]);
        let written = Written { audio_frames: 1, audio_bytes: length as u64, ..Written::default() };
        group.throughput(Throughput::Elements(1));
        for (name, config) in [("latch", fixture::config()), ("reconnect", fixture::recovering())] {
            let mut now = clock::now();
            let mut session = fixture::connected(now, config);
            group.bench_function(format!("{length} B, {name}"), |bencher| {
                bencher.iter(|| {
                    now += Duration::from_millis(100);
                    session.handle_app(now, AppInput::Audio(black_box(&audio).clone()));
                    carry_out(&mut session);
                    let written = UpstreamInput::Written(written);
                    session.handle_upstream(now, ConnectionId::FIRST, written);
                    carry_out(&mut session)
                });
            });
        }
    }
    group.finish();
}

/// What the gate holds back: it goes no further than the pre-roll.
fn held_frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine: audio frame");
    for length in PAYLOADS {
        let audio = Bytes::from(vec![0; length]);
        let mut now = clock::now();
        let mut session = fixture::connected(now, fixture::gated());
        let (text, kind) = (Bytes::from_static(b"{}"), MessageKind::Other);
        let answer = UpstreamInput::Message { text, kind };
        session.handle_upstream(now, ConnectionId::FIRST, answer);
        carry_out(&mut session);
        group.bench_function(format!("{length} B, held back"), |bencher| {
            bencher.iter(|| {
                now += Duration::from_millis(1);
                session.handle_heard(now, black_box(&audio).clone(), Heard::Silence, true);
                carry_out(&mut session)
            });
        });
    }
    group.finish();
}

fn message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine: message");
    let text = Bytes::from_static(RESULT);
    let kind = MessageKind::Results {
        start: Duration::ZERO,
        is_final: false,
        from_finalize: false,
        end: Duration::from_millis(3_300),
        channel: 0,
        channels: 1,
    };
    let mut now = clock::now();
    let mut session = fixture::connected(now, fixture::config());
    group.bench_function("interim result", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(100);
            let text = black_box(&text).clone();
            session.handle_upstream(
                now,
                ConnectionId::FIRST,
                UpstreamInput::Message { text, kind },
            );
            carry_out(&mut session);
            session.handle_app(now, AppInput::WriteDrained);
            carry_out(&mut session)
        });
    });
    group.bench_function("reading its kind", |bencher| {
        bencher.iter(|| kind_of(black_box(RESULT)));
    });
    group.finish();
}

/// What a driver asks after each input.
fn carry_out(session: &mut Session) -> Option<Instant> {
    while let Some(output) = session.poll_output() {
        black_box(output);
    }
    black_box(session.wants_app_input());
    session.next_deadline()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    audio_frame(&mut criterion);
    held_frame(&mut criterion);
    message(&mut criterion);
    criterion.final_summary();
}
