//! Any text as a message of Deepgram's: never a panic; and moving the times of one that was
//! understood to session time gives a message of the same kind, whose times have not grown.

#![no_main]

use std::time::Duration;

use bytes::Bytes;
use deepgram_sidecar::upstream::message::kind_of;
use deepgram_sidecar::upstream::timestamps::to_session_time;
use libfuzzer_sys::fuzz_target;
use session::{MessageKind, TimeMap};

fuzz_target!(|input: (u16, &[u8])| {
    let (lead_ms, text) = input;
    let kind = kind_of(text);
    let times = TimeMap { lead: Duration::from_millis(lead_ms.into()) };
    let moved = to_session_time(Bytes::copy_from_slice(text), times);
    check_moved(kind, kind_of(&moved));
});

fn check_moved(kind: MessageKind, moved: MessageKind) {
    use MessageKind::{Other, Results, TurnInfo};
    match (kind, moved) {
        (
            Results { is_final, from_finalize, end, channel, channels },
            Results {
                is_final: is_final_still,
                from_finalize: from_finalize_still,
                end: end_moved,
                channel: channel_still,
                channels: channels_still,
            },
        ) => {
            assert_eq!((is_final, from_finalize), (is_final_still, from_finalize_still));
            assert_eq!((channel, channels), (channel_still, channels_still));
            assert!(is_not_later(end_moved, end), "{end:?} became {end_moved:?}");
        }
        (
            TurnInfo { end_of_turn, end },
            TurnInfo { end_of_turn: end_of_turn_still, end: end_moved },
        ) => {
            assert_eq!(end_of_turn, end_of_turn_still);
            assert!(is_not_later(end_moved, end), "{end:?} became {end_moved:?}");
        }
        // A repeated member makes a message unreliable; moving its times keeps the last one alone.
        (Other, _) => {}
        (kind, moved) => assert_eq!(kind, moved),
    }
}

/// Times are rounded to the microsecond, and doubles to 15 digits.
fn is_not_later(moved: Duration, before: Duration) -> bool {
    moved <= before + Duration::from_micros(10) + before / 1_000_000_000
}
