//! Any text as a message of Deepgram's: never a panic; and moving its times to session time leaves JSON
//! what it was: JSON, and a message of the same kind, whose times are where the map can take them.

#![no_main]

use std::mem::discriminant;
use std::time::Duration;

use bytes::Bytes;
use deepgram_sidecar::upstream::message::kind_of;
use deepgram_sidecar::upstream::timestamps::to_session_time;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use session::{MessageKind, TimeMap};

fuzz_target!(|input: (u16, u16, u16, &[u8])| {
    let (lead, more, base, text) = input;
    let (lead, known, base) = (lead.into(), u64::from(lead) + u64::from(more), base.into());
    let times = TimeMap { rate: 1_000, lead, known, base, ..TimeMap::default() };
    let moved = to_session_time(Bytes::copy_from_slice(text), times.clone());
    if times.is_identity() {
        assert_eq!(moved, text);
    }
    if is_json(text) {
        assert!(is_json(&moved), "{}", String::from_utf8_lossy(&moved));
        check_moved(kind_of(text), kind_of(&moved), Duration::from_millis(known + base));
    }
});

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

fn check_moved(kind: MessageKind, moved: MessageKind, by: Duration) {
    use MessageKind::{Other, Results, TurnInfo};
    assert_eq!(discriminant(&kind), discriminant(&moved), "{kind:?} became {moved:?}");
    match (kind, moved) {
        (
            Results { is_final, from_finalize, channel, channels, .. },
            Results {
                is_final: is_final_still,
                from_finalize: from_finalize_still,
                channel: channel_still,
                channels: channels_still,
                ..
            },
        ) => {
            assert_eq!((is_final, from_finalize), (is_final_still, from_finalize_still));
            assert_eq!((channel, channels), (channel_still, channels_still));
        }
        (TurnInfo { end_of_turn, .. }, TurnInfo { end_of_turn: still, .. }) => {
            assert_eq!(end_of_turn, still);
        }
        (Other | MessageKind::Metadata { .. } | MessageKind::Error, _) => assert_eq!(kind, moved),
        _ => {}
    }
    if let (Some(before), Some(after)) = (kind.end(), moved.end()) {
        assert!(is_not_later(after, before + by), "{before:?} became {after:?}");
    }
}

/// Times are rounded to the microsecond, and doubles to 15 digits.
fn is_not_later(moved: Duration, before: Duration) -> bool {
    moved <= before + Duration::from_micros(10) + before / 1_000_000_000
}
