//! Nanoseconds per audio frame in the frame codec.
//!
//! The sizes are 20 ms and 100 ms of 16 kHz linear16, which is what applications send.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use protocol::frame::{self, AppFrameType, Decoder, Header};

const PAYLOADS: [usize; 2] = [640, 3_200];

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for length in PAYLOADS {
        let payload = vec![7; length];
        let mut buffer = BytesMut::with_capacity(2 * length);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(format!("{length} B"), |bencher| {
            bencher.iter(|| {
                buffer.clear();
                frame::encode(AppFrameType::Audio as u8, black_box(&payload), &mut buffer);
                black_box(buffer.len())
            });
        });
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for length in PAYLOADS {
        let mut wire = BytesMut::new();
        frame::encode(AppFrameType::Audio as u8, &vec![7; length], &mut wire);
        let mut decoder = Decoder::default();
        let mut buffer = BytesMut::with_capacity(4 * wire.len());
        group.throughput(Throughput::Bytes(length as u64));
        // Filling the buffer stands for the read, which costs this copy as well.
        group.bench_function(format!("{length} B"), |bencher| {
            bencher.iter(|| {
                buffer.extend_from_slice(black_box(&wire));
                black_box(decoder.decode(&mut buffer, accept))
            });
        });
    }
    group.finish();
}

fn accept(header: Header) -> Result<(), Header> {
    if header.length > 1 << 20 { Err(header) } else { Ok(()) }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    encode(&mut criterion);
    decode(&mut criterion);
    criterion.final_summary();
}
