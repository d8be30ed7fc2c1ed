//! WAV in any PCM format, from a file or pipe, as linear16.

use std::io::{self, Cursor, Read};
use std::time::Duration;

use hound::{SampleFormat, WavReader, WavSpec};

const CUT_SHORT: &str = "the file is shorter than its header says; everything in it was used";
const RIFF_HEADER_BYTES: usize = 12;
const CHUNK_HEADER_BYTES: usize = 8;

/// Headers with cover art exist; anything larger than this is not audio.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Placeholder lengths in pipes start just under 2 GiB.
const OPEN_ENDED_FROM: u32 = 0x7fff_0000;

/// A WAV stream whose header has been read.
pub(super) struct Wav<R> {
    reader: WavReader<io::Chain<Cursor<Vec<u8>>, R>>,
    /// Whether the header has no length, as in a pipe.
    is_open_ended: bool,
}

impl<R: Read> Wav<R> {
    /// Reads the header.
    pub(super) fn open(mut input: R) -> Result<Self, hound::Error> {
        let mut head = read_head(&mut input)?;
        let is_open_ended = settle_length(&mut head);
        let reader = WavReader::new(Cursor::new(head).chain(input))?;
        Ok(Self { reader, is_open_ended })
    }

    pub(super) fn spec(&self) -> WavSpec {
        self.reader.spec()
    }

    /// Its duration; `None` if the header has no length.
    pub(super) fn duration(&self) -> Option<Duration> {
        let seconds = f64::from(self.reader.duration()) / f64::from(self.spec().sample_rate);
        (!self.is_open_ended).then(|| Duration::from_secs_f64(seconds))
    }

    /// Up to this many samples, across all channels, as linear16; empty at the end.
    pub(super) fn read_linear16(&mut self, samples: usize) -> io::Result<Vec<u8>> {
        let mut audio = Vec::with_capacity(samples * 2);
        let read = match self.spec().sample_format {
            SampleFormat::Int => {
                let bits = self.spec().bits_per_sample;
                collect(self.reader.samples().take(samples), |s| from_int(s, bits), &mut audio)
            }
            SampleFormat::Float => {
                collect(self.reader.samples().take(samples), from_float, &mut audio)
            }
        };
        match read {
            Err(hound::Error::IoError(_)) if self.is_open_ended => Ok(audio),
            Err(hound::Error::IoError(error)) if error.kind() == io::ErrorKind::Other => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, CUT_SHORT))
            }
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            Ok(()) => Ok(audio),
        }
    }
}

fn collect<S>(
    samples: impl Iterator<Item = hound::Result<S>>,
    convert: impl Fn(S) -> i16,
    audio: &mut Vec<u8>,
) -> hound::Result<()> {
    for sample in samples {
        audio.extend_from_slice(&convert(sample?).to_le_bytes());
    }
    Ok(())
}

fn from_int(sample: i32, bits: u16) -> i16 {
    let scaled = if bits > 16 { sample >> (bits - 16) } else { sample << (16 - bits) };
    scaled.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

fn from_float(sample: f32) -> i16 {
    (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16
}

/// Everything up to where the samples start.
fn read_head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    read_more(input, &mut head, RIFF_HEADER_BYTES)?;
    loop {
        let chunk = head.len();
        read_more(input, &mut head, CHUNK_HEADER_BYTES)?;
        if &head[chunk..chunk + 4] == b"data" {
            return Ok(head);
        }
        let length = u32_at(&head, chunk + 4) as usize;
        // Chunks are padded to even lengths.
        read_more(input, &mut head, length.next_multiple_of(2))?;
    }
}

fn read_more(input: &mut impl Read, head: &mut Vec<u8>, count: usize) -> io::Result<()> {
    if head.len() + count > HEAD_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no samples in the first 1 MiB"));
    }
    let read = input.take(count as u64).read_to_end(head)?;
    if read < count {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file ends within its header",
        ));
    }
    Ok(())
}

/// Adjusts the sample length so that `hound` accepts it; returns whether it was a placeholder.
///
/// A program that writes into a pipe cannot go back to fill in the length. It leaves 0 or a very
/// large number, which need not be a multiple of anything.
fn settle_length(head: &mut [u8]) -> bool {
    let at = head.len() - 4;
    let block = head.windows(4).position(|tag| tag == b"fmt ").map_or(0, |fmt| {
        head.get(fmt + 20..fmt + 22).map_or(0, |align| u16::from_le_bytes([align[0], align[1]]))
    });
    let told = u32_at(head, at);
    let is_open_ended = told == 0 || told >= OPEN_ENDED_FROM;
    let length = if is_open_ended { u32::MAX } else { told };
    let whole = length - length % u32::from(block.max(1));
    head[at..].copy_from_slice(&whole.to_le_bytes());
    is_open_ended
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(
        spec: WavSpec,
        write: impl FnOnce(&mut hound::WavWriter<Cursor<&mut Vec<u8>>>),
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = hound::WavWriter::new(Cursor::new(&mut bytes), spec).unwrap();
        write(&mut writer);
        writer.finalize().unwrap();
        bytes
    }

    fn spec(bits_per_sample: u16, sample_format: SampleFormat, channels: u16) -> WavSpec {
        WavSpec { channels, sample_rate: 8_000, bits_per_sample, sample_format }
    }

    fn linear16(wav: &[u8]) -> Vec<i16> {
        let bytes = Wav::open(wav).unwrap().read_linear16(1_000).unwrap();
        bytes.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn every_width_of_integers_keeps_its_loudness() {
        for bits in [8, 16, 24, 32] {
            let half = 1_i64 << (bits - 2);
            let bytes = wav(spec(bits, SampleFormat::Int, 1), |writer| {
                for sample in [0, half, -half] {
                    writer.write_sample(sample as i32).unwrap();
                }
            });
            assert_eq!(linear16(&bytes), [0, 16_384, -16_384], "{bits} bits");
        }
    }

    #[test]
    fn floats_are_clipped_not_wrapped() {
        let bytes = wav(spec(32, SampleFormat::Float, 1), |writer| {
            for sample in [0.0_f32, 0.5, -3.0, 7.0, f32::NAN] {
                writer.write_sample(sample).unwrap();
            }
        });
        assert_eq!(linear16(&bytes), [0, 16_384, -32_767, 32_767, 0]);
    }

    #[test]
    fn a_pipe_without_a_length_plays_to_its_end() {
        for told in [0, 0x7fff_ff00, u32::MAX] {
            let mut bytes = wav(spec(16, SampleFormat::Int, 2), |writer| {
                for sample in 0..10_i16 {
                    writer.write_sample(sample).unwrap();
                }
            });
            let length_at = bytes.len() - 24;
            bytes[length_at..length_at + 4].copy_from_slice(&told.to_le_bytes());
            assert_eq!(linear16(&bytes), (0..10).collect::<Vec<_>>(), "length {told:#x}");
            assert_eq!(Wav::open(&bytes[..]).unwrap().duration(), None);
        }
    }

    #[test]
    fn a_file_that_was_cut_short_says_so() {
        let bytes = wav(spec(16, SampleFormat::Int, 1), |writer| {
            for sample in 0..100_i16 {
                writer.write_sample(sample).unwrap();
            }
        });
        let mut wav = Wav::open(&bytes[..bytes.len() - 10]).unwrap();
        assert_eq!(wav.read_linear16(50).unwrap().len(), 100);
        let error = wav.read_linear16(50).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_committed_recording_is_three_seconds_at_16_khz() {
        let recording =
            include_bytes!("../../tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav");
        let wav = Wav::open(&recording[..]).unwrap();
        assert_eq!((wav.spec().sample_rate, wav.spec().channels), (16_000, 1));
        assert_eq!(wav.duration(), Some(Duration::from_millis(2_990)));
    }
}
