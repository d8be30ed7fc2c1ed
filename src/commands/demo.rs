//! `demo`: a real recording through app, sidecar and emulated Deepgram, with silences that would
//! kill a bare socket, and a connection that Deepgram closes in the middle of a sentence; then the
//! same with a bare socket, which dies of the first silence.
//!
//! It runs in real time on purpose.

mod bare;
mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::screen::Screen;
use super::source::{Encoding, Piece, Source};
use super::streaming::{Session, StreamEnd, View};
use super::wav::Wav;
use crate::admin::quantity;
use crate::config::key::KEY_VARIABLE;
use bare::Disconnection;
use client::{Client, OpenRequest, Summary};
use stage::Backstage;

/// The words of the recording, for the emulator to return.
pub const WORDS: &str =
    include_str!("../../tests/recordings/sense_and_sensibility_01_austen_64kb-0880.txt");

const WITH_KEY: &str = "DEEPGRAM_API_KEY is set. To do this with the real Deepgram, run \
                        `deepgram-sidecar run`, and in another terminal \
                        `deepgram-sidecar stream FILE.wav`.";

const WITHOUT_KEY: &str = "To do this with the real Deepgram, set DEEPGRAM_API_KEY and run \
                           `deepgram-sidecar run`, and in another terminal \
                           `deepgram-sidecar stream FILE.wav`.";

const RECORDING: &[u8] =
    include_bytes!("../../tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav");

/// Audio per frame, and the step of the progress bar during silence.
const CHUNK: Duration = Duration::from_millis(100);

/// Longer than the 10 s after which Deepgram closes an idle connection.
const SILENCE: Duration = Duration::from_secs(11);

/// How much audio the first connection gets: all of the first two sentences, and the beginning of the
/// third, of which there is no final result yet.
const CUT_AFTER: Duration = Duration::from_millis(6_900);

/// What the demo runs on: a daemon, and the emulated Deepgram behind it.
#[derive(Debug)]
pub struct Stage {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The emulator's address, without TLS.
    pub deepgram: SocketAddr,
    /// How many KeepAlives the emulator has received.
    pub keepalives: watch::Receiver<u64>,
}

/// Starts everything, runs both parts, and cleans up. The exit code is that of [`run`].
///
/// # Errors
/// As for [`run`].
pub fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let directory = tempfile::tempdir().context("cannot create a directory for the socket")?;
        let (backstage, stage) = Backstage::set(directory.path()).await?;
        let has_api_key = std::env::var_os(KEY_VARIABLE).is_some_and(|key| !key.is_empty());
        let end = tokio::select! {
            end = run(&stage, has_api_key) => end,
            () = backstage.count_keepalives() => unreachable!("it counts forever"),
        };
        backstage.strike().await;
        end
    })
}

/// Runs both parts. The exit code is 0 if the first survives without losing a word and the second
/// dies, as expected.
///
/// `has_api_key` says whether the environment has a key for the real Deepgram.
///
/// # Errors
/// The daemon or emulator cannot be reached, or standard output cannot be written.
pub async fn run(stage: &Stage, has_api_key: bool) -> anyhow::Result<ExitCode> {
    let mut screen = Screen::without_progress();
    screen.heading(&format!(
        "1. Through the sidecar: two silences of 11 s, during which the app sends nothing; then, \
         {:.1} s into the audio, Deepgram closes the connection in mid-sentence",
        CUT_AFTER.as_secs_f64()
    ))?;
    let Some(summary) = with_sidecar(stage).await?.into_summary()? else {
        return Ok(ExitCode::FAILURE);
    };
    screen.heading("2. The same without the sidecar: straight to Deepgram, no keepalives")?;
    let death = without_sidecar(stage, &mut screen).await?;
    screen.line(format_args!("{death}\n"))?;
    if !is_whole(&summary) || !death.is_idle_timeout() {
        screen.line("This should not have happened: please report it.")?;
        return Ok(ExitCode::FAILURE);
    }
    let keepalives = quantity::counted(summary.keepalives, "keepalive");
    screen.line(format_args!(
        "In part 1, {keepalives} prevented this death, and a recovery made up for the one in \
         mid-sentence, which part 2 did not live to see."
    ))?;
    screen.line(if has_api_key { WITH_KEY } else { WITHOUT_KEY })?;
    Ok(ExitCode::SUCCESS)
}

/// Whether every word came through, over both connections.
fn is_whole(summary: &Summary) -> bool {
    summary.outcome == "finished" && summary.recoveries == 1 && summary.lost_ms == Some(0)
}

async fn with_sidecar(stage: &Stage) -> anyhow::Result<StreamEnd> {
    let source = source()?;
    let format = source.encoding.format;
    let request = OpenRequest::new()
        .session_id("demo")
        .audio(&source.encoding.name, format.sample_rate, format.channels)
        .param("interim_results", true);
    let mut client = Client::connect(&stage.socket).await?;
    client.open(&request).await?;
    Session::new(Screen::new(source.duration), View::Text)
        .with_keepalives(stage.keepalives.clone())
        .run(client, source, 1.0)
        .await
}

async fn without_sidecar(stage: &Stage, screen: &mut Screen) -> anyhow::Result<Disconnection> {
    let stream = TcpStream::connect(stage.deepgram).await?;
    bare::play_until_death(stream, source()?, |line| screen.transcript(line)).await
}

fn source() -> anyhow::Result<Source> {
    let mut wav = Wav::open(RECORDING).context("the recording is part of this binary")?;
    let spec = wav.spec();
    let encoding = Encoding::new("linear16", spec.sample_rate, spec.channels.into())?;
    let samples = usize::try_from(encoding.format.bytes(CHUNK) / 2)?;
    let mut chunks = Vec::new();
    loop {
        let chunk = wav.read_linear16(samples)?;
        if chunk.is_empty() {
            return Ok(Source::of_pieces(encoding, programme(&chunks)));
        }
        chunks.push(Bytes::from(chunk));
    }
}

/// The recording three times, with a silence after the first two.
fn programme(recording: &[Bytes]) -> Vec<Piece> {
    let play = || recording.iter().cloned().map(Piece::Audio);
    let slices = SILENCE.as_millis() / CHUNK.as_millis();
    let silence = || (0..slices).map(|_| Piece::Silence(CHUNK));
    play().chain(silence()).chain(play()).chain(silence()).chain(play()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of the runs of silence, and of everything.
    async fn timing(mut source: Source) -> (Vec<Duration>, Duration) {
        let format = source.encoding.format;
        let (mut silences, mut total, mut was_silent) = (Vec::new(), Duration::ZERO, false);
        while let Some(piece) = source.next().await {
            let piece = piece.unwrap();
            let duration = piece.duration(format);
            let is_silent = matches!(piece, Piece::Silence(_));
            match silences.last_mut() {
                Some(run) if is_silent && was_silent => *run += duration,
                _ if is_silent => silences.push(duration),
                _ => {}
            }
            was_silent = is_silent;
            total += duration;
        }
        (silences, total)
    }

    #[tokio::test]
    async fn the_programme_has_two_silences_that_kill_a_bare_socket() {
        let (silences, _) = timing(source().unwrap()).await;
        assert_eq!(silences.len(), 2);
        assert!(silences.iter().all(|silence| *silence > Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn both_acts_take_at_most_45_seconds() {
        let (_, first) = timing(source().unwrap()).await;
        let recording = Duration::from_millis(2_990);
        let second = recording + Duration::from_secs(10);
        assert!(first + second < Duration::from_secs(45));
    }

    #[test]
    fn the_connection_ends_in_the_third_sentence() {
        let wav = Wav::open(RECORDING).unwrap();
        let recording = wav.duration().unwrap();
        assert!((recording * 2..recording * 3).contains(&CUT_AFTER), "{recording:?}");
    }

    #[test]
    fn the_words_are_the_recordings_own() {
        assert_eq!(WORDS.trim(), "He was not an ill-disposed young man.");
    }
}
