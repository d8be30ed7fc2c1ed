//! Audio bytes to loudness: one number for each channel and 20 ms window.
//!
//! It is written apart from the sidecar's own audio arithmetic, so that the two can disagree.

use std::time::Duration;

/// How bytes become samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Linear16,
    Linear32,
    Mulaw,
    Alaw,
    /// Not decoded: each byte counts as one loud sample at a nominal rate.
    Opaque,
}

/// What the bytes of a stream mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) encoding: Encoding,
    /// Samples a second of each channel.
    pub(super) rate: u32,
    pub(super) channels: u32,
}

impl Format {
    /// The format that a query names; compressed and containerised audio gets a nominal rate.
    pub(super) fn new(encoding: Option<&str>, rate: Option<u32>, channels: u32) -> Self {
        let rate = rate.unwrap_or(16_000);
        let raw = |encoding| Self { encoding, rate, channels };
        let opaque = |rate| Self { encoding: Encoding::Opaque, rate, channels: 1 };
        match encoding {
            Some("linear16") => raw(Encoding::Linear16),
            Some("linear32") => raw(Encoding::Linear32),
            Some("mulaw") => raw(Encoding::Mulaw),
            Some("alaw") => raw(Encoding::Alaw),
            Some("flac") => opaque(16_000),
            Some("g729") => opaque(1_000),
            Some("amr-nb" | "amr-wb" | "speex") => opaque(2_000),
            Some(_) => opaque(4_000),
            None => opaque(32_000),
        }
    }

    pub(super) fn sample_bytes(self) -> usize {
        match self.encoding {
            Encoding::Linear16 => 2,
            Encoding::Linear32 => 4,
            Encoding::Mulaw | Encoding::Alaw | Encoding::Opaque => 1,
        }
    }

    pub(super) fn bytes_per_second(self) -> u64 {
        self.sample_bytes() as u64 * u64::from(self.channels) * u64::from(self.rate)
    }

    /// How long this many bytes play.
    pub(super) fn duration(self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second() as f64)
    }

    /// How many samples of a channel play for this long.
    pub(super) fn samples(self, duration: Duration) -> u64 {
        (duration.as_secs_f64() * f64::from(self.rate)).round() as u64
    }

    /// Where in the stream a sample stands, in seconds. Deepgram counts in 32 bits.
    pub(super) fn seconds(self, samples: u64) -> f32 {
        (samples as f64 / f64::from(self.rate)) as f32
    }

    /// A sample between -1.0 and 1.0.
    fn sample(self, bytes: &[u8]) -> f32 {
        match (self.encoding, bytes) {
            (Encoding::Linear16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Encoding::Linear32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Encoding::Mulaw, &[byte]) => f32::from(mulaw(byte)) / 32_768.0,
            (Encoding::Alaw, &[byte]) => f32::from(alaw(byte)) / 32_768.0,
            _ => 1.0,
        }
    }
}

/// Cuts a stream into windows and measures them.
#[derive(Debug)]
pub(super) struct Meter {
    format: Format,
    /// Whether each channel is measured by itself; else they are averaged.
    lanes: usize,
    /// Samples of a full window.
    window: u64,
    /// Samples in the open window.
    filled: u64,
    /// Their squares, summed for each lane.
    squares: Vec<f32>,
    /// The beginning of a block that a message boundary cut.
    carry: Vec<u8>,
}

impl Meter {
    pub(super) fn new(format: Format, multichannel: bool) -> Self {
        let lanes = if multichannel { format.channels as usize } else { 1 };
        Self {
            format,
            lanes,
            window: u64::from(format.rate / 50).max(1),
            filled: 0,
            squares: vec![0.0; lanes],
            carry: Vec::new(),
        }
    }

    /// Takes bytes, cut anywhere; tells `heard` each full window's samples and loudnesses.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut heard: impl FnMut(u64, &[f32])) {
        let block_bytes = self.format.sample_bytes() * self.format.channels as usize;
        if !self.carry.is_empty() {
            let missing = (block_bytes - self.carry.len()).min(bytes.len());
            self.carry.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if self.carry.len() < block_bytes {
                return;
            }
            let block = std::mem::take(&mut self.carry);
            self.take_block(&block, &mut heard);
        }
        let blocks = bytes.chunks_exact(block_bytes);
        self.carry.extend_from_slice(blocks.remainder());
        for block in blocks {
            self.take_block(block, &mut heard);
        }
    }

    /// Ends the open window early.
    pub(super) fn flush(&mut self, mut heard: impl FnMut(u64, &[f32])) {
        if self.filled > 0 {
            self.end_window(&mut heard);
        }
    }

    fn take_block(&mut self, block: &[u8], heard: &mut impl FnMut(u64, &[f32])) {
        let samples = block.chunks_exact(self.format.sample_bytes());
        if self.lanes > 1 {
            for (square, sample) in self.squares.iter_mut().zip(samples) {
                *square += self.format.sample(sample).powi(2);
            }
        } else {
            let sum: f32 = samples.map(|sample| self.format.sample(sample)).sum();
            self.squares[0] += (sum / self.format.channels as f32).powi(2);
        }
        self.filled += 1;
        if self.filled == self.window {
            self.end_window(heard);
        }
    }

    fn end_window(&mut self, heard: &mut impl FnMut(u64, &[f32])) {
        for square in &mut self.squares {
            *square = (*square / self.filled as f32).sqrt();
        }
        heard(self.filled, &self.squares);
        self.squares.fill(0.0);
        self.filled = 0;
    }
}

/// G.711 µ-law to linear.
fn mulaw(byte: u8) -> i16 {
    let code = !byte;
    let magnitude = ((i16::from(code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4);
    if code & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

/// G.711 A-law to linear.
fn alaw(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let mantissa = i16::from(code & 0x0f) << 4;
    let magnitude = match (code & 0x70) >> 4 {
        0 => mantissa + 8,
        exponent => (mantissa + 0x108) << (exponent - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(format: Format, multichannel: bool, pieces: &[&[u8]]) -> Vec<(u64, Vec<f32>)> {
        let mut meter = Meter::new(format, multichannel);
        let mut windows = Vec::new();
        for piece in pieces {
            meter.feed(piece, |samples, levels| windows.push((samples, levels.to_vec())));
        }
        meter.flush(|samples, levels| windows.push((samples, levels.to_vec())));
        windows
    }

    #[test]
    fn a_window_is_20_ms_and_a_flush_ends_it_early() {
        let format = Format::new(Some("linear16"), Some(16_000), 1);
        let samples: Vec<u64> =
            windows(format, false, &[&[0; 1500]]).into_iter().map(|(samples, _)| samples).collect();
        assert_eq!(samples, [320, 320, 110]);
    }

    #[test]
    fn where_messages_cut_a_sample_does_not_matter() {
        let format = Format::new(Some("linear16"), Some(8_000), 2);
        let audio: Vec<u8> = (0..=255).cycle().take(2_000).collect();
        let whole = windows(format, true, &[&audio]);
        let (head, tail) = audio.split_at(641);
        let (middle, tail) = tail.split_at(2);
        assert_eq!(whole, windows(format, true, &[head, middle, tail]));
    }

    #[test]
    fn channels_are_measured_apart_when_asked() {
        let format = Format::new(Some("linear16"), Some(8_000), 2);
        let audio: Vec<u8> = [0, 0, 0, 0x40].repeat(160);
        assert_eq!(windows(format, true, &[&audio])[0].1, [0.0, 0.5]);
        assert_eq!(windows(format, false, &[&audio])[0].1, [0.25]);
    }

    #[test]
    fn companded_silence_is_quiet_and_full_scale_is_loud() {
        assert_eq!((mulaw(0xff), mulaw(0x7f)), (0, 0));
        assert_eq!((mulaw(0x80), mulaw(0x00)), (32_124, -32_124));
        assert_eq!((alaw(0xd5), alaw(0x55)), (8, -8));
        assert_eq!((alaw(0xaa), alaw(0x2a)), (32_256, -32_256));
    }

    #[test]
    fn undecoded_audio_counts_as_speech_at_a_nominal_rate() {
        let format = Format::new(Some("opus"), Some(48_000), 2);
        assert_eq!(format.bytes_per_second(), 4_000);
        assert_eq!(windows(format, false, &[&[0; 80]]), [(80, vec![1.0])]);
    }
}
