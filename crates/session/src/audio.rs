//! Converts audio bytes to durations and back.

use std::time::Duration;

use bytes::Bytes;

crate::vocabulary! {
    /// Deepgram's names of the uncompressed encodings.
    pub enum Encoding: "encoding" {
        /// 16 bits, little-endian.
        Linear16 = "linear16",
        /// 32 bits, little-endian.
        Linear32 = "linear32",
        /// G.711, North America and Japan.
        Mulaw = "mulaw",
        /// G.711, everywhere else.
        Alaw = "alaw",
    }
}

impl Encoding {
    /// The encoding of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Bytes of one sample.
    pub fn sample_bytes(self) -> u32 {
        match self {
            Self::Linear16 => 2,
            Self::Linear32 => 4,
            Self::Mulaw | Self::Alaw => 1,
        }
    }

    /// The byte value of digital silence.
    pub fn silence(self) -> u8 {
        match self {
            Self::Linear16 | Self::Linear32 => 0,
            Self::Mulaw => 0xff,
            Self::Alaw => 0xd5,
        }
    }
}

/// An uncompressed encoding, whose bytes have a known duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    pub encoding: Encoding,
    /// Bytes of one sample of every channel: the unit that must not be split.
    pub block_bytes: u32,
    /// Blocks per second.
    pub sample_rate: u32,
    /// Channels in a block.
    pub channels: u32,
}

impl AudioFormat {
    /// The format for Deepgram's `encoding`, `sample_rate` and `channels`; `None` if the
    /// encoding is compressed or unknown, or the numbers are invalid.
    pub fn new(encoding: &str, sample_rate: u32, channels: u32) -> Option<Self> {
        let encoding = Encoding::of(encoding)?;
        let sane = (1..=768_000).contains(&sample_rate) && (1..=64).contains(&channels);
        sane.then(|| Self {
            encoding,
            block_bytes: encoding.sample_bytes() * channels,
            sample_rate,
            channels,
        })
    }

    pub fn bytes_per_second(self) -> u64 {
        u64::from(self.block_bytes) * u64::from(self.sample_rate)
    }

    /// Digital silence of so many bytes.
    pub fn silence(self, bytes: u64) -> Bytes {
        let bytes = usize::try_from(bytes).expect("nobody asks for more than memory holds");
        Bytes::from(vec![self.encoding.silence(); bytes])
    }

    /// Whole blocks in so many bytes: a position in samples.
    pub fn samples(self, bytes: u64) -> u64 {
        bytes / u64::from(self.block_bytes)
    }

    /// The duration of this many bytes.
    pub fn duration(self, bytes: u64) -> Duration {
        let rate = self.bytes_per_second();
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The bytes of this duration, rounded down to whole blocks.
    pub fn bytes(self, duration: Duration) -> u64 {
        let blocks = duration.as_nanos() * u128::from(self.sample_rate) / 1_000_000_000;
        u64::try_from(blocks).unwrap_or(u64::MAX).saturating_mul(u64::from(self.block_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_time_convert_both_ways() {
        let format = AudioFormat::new("linear16", 16_000, 1).unwrap();
        assert_eq!(format.bytes_per_second(), 32_000);
        assert_eq!(format.duration(3_200), Duration::from_millis(100));
        assert_eq!(format.bytes(Duration::from_millis(100)), 3_200);
    }

    #[test]
    fn absurd_numbers_are_no_format() {
        for channels in [0, 65, u32::MAX] {
            assert_eq!(AudioFormat::new("linear16", 16_000, channels), None);
        }
        assert_eq!(AudioFormat::new("linear32", u32::MAX, 1 << 31), None);
    }

    #[test]
    fn a_partial_block_is_not_counted() {
        let format = AudioFormat::new("linear16", 8_000, 2).unwrap();
        assert_eq!(format.bytes(Duration::from_micros(126)), 4, "one block is 125 us");
    }

    #[test]
    fn compressed_and_absurd_formats_tell_no_time() {
        assert_eq!(AudioFormat::new("opus", 48_000, 1), None);
        assert_eq!(AudioFormat::new("linear16", 0, 1), None);
        assert_eq!(AudioFormat::new("linear16", 16_000, 0), None);
    }
}
