//! The audio source of `stream` and `demo`: a reader thread and a bounded queue.

use std::fs::File;
use std::io::{self, Cursor, Read};
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
                "{name} at {sample_rate} Hz with {} cannot be played in real time; stream a WAV \
                 file, or raw linear16, linear32, mulaw or alaw",
                quantity::counted(channels, "channel")
            )
        })?;
        Ok(Self { name: name.to_owned(), format })
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
            Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
        };
        let mut magic = Vec::new();
        input.by_ref().take(4).read_to_end(&mut magic)?;
        let is_wav = magic == b"RIFF";
        let input = Cursor::new(magic).chain(input);
        if is_wav {
            return Self::of_wav(input, chunk)
                .with_context(|| format!("cannot stream {}", path.display()));
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
        let mut wav = Wav::open(input)?;
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
        let silence_after = Duration::ZERO;
        Self { encoding, duration: Some(duration), pieces: receiver, silence_after }
    }

    /// Adds silence at the end.
    pub(super) fn then_silence(self, silence: Duration) -> Self {
        let duration = self.duration.map(|duration| duration + silence);
        Self { duration, silence_after: self.silence_after + silence, ..self }
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
        Self { encoding, duration, pieces, silence_after: Duration::ZERO }
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
