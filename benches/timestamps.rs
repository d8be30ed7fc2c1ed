//! Nanoseconds to move a message's times to session time, beside what it costs to tell what the message
//! is. The message is a final result of 40 words, as Nova sends them.

#[path = "fixture/connected.rs"]
mod connected;
#[path = "fixture/held.rs"]
mod held;
#[path = "fixture/results.rs"]
mod results;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use deepgram_sidecar::upstream::message::kind_of;
use deepgram_sidecar::upstream::timestamps::to_session_time;
use session::TimeMap;

const WORDS: usize = 40;

/// Samples per second of the fixture's sessions.
const RATE: u64 = 16_000;

/// What may become of a message's times.
fn maps() -> [(&'static str, TimeMap); 4] {
    let shifted = TimeMap { rate: RATE as u32, base: 3_600 * RATE, ..TimeMap::default() };
    let cut = TimeMap { known: 12 * RATE, ..shifted.clone() };
    [
        ("move none", TimeMap::default()),
        ("move by an hour", shifted),
        ("move, 5 holds", TimeMap { base: 0, ..held::times(5) }),
        ("move and cut words", cut),
    ]
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let text = Bytes::from(results::of_words(WORDS, 0.0));
    let mut group = criterion.benchmark_group("results of 40 words");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("classify", |bencher| bencher.iter(|| kind_of(black_box(&text))));
    for (name, times) in maps() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| to_session_time(black_box(&text).clone(), times.clone()));
        });
    }
    group.finish();
    criterion.final_summary();
}
