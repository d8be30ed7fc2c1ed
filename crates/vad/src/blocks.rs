//! Blocks: one sample of each channel, as the application sends them.

use audio_codec_algorithms::{decode_alaw, decode_ulaw};
use session::audio::{AudioFormat, Encoding};
use session::gate::CHANNELS_MAX;

/// Two bytes of each channel.
const BLOCK_BYTES_MAX: usize = 2 * CHANNELS_MAX as usize;

/// A block that a message has begun and not ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Remainder {
    bytes: [u8; BLOCK_BYTES_MAX],
    length: usize,
}

impl Remainder {
    /// Cuts a message: the block that it ends, or nothing, and its own whole blocks. What it begins is
    /// kept for the next one.
    pub(crate) fn split<'a>(&mut self, audio: &'a [u8], block: usize) -> (Self, &'a [u8]) {
        let missing = if self.length == 0 { 0 } else { block - self.length };
        let (end, rest) = audio.split_at(missing.min(audio.len()));
        self.append(end);
        let mut ended = Self::default();
        if self.length == block {
            ended = std::mem::take(self);
        }
        let (blocks, begun) = rest.split_at(rest.len() - rest.len() % block);
        self.append(begun);
        (ended, blocks)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

/// Decodes one channel of whole blocks, as many as there is room for.
///
/// # Panics
/// If the encoding is one that cannot be heard.
pub fn decode(blocks: &[u8], format: AudioFormat, channel: usize, samples: &mut [i16]) {
    let at = channel * format.encoding.sample_bytes() as usize;
    let blocks = blocks.chunks_exact(format.block_bytes as usize);
    let pairs = samples.iter_mut().zip(blocks);
    match format.encoding {
        Encoding::Linear16 => {
            pairs.for_each(|(it, block)| *it = i16::from_le_bytes([block[at], block[at + 1]]));
        }
        Encoding::Mulaw => pairs.for_each(|(it, block)| *it = decode_ulaw(block[at])),
        Encoding::Alaw => pairs.for_each(|(it, block)| *it = decode_alaw(block[at])),
        Encoding::Linear32 => unreachable!("a VAD is only made for what can be heard"),
    }
}
