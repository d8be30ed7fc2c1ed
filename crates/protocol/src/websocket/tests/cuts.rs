//! However the bytes are cut, they mean the same.

use proptest::prelude::*;

use super::utf8::Utf8;
use super::*;

/// Bytes at the edges of what UTF-8 allows.
const EDGES: &[u8] = b"a\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xed\xef\xf0\xf1\xf4\xf5";

/// One of the things that a client may say, and how it cuts it into fragments.
#[derive(Clone, Debug)]
enum Said {
    Message { kind: Kind, payload: Vec<u8>, fragments: Vec<usize>, ping_inside: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn said() -> impl Strategy<Value = Said> {
    let control = || prop::collection::vec(any::<u8>(), 0..=125);
    let fragments = || prop::collection::vec(0_usize..200, 0..5);
    let message = |kind, payload: BoxedStrategy<Vec<u8>>| {
        (payload, fragments(), any::<bool>()).prop_map(move |(payload, fragments, ping_inside)| {
            Said::Message { kind, payload, fragments, ping_inside }
        })
    };
    let texts = prop::collection::vec(any::<char>(), 0..100)
        .prop_map(|it| it.into_iter().collect::<String>().into_bytes());
    prop_oneof![
        3 => message(Kind::Text, texts.boxed()),
        3 => message(Kind::Binary, prop::collection::vec(any::<u8>(), 0..400).boxed()),
        1 => control().prop_map(Said::Ping),
        1 => control().prop_map(Said::Pong),
    ]
}

/// Appends what was said, and what is to be heard of it.
fn say(said: &Said, wire: &mut Vec<u8>, events: &mut Vec<Event>) {
    match said {
        Said::Ping(payload) => {
            wire.extend(frame(FINAL | PING, payload));
            events.push(Event::Ping(payload.clone().into()));
        }
        Said::Pong(payload) => {
            wire.extend(frame(FINAL | PONG, payload));
            events.push(Event::Pong(payload.clone().into()));
        }
        Said::Message { kind, payload, fragments, ping_inside } => {
            let mut opcode = if *kind == Kind::Text { TEXT } else { BINARY };
            let mut rest = &payload[..];
            for length in fragments {
                let (fragment, after) = rest.split_at((*length).min(rest.len()));
                wire.extend(frame(opcode, fragment));
                (opcode, rest) = (CONTINUATION, after);
                if *ping_inside {
                    say(&Said::Ping(b"inside".to_vec()), wire, events);
                }
            }
            wire.extend(frame(FINAL | opcode, rest));
            events.push(Event::Message { kind: *kind, payload: payload.clone().into() });
        }
    }
}

fn pieces<'a>(mut wire: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    cuts.iter().cycle().map_while(move |cut| {
        let (piece, rest) = wire.split_at((*cut).min(wire.len()));
        wire = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #[test]
    fn what_was_said_is_heard(
        all in prop::collection::vec(said(), 0..8),
        cuts in prop::collection::vec(1_usize..300, 1..20),
    ) {
        let (mut wire, mut events) = (Vec::new(), Vec::new());
        for said in &all {
            say(said, &mut wire, &mut events);
        }
        prop_assert_eq!(decode(pieces(&wire, &cuts)), Decoded { events, breach: None });
    }

    #[test]
    fn a_change_of_any_byte_is_taken_alike_at_any_cut(
        all in prop::collection::vec(said(), 1..5),
        changed in any::<prop::sample::Index>(),
        to in any::<u8>(),
        cuts in prop::collection::vec(1_usize..300, 1..20),
    ) {
        let (mut wire, mut events) = (Vec::new(), Vec::new());
        for said in &all {
            say(said, &mut wire, &mut events);
        }
        let at = changed.index(wire.len());
        wire[at] = to;
        prop_assert_eq!(decode(pieces(&wire, &cuts)), decode([&wire[..]]));
    }

    #[test]
    fn utf8_in_pieces_is_judged_as_the_standard_library_judges_it_whole(
        bytes in prop::collection::vec(prop::sample::select(EDGES), 0..12),
        cuts in prop::collection::vec(1_usize..5, 1..6),
    ) {
        let mut utf8 = Utf8::default();
        let mut read = 0;
        for piece in pieces(&bytes, &cuts) {
            read += piece.len();
            let so_far = str::from_utf8(&bytes[..read]);
            let is_hopeless = so_far.is_err_and(|it| it.error_len().is_some());
            prop_assert_eq!(utf8.accepts(piece), !is_hopeless);
            if is_hopeless {
                break;
            }
            prop_assert_eq!(utf8.is_whole(), so_far.is_ok());
        }
    }
}
