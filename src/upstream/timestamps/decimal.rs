//! Seconds as decimals: read as exactly as serde_json does, written to the microsecond.

use super::eight;

/// Seconds beyond which nothing is taken for a time: three years, and as much as eight digits tell.
const SECONDS_MAX: f64 = 99_999_999.0;

/// Doubles that are exact, each a decimal place.
const PLACES: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Digits in all that are read without serde_json's exactness being at stake.
const DIGITS_MAX: usize = 15;

/// Seconds that are not told apart.
pub(super) const ROUNDED_AWAY: f64 = 0.5e-6;

/// Whether it is a time at all. A negative number means "none".
pub(super) fn is_time(seconds: f64) -> bool {
    (0.0..=SECONDS_MAX).contains(&seconds)
}

/// The time that a text begins with, and the length of its digits.
pub(super) fn read(text: &[u8]) -> Option<(f64, usize)> {
    plain(text).or_else(|| any(text)).filter(|(seconds, _)| is_time(*seconds))
}

/// The number that a text begins with and its length, if it is written as nearly all are: up to 15
/// digits, with or without a point.
///
/// So many digits are an integer that a double has exactly, and so is the power of ten. Then the
/// quotient is the double that is nearest to the decimal.
fn plain(text: &[u8]) -> Option<(f64, usize)> {
    let (whole, mut length) = digits(text, 0);
    let mut all = whole;
    let mut places = 0;
    if let Some((b'.', behind)) = text.get(length..)?.split_first() {
        (all, places) = digits(behind, whole);
        length += 1 + places;
    }
    let is_plain = (1..=DIGITS_MAX + 1).contains(&length) && all < PLACES[DIGITS_MAX] as u64;
    let is_over = !matches!(text.get(length), Some(b'e' | b'E' | b'.' | b'+' | b'-'));
    (is_plain && is_over).then(|| (all as f64 / PLACES[places], length))
}

/// Digits behind others that were read before, and how many they are.
fn digits(text: &[u8], mut all: u64) -> (u64, usize) {
    let mut count = 0;
    for byte in text.iter().take(DIGITS_MAX + 1) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        all = all.wrapping_mul(10).wrapping_add(digit.into());
        count += 1;
    }
    (all, count)
}

/// Any number.
fn any(text: &[u8]) -> Option<(f64, usize)> {
    let is_number = |it: &&u8| matches!(it, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = text.iter().take_while(is_number).count();
    let number = str::from_utf8(&text[..length]).ok()?;
    Some((number.parse().ok()?, length))
}

/// A time as it is written: "2.0", "60.75", at most six decimals, never an exponent.
#[derive(Clone, Copy)]
pub(super) struct Decimal {
    /// Eight digits, the point, seven digits; some are not shown.
    bytes: [u8; 16],
    from: u8,
    to: u8,
}

impl Decimal {
    /// A time, to the nearest microsecond.
    pub(super) fn of(seconds: f64) -> Self {
        let micros = (seconds * 1e6 + 0.5) as i64 as u64;
        let whole = eight::digits((micros / 1_000_000) as u32);
        let decimals = eight::digits((micros % 1_000_000) as u32 * 100);
        // The eighth decimal is a zero, and makes room for the point.
        let behind = u128::from(eight::written(decimals) << 8 | u64::from(b'.'));
        let bytes = (behind << 64 | u128::from(eight::written(whole))).to_le_bytes();
        // Zeros in front and behind, but for one next to the point.
        let from = (whole.trailing_zeros() / 8).min(7);
        let to = 17 - (decimals.leading_zeros() / 8).min(7);
        Self { bytes, from: from as u8, to: to as u8 }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.from.into()..self.to.into()]
    }
}
