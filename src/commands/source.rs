//! The audio source of `stream` and `demo`: a reader thread and a bounded queue.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::wav::Wav;
use crate::admin::quantity;
use session::audio::AudioFormat;

/// Silence is sliced, so that the progress bar moves.
const SILENCE_SLICE: Duration = Duration::from_millis(100);

/// The longest prelude: the contract's bound.
const PRELUDE_MAX: Duration = Duration::from_secs(10);

const NOT_PCM: &str = "its samples are not PCM; convert it, as in `sox IN.wav -e signed -b 16 \
                       OUT.wav`, or pass mu-law raw: `sox IN.wav -t ul OUT.ul`, then \
                       `--encoding mulaw --sample-rate 8000`";

/// How many chunks are read ahead; beyond it the reader waits.
const PIECES_AHEAD_MAX: usize = 4;

/// A piece to play.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Audio to send.
    Audio(Bytes),
    /// A time during which nothing is sent.
    Silence(Duration),
}

/// How Deepgram must interpret the bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Encoding {
    pub(super) name: String,
    pub(super) format: AudioFormat,
}

impl Encoding {
    /// Deepgram's `encoding`, if it has a known duration per byte.
    pub(super) fn new(name: &str, sample_rate: u32, channels: u32) -> anyhow::Result<Self> {
        let format = AudioFormat::new(name, sample_rate, channels).with_context(|| {
            format!(
                "{name} at {sample_rate} Hz with {} has no known length in seconds; use a WAV file, \
                 or raw linear16, linear32, mulaw or alaw",
                quantity::counted(channels, "channel")
            )
        })?;
        Ok(Self { name: name.to_owned(), format })
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AudioFormat { sample_rate, channels, .. } = self.format;
        let channels = quantity::counted(channels, "channel");
        write!(f, "{} at {sample_rate} Hz with {channels}", self.name)
    }
}

/// Audio that is ready to play.
pub(super) struct Source {
    pub(super) encoding: Encoding,
    /// The total duration, if known in advance.
    pub(super) duration: Option<Duration>,
    pieces: mpsc::Receiver<io::Result<Piece>>,
    /// Silence to add after the pieces.
    silence_after: Duration,
    /// Audio to send ahead of everything, all at once.
    pub(super) prelude: Option<Vec<Bytes>>,
}

impl Source {
    /// Opens a file, or standard input for `-`. WAV has its own encoding; anything else is `raw`.
    /// Blocks until the first bytes arrive.
    pub(super) fn open(
        path: &Path,
        raw: Option<Encoding>,
        chunk: Duration,
    ) -> anyhow::Result<Self> {
        let mut input: Box<dyn Read + Send> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            let cannot = || format!("cannot open {}", path.display());
            // Of a WAV, sample by sample is read.
            Box::new(BufReader::new(File::open(path).with_context(cannot)?))
        };
        let mut magic = Vec::new();
        let cannot = || format!("cannot read {}", path.display());
        input.by_ref().take(4).read_to_end(&mut magic).with_context(cannot)?;
        let is_wav = magic == b"RIFF";
        let input = Cursor::new(magic).chain(input);
        if is_wav {
            return Self::of_wav(input, chunk).with_context(cannot);
        }
        match raw {
            Some(encoding) => Ok(Self::of_raw(input, encoding, chunk)),
            None => bail!(
                "{} is not a WAV file; for raw PCM pass --encoding, --sample-rate and --channels",
                path.display()
            ),
        }
    }

    /// Plays a WAV as linear16.
    pub(super) fn of_wav(
        input: impl Read + Send + 'static,
        chunk: Duration,
    ) -> anyhow::Result<Self> {
        let mut wav = match Wav::open(input) {
            Err(hound::Error::Unsupported) => bail!(NOT_PCM),
            opened => opened?,
        };
        let spec = wav.spec();
        let encoding = Encoding::new("linear16", spec.sample_rate, spec.channels.into())?;
        let samples = chunk_bytes(encoding.format, chunk) / 2;
        let duration = wav.duration();
        Ok(Self::spawn(encoding, duration, move || wav.read_linear16(samples)))
    }

    fn of_raw(mut input: impl Read + Send + 'static, encoding: Encoding, chunk: Duration) -> Self {
        let bytes = chunk_bytes(encoding.format, chunk) as u64;
        Self::spawn(encoding, None, move || {
            let mut audio = Vec::new();
            input.by_ref().take(bytes).read_to_end(&mut audio).map(|_| audio)
        })
    }

    /// Plays pieces from memory.
    #[cfg(any(test, feature = "emulator"))]
    pub(super) fn of_pieces(encoding: Encoding, pieces: Vec<Piece>) -> Self {
        let format = encoding.format;
        let duration = pieces.iter().map(|piece| piece.duration(format)).sum();
        let (sender, receiver) = mpsc::channel(pieces.len().max(1));
        for piece in pieces {
            sender.try_send(Ok(piece)).expect("the queue was made to hold every piece");
        }
        Self {
            encoding,
            duration: Some(duration),
            pieces: receiver,
            silence_after: Duration::ZERO,
            prelude: None,
        }
    }

    /// Adds silence at the end.
    pub(super) fn then_silence(self, silence: Duration) -> Self {
        let duration = self.duration.map(|duration| duration + silence);
        Self { duration, silence_after: self.silence_after + silence, ..self }
    }

    /// Adds a prelude: all of another source, in the same encoding.
    pub(super) async fn after_prelude(self, mut prelude: Self) -> anyhow::Result<Self> {
        if prelude.encoding != self.encoding {
            bail!("it is {}, but the stream is {}; convert it", prelude.encoding, self.encoding);
        }
        let bytes_max = self.encoding.format.bytes(PRELUDE_MAX);
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while let Some(piece) = prelude.next().await {
            let Piece::Audio(audio) = piece? else { continue };
            bytes += audio.len() as u64;
            if bytes > bytes_max {
                bail!("it is longer than 10 s; cut it");
            }
            pieces.push(audio);
        }
        Ok(Self { prelude: Some(pieces), ..self })
    }

    /// The next piece; `None` at the end. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<io::Result<Piece>> {
        if let Some(piece) = self.pieces.recv().await {
            return Some(piece);
        }
        let slice = self.silence_after.min(SILENCE_SLICE);
        self.silence_after -= slice;
        (!slice.is_zero()).then_some(Ok(Piece::Silence(slice)))
    }

    /// Reads on a separate thread: a blocking read of standard input cannot be interrupted, and
    /// the runtime would wait for it at exit. It ends with the input, this source, or the process.
    fn spawn(
        encoding: Encoding,
        duration: Option<Duration>,
        mut read: impl FnMut() -> io::Result<Vec<u8>> + Send + 'static,
    ) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD_MAX);
        std::thread::spawn(move || {
            loop {
                let audio = read();
                if audio.as_ref().is_ok_and(Vec::is_empty) {
                    return;
                }
                let failed = audio.is_err();
                let piece = audio.map(|audio| Piece::Audio(audio.into()));
                if sender.blocking_send(piece).is_err() || failed {
                    return;
                }
            }
        });
        Self { encoding, duration, pieces, silence_after: Duration::ZERO, prelude: None }
    }
}

impl Piece {
    pub(super) fn duration(&self, format: AudioFormat) -> Duration {
        match self {
            Self::Audio(audio) => format.duration(audio.len() as u64),
            Self::Silence(duration) => *duration,
        }
    }
}

/// The size of a chunk in bytes: whole blocks, at least one.
fn chunk_bytes(format: AudioFormat, chunk: Duration) -> usize {
    let bytes = format.bytes(chunk).max(format.block_bytes.into());
    usize::try_from(bytes).expect("chunks are at most seconds long")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: Duration = Duration::from_millis(100);

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    async fn lengths(mut source: Source) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(piece) = source.next().await {
            let Piece::Audio(audio) = piece.unwrap() else { panic!("silence in a file") };
            lengths.push(audio.len());
        }
        lengths
    }

    #[tokio::test]
    async fn raw_audio_is_cut_into_chunks_and_a_rest() {
        let file = file(&[7; 1_000]);
        let mulaw = Encoding::new("mulaw", 4_000, 1).unwrap();
        let source = Source::open(file.path(), Some(mulaw), CHUNK).unwrap();
        assert_eq!(lengths(source).await, [400, 400, 200]);
    }

    #[tokio::test]
    async fn a_wav_is_known_by_its_first_bytes_whatever_the_flags_say() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav"
        );
        let mulaw = Encoding::new("mulaw", 4_000, 1).unwrap();
        let source = Source::open(Path::new(path), Some(mulaw), CHUNK).unwrap();
        assert_eq!(source.encoding, Encoding::new("linear16", 16_000, 1).unwrap());
        assert_eq!(lengths(source).await.iter().sum::<usize>(), 95_680);
    }

    #[test]
    fn other_bytes_without_an_encoding_ask_for_one() {
        let file = file(b"ID3 and more");
        let error = Source::open(file.path(), None, CHUNK).err().unwrap();
        assert!(error.to_string().contains("--encoding"), "{error}");
    }

    #[test]
    fn a_wav_of_mulaw_says_how_to_convert_it() {
        let head =
            b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0";
        let file = file(&[&head[..], b"data\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"].concat());
        let error = format!("{:#}", Source::open(file.path(), None, CHUNK).err().unwrap());
        assert!(error.contains("its samples are not PCM; convert it"), "{error}");
    }

    fn silence(name: &str, seconds: usize) -> Source {
        let encoding = Encoding::new(name, 8_000, 1).unwrap();
        let bytes = encoding.format.bytes_per_second() as usize;
        let second = || Piece::Audio(Bytes::from(vec![0; bytes]));
        Source::of_pieces(encoding, (0..seconds).map(|_| second()).collect())
    }

    #[tokio::test]
    async fn a_prelude_has_at_most_10_seconds_in_the_streams_own_encoding() {
        let with = |prelude| silence("mulaw", 1).after_prelude(prelude);
        let source = with(silence("mulaw", 10)).await.unwrap();
        assert_eq!(source.prelude.map(|it| it.len()), Some(10));
        let too_long = with(silence("mulaw", 11)).await.err().unwrap();
        assert!(too_long.to_string().contains("longer than 10 s"), "{too_long}");
        let other = with(silence("alaw", 1)).await.err().unwrap().to_string();
        assert!(other.starts_with("it is alaw at 8000 Hz with 1 channel, but"), "{other}");
    }

    #[tokio::test]
    async fn silence_after_the_audio_adds_up() {
        let encoding = Encoding::new("linear16", 16_000, 1).unwrap();
        let format = encoding.format;
        let silence = Duration::from_millis(250);
        let mut source = Source::of_pieces(encoding, Vec::new()).then_silence(silence);
        let mut heard = Duration::ZERO;
        while let Some(piece) = source.next().await {
            heard += piece.unwrap().duration(format);
        }
        assert_eq!((heard, source.duration), (silence, Some(silence)));
    }
}
