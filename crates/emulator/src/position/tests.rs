#![expect(clippy::single_range_in_vec_init, reason = "lists of one range are what is compared")]

use proptest::prelude::*;

use super::*;

/// What a reader makes of audio that all became final.
fn read(audio: &[u8]) -> Positions {
    let mut reader = Reader::default();
    let mut positions = Positions::default();
    reader.feed(audio);
    reader.settle(u64::MAX, |block| positions.record(block));
    positions
}

#[test]
fn unbroken_audio_was_transcribed_once_and_wholly() {
    let positions = read(&encode(0, 16_000));
    assert_eq!(positions.once(), [0..16_000]);
    assert_eq!(positions.repeated(), []);
    assert_eq!(positions.never(16_000), []);
    assert_eq!(positions.never(16_020), [16_000..16_020]);
}

#[test]
fn a_cut_of_the_encoding_is_the_encoding_of_the_cut() {
    let whole = encode(0, 1_000);
    assert_eq!(encode(333, 500), whole[666..1_666]);
}

#[test]
fn only_what_is_final_counts() {
    let mut reader = Reader::default();
    let mut positions = Positions::default();
    reader.feed(&encode(0, 320));
    reader.settle(100, |block| positions.record(block));
    assert_eq!(positions.once(), [0..96]);
    assert_eq!(positions.never(320), [96..320]);
}

#[test]
fn a_replay_on_a_second_connection_shows_as_repeated() {
    let mut positions = read(&encode(0, 640));
    positions.merge(&read(&encode(320, 640)));
    let summary = positions.summary();
    assert_eq!(summary.once, [0..320, 640..960]);
    assert_eq!(summary.repeated, [320..640]);
    assert_eq!(summary.never, []);
}

#[test]
fn every_sample_is_loud() {
    let audio = encode(123_456_789_012, 320);
    let samples = audio.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    assert!(samples.map(i16::unsigned_abs).all(|loudness| loudness > 8_000));
}

#[test]
fn runs_beyond_the_bound_are_counted_instead_of_kept() {
    let mut positions = Positions::default();
    for block in 0..Positions::RUNS_MAX as u64 + 3 {
        positions.record(block * 2);
    }
    assert_eq!(positions.overflow(), 3);
}

/// What a reader should make of pieces of a recording that begins at the sample `base`, each a
/// start behind that and a length: blocks count where they begin and are there whole.
fn told(base: u64, pieces: &[(u64, usize)]) -> (Vec<u8>, Positions) {
    let samples: Vec<u64> = pieces
        .iter()
        .flat_map(|&(start, length)| base + start..base + start + length as u64)
        .collect();
    let audio: Vec<u8> = samples.iter().flat_map(|&sample| encode(sample, 1)).collect();
    let mut expected = Positions::default();
    let mut at = 0;
    while at < samples.len() {
        let block = encode(samples[at], BLOCK_SAMPLES as usize);
        if samples[at].is_multiple_of(BLOCK_SAMPLES) && audio[at * 2..].starts_with(&block) {
            expected.record(samples[at] / BLOCK_SAMPLES);
            at += BLOCK_SAMPLES as usize;
        } else {
            at += 1;
        }
    }
    (audio, expected)
}

/// The last sample of a block was lost, and what came next carried the same bits elsewhere.
#[test]
fn no_other_sample_stands_in_for_the_last_of_a_block() {
    let pieces = [(3_950, 1_425), (2_287, 1)];
    let (audio, expected) = told(188_878_157_312, &pieces);
    assert_eq!(read(&audio), expected);
    let cut = (188_878_157_312 + 3_950 + 1_425) / BLOCK_SAMPLES * BLOCK_SAMPLES;
    assert_eq!(expected.once().last().map(|run| run.end), Some(cut));
    // The first of all blocks, without its last sample and the one behind.
    let (audio, expected) = told(0, &[(0, 31), (33, 1_000)]);
    assert_eq!(read(&audio), expected);
    assert_eq!(expected.once().first().map(|run| run.start), Some(64));
}

proptest! {
    /// Pieces of one recording, in any order, overlapping or not: each block counts as often as
    /// all its samples arrived together.
    #[test]
    fn any_cut_drop_or_repetition_is_told_exactly(
        base in 0u64..1 << 38,
        pieces in prop::collection::vec((0u64..4_000, 0usize..1_500), 1..12),
    ) {
        let (audio, expected) = told(base - base % BLOCK_SAMPLES, &pieces);
        prop_assert_eq!(read(&audio), expected);
    }

    #[test]
    fn where_messages_cut_the_audio_does_not_matter(
        cuts in prop::collection::vec(0usize..4_000, 0..20),
    ) {
        let audio = encode(77, 2_000);
        let mut reader = Reader::default();
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut from = 0;
        for cut in cuts.into_iter().chain([audio.len()]) {
            reader.feed(&audio[from..cut]);
            from = cut;
        }
        let mut positions = Positions::default();
        reader.settle(u64::MAX, |block| positions.record(block));
        prop_assert_eq!(positions, read(&audio));
    }
}
