//! Each breach with its code, and that none of them costs memory.

use super::*;

/// A text that is wrong in its third byte.
const BAD_TEXT: &[u8] = b"ab\xff";

fn cases() -> Vec<(Vec<u8>, Breach, u16)> {
    let ping = |first| frame(first, b"");
    let close = |payload: &[u8]| frame(FINAL | CLOSE, payload);
    let long = |first, length| [header(first, length), vec![0; 4]].concat();
    vec![
        (frame(0x40 | FINAL | TEXT, b"compressed"), Breach::ReservedBit, 1002),
        (frame(0x20 | FINAL | BINARY, b""), Breach::ReservedBit, 1002),
        (frame(0x10 | FINAL | PING, b""), Breach::ReservedBit, 1002),
        (frame(FINAL | 0x3, b""), Breach::Opcode(3), 1002),
        (frame(FINAL | 0x7, b""), Breach::Opcode(7), 1002),
        (frame(FINAL | 0xb, b""), Breach::Opcode(11), 1002),
        (frame(FINAL | 0xf, b""), Breach::Opcode(15), 1002),
        (vec![FINAL | BINARY, 0], Breach::Unmasked, 1002),
        (vec![FINAL | CLOSE, 0], Breach::Unmasked, 1002),
        (ping(PING), Breach::FragmentedControl, 1002),
        (ping(PONG), Breach::FragmentedControl, 1002),
        (ping(CLOSE), Breach::FragmentedControl, 1002),
        (header(FINAL | PING, 126), Breach::LongControl, 1002),
        (header(FINAL | CLOSE, 1 << 20), Breach::LongControl, 1002),
        (header(FINAL | BINARY, 1 << 63), Breach::Length, 1002),
        (header(FINAL | BINARY, u64::MAX), Breach::Length, 1002),
        (frame(CONTINUATION, b""), Breach::NothingToContinue, 1002),
        (frame(FINAL | CONTINUATION, b"?"), Breach::NothingToContinue, 1002),
        (
            [frame(TEXT, b"one"), frame(FINAL | CONTINUATION, b""), frame(FINAL, b"")].concat(),
            Breach::NothingToContinue,
            1002,
        ),
        ([frame(TEXT, b"a"), frame(FINAL | TEXT, b"b")].concat(), Breach::MessageInMessage, 1002),
        ([frame(TEXT, b"a"), frame(BINARY, b"b")].concat(), Breach::MessageInMessage, 1002),
        (close(b"\x03"), Breach::HalfCloseCode, 1002),
        (close(b"\x03\xed"), Breach::CloseCode(1005), 1002),
        (close(b"\xff\xffwhy"), Breach::CloseCode(65_535), 1002),
        (close(b"\x03\xe8\xc3"), Breach::CloseReason, 1007),
        (close(b"\x03\xe8ab\xff"), Breach::CloseReason, 1007),
        (frame(FINAL | TEXT, BAD_TEXT), Breach::Text, 1007),
        (frame(TEXT, BAD_TEXT), Breach::Text, 1007),
        (frame(FINAL | TEXT, b"cut \xe2\x82"), Breach::Text, 1007),
        (
            [frame(TEXT, b"cut \xe2\x82"), frame(FINAL | CONTINUATION, b"")].concat(),
            Breach::Text,
            1007,
        ),
        (
            [frame(TEXT, b"surrogate \xed"), frame(CONTINUATION, b"\xa0")].concat(),
            Breach::Text,
            1007,
        ),
        (long(FINAL | BINARY, LIMIT as u64 + 1), Breach::LongMessage, 1009),
        (long(FINAL | TEXT, (1 << 63) - 1), Breach::LongMessage, 1009),
        (long(TEXT, 1 << 20), Breach::LongMessage, 1009),
        (
            [frame(BINARY, &[7; LIMIT]), frame(CONTINUATION, b"1")].concat(),
            Breach::LongMessage,
            1009,
        ),
    ]
}

#[test]
fn each_breach_has_its_code_however_it_comes() {
    for (wire, breach, code) in cases() {
        let before = frame(FINAL | TEXT, b"before");
        let decoded = decode_both(&[before, wire.clone(), frame(FINAL | TEXT, b"after")].concat());
        assert_eq!(decoded.events[0], text("before"), "{breach}");
        assert!(!decoded.events.contains(&text("after")), "{breach}");
        assert_eq!(decoded.breach, Some(breach), "{wire:?}");
        assert_eq!(breach.close_code(), code, "{breach}");
    }
}

#[test]
fn every_reason_fits_into_a_close_frame() {
    let all = cases().into_iter().map(|(_, breach, _)| breach).chain([Breach::ManyFragments]);
    for breach in all {
        let mut wire = BytesMut::new();
        encode_close(Some(breach.close_code()), &breach.to_string(), &mut wire);
        assert_eq!(&wire[4..], breach.to_string().as_bytes());
    }
}

#[test]
fn only_codes_that_may_be_sent_are_taken() {
    for code in 0..=u16::MAX {
        let registered = (1000..1015).contains(&code) && !(1004..=1006).contains(&code);
        let is_legal = registered || (3000..5000).contains(&code);
        let decoded = decode([&frame(FINAL | CLOSE, &code.to_be_bytes())[..]]);
        let expected = if is_legal {
            Decoded { events: vec![close(Some(code), "")], breach: None }
        } else {
            Decoded { events: vec![], breach: Some(Breach::CloseCode(code)) }
        };
        assert_eq!(decoded, expected);
    }
}

#[test]
fn bad_text_is_noticed_before_its_frame_is_complete() {
    for first in [TEXT, FINAL | TEXT] {
        let wire = frame(first, b"ab\xf4\x90 and much more");
        let decoded = decode([&wire[..6 + 3]]);
        assert_eq!(decoded, Decoded::default(), "0xf4 may begin a character");
        assert_eq!(decode([&wire[..6 + 4]]).breach, Some(Breach::Text));
    }
}

#[test]
fn a_message_of_the_limit_is_taken_in_one_frame_and_in_many() {
    let payload = [7; LIMIT];
    let mut wire = frame(FINAL | BINARY, &payload);
    wire.extend(frame(BINARY, &payload[..1]));
    wire.extend(frame(CONTINUATION, &payload[1..]));
    wire.extend(frame(FINAL | CONTINUATION, b""));
    let events = vec![binary(&payload); 2];
    assert_eq!(decode_both(&wire), Decoded { events, breach: None });
}

#[test]
fn control_frames_are_not_held_against_the_limit() {
    let mut decoder = Decoder::new(2);
    let mut wire = BytesMut::from(&frame(BINARY, b"12")[..]);
    wire.extend_from_slice(&frame(FINAL | PING, &[7; 125]));
    wire.extend_from_slice(&frame(FINAL | CONTINUATION, b""));
    let ping = decoder.decode(&mut wire).unwrap();
    assert_eq!(ping, Some(Event::Ping(Bytes::from_static(&[7; 125]))));
    assert_eq!(decoder.decode(&mut wire), Ok(Some(binary(b"12"))));
}

#[test]
fn a_header_takes_no_memory_for_its_payload() {
    let limit = 1 << 40;
    for first in [FINAL | BINARY, BINARY] {
        let mut decoder = Decoder::new(limit);
        let wire = [header(first, limit as u64), vec![0; 4]].concat();
        let mut buffer = BytesMut::from(&wire[..]);
        let capacity = buffer.capacity();
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
        assert_eq!(decoder.bytes_missing(&buffer), limit);
        assert!(buffer.capacity() <= capacity);
    }
}

#[test]
fn a_flood_of_empty_fragments_ends() {
    let mut decoder = Decoder::new(LIMIT);
    let mut buffer = BytesMut::new();
    buffer.extend_from_slice(&frame(BINARY, b""));
    for _ in 1..FRAGMENTS_MAX {
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
        buffer.extend_from_slice(&frame(CONTINUATION, b""));
        assert!(buffer.capacity() < 100);
    }
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    buffer.extend_from_slice(&frame(FINAL | CONTINUATION, b""));
    assert_eq!(decoder.decode(&mut buffer), Err(Breach::ManyFragments));
}
