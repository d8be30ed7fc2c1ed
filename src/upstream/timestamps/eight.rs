//! Eight bytes at a time, in a `u64` whose lowest byte is the first.

/// A one in each byte.
const ONES: u64 = u64::MAX / 0xff;

/// Marks the bytes that are this one in their highest bit.
#[inline]
pub(super) fn are(eight: u64, byte: u8) -> u64 {
    let differences = eight ^ (ONES * u64::from(byte));
    let low = ONES * 0x7f;
    // No carry leaves its byte.
    !(((differences & low) + low) | differences | low)
}

/// The same for brackets and braces, and, to be quick, for `Y`, `y`, `_` and DEL: JSON has those in
/// strings alone.
#[inline]
pub(super) fn may_be_brackets(eight: u64) -> u64 {
    // What brackets and braces differ by.
    are(eight | (ONES * 0x26), b'{' | b'}' | 0x26)
}

/// A bit for each byte that is marked.
#[inline]
pub(super) fn bits(marks: u64) -> u64 {
    // Byte n times two to the power of 56 - 7 n: all of them meet in the highest byte.
    (marks >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// The eight digits of a number below 10^8, each in its byte.
pub(super) fn digits(number: u32) -> u64 {
    let (high, low) = (u64::from(number / 10_000), u64::from(number % 10_000));
    // Two numbers below 10^4, then four below 100, then eight below 10: quotients by multiplication.
    let fours = high | (low << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - 10 * tens) << 8)
}

/// Digits as they are written.
pub(super) fn written(digits: u64) -> u64 {
    digits | (ONES * u64::from(b'0'))
}
