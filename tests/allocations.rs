//! Steady streaming allocates nothing: what a frame costs must not depend on the allocator.
//!
//! A binary of its own, since counting needs an allocator of its own.

use std::hint::black_box;

use bytes::BytesMut;
use deepgram_sidecar::ipc::frame::{self, AppFrameType, Decoder, Header};

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
