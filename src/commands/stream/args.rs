//! The arguments of `stream`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use super::super::raw_audio::RawAudio;
use super::super::source::Encoding;
use client::{OpenRequest, Prelude, Recovery, VadMode};

/// Sensible defaults for a terminal.
const DEFAULT_PARAMS: [(&str, &str); 2] = [("model", "nova-3"), ("interim_results", "true")];

/// Stream a WAV file, or raw audio from standard input, through a running daemon in real time.
///
/// Final text goes to standard output, progress to the terminal. Ctrl-C stops the recording early
/// and waits for the last results; a second one quits.
///
/// Exit codes: 0 if the session finished, 1 if it was refused, ended otherwise or was quit, 2 for usage
/// errors.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A WAV file in any PCM format, or - for standard input, WAV or raw.
    #[arg(value_name = "FILE.wav|-")]
    pub file: PathBuf,

    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = "/run/deepgram-sidecar/sidecar.sock")]
    #[arg(env = "DEEPGRAM_SIDECAR_IPC_SOCKET")]
    pub socket: PathBuf,

    #[command(flatten)]
    pub raw: RawAudio,

    /// A query parameter for Deepgram, repeatable. The defaults are model=nova-3 and
    /// interim_results=true.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    pub params: Vec<(String, String)>,

    /// The session's id.
    #[arg(long, value_name = "ID")]
    pub session_id: Option<String>,

    /// What a dead connection means: the session is dead too, or another connection takes over. The
    /// daemon's configuration decides if this is not set.
    #[arg(long, value_name = "latch|reconnect", value_parser = parse_recovery)]
    pub recovery: Option<Recovery>,

    /// The VAD gate: off sends all audio, shadow too but counts what would be held back, active holds
    /// silence back. The summary says how much. With --prelude, shadow becomes active when the prelude is
    /// over. The daemon's configuration decides if this is not set.
    #[arg(long, value_name = "off|shadow|active", value_parser = parse_vad)]
    pub vad: Option<VadMode>,

    /// Up to 10 s of known speech to send ahead of the stream, in the stream's format, so that Deepgram
    /// knows the speaker from the start; add --param diarize=true. Its words are not shown. The event
    /// prelude_done says when the stream has moved to the connection that knows the speaker. A VAD gate in
    /// shadow becomes active then.
    #[arg(long, value_name = "FILE.wav", value_parser = parse_prelude)]
    pub prelude: Option<PathBuf>,

    /// Speed relative to real time; Deepgram keeps up with about 1.25.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_speed)]
    pub speed: f64,

    /// Amount of audio per frame.
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = parse_chunk)]
    pub chunk: Duration,

    /// Send nothing for this long after the audio, before finishing: the session must stay alive.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    pub silence_after: Duration,

    /// Print every frame as a line of JSON, without progress and summary.
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// OPEN for audio of this encoding.
    pub(super) fn open_request(&self, encoding: &Encoding) -> OpenRequest {
        let format = encoding.format;
        let mut request =
            OpenRequest::new().audio(&encoding.name, format.sample_rate, format.channels);
        for (name, value) in DEFAULT_PARAMS {
            if !self.params.iter().any(|(given, _)| given == name) {
                request = request.param(name, value);
            }
        }
        for (name, value) in &self.params {
            request = request.param(name, value.as_str());
        }
        if let Some(recovery) = self.recovery {
            request = request.recovery(recovery);
        }
        if let Some(mode) = self.vad {
            request = request.vad(mode);
        }
        if self.prelude.is_some() {
            request = request.prelude(Prelude::default());
        }
        match &self.session_id {
            Some(id) => request.session_id(id),
            None => request,
        }
    }
}

fn parse_param(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("expected NAME=VALUE")?;
    anyhow::ensure!(!name.is_empty(), "expected NAME=VALUE");
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_recovery(text: &str) -> anyhow::Result<Recovery> {
    match text {
        "latch" => Ok(Recovery::Latch),
        "reconnect" => Ok(Recovery::Reconnect),
        _ => anyhow::bail!("choose latch or reconnect"),
    }
}

fn parse_vad(text: &str) -> anyhow::Result<VadMode> {
    match text {
        "off" => Ok(VadMode::Off),
        "shadow" => Ok(VadMode::Shadow),
        "active" => Ok(VadMode::Active),
        _ => anyhow::bail!("choose off, shadow or active"),
    }
}

fn parse_prelude(text: &str) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(text != "-", "choose a file: standard input is for the stream");
    Ok(text.into())
}

fn parse_speed(text: &str) -> anyhow::Result<f64> {
    let speed: f64 = text.parse()?;
    anyhow::ensure!((0.1..=100.0).contains(&speed), "choose a factor from 0.1 to 100");
    Ok(speed)
}

fn parse_chunk(text: &str) -> anyhow::Result<Duration> {
    let chunk = humantime::parse_duration(text)?;
    let sensible = Duration::from_millis(10)..=Duration::from_secs(1);
    anyhow::ensure!(sensible.contains(&chunk), "choose 10ms to 1s");
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &[&str]) -> Result<Args, clap::Error> {
        let words = ["stream"].iter().chain(line);
        CommandLine::try_parse_from(words).map(|line| line.args)
    }

    fn params(line: &[&str]) -> serde_json::Value {
        let encoding = Encoding::new("linear16", 16_000, 1).unwrap();
        let request = parse(line).unwrap().open_request(&encoding);
        serde_json::to_value(request).unwrap()["params"].clone()
    }

    #[test]
    fn the_defaults_ask_for_interim_results_of_nova_3() {
        assert_eq!(
            params(&["a.wav"]),
            json!({"encoding": "linear16", "sample_rate": 16000, "channels": 1,
                   "model": "nova-3", "interim_results": "true"})
        );
    }

    #[test]
    fn a_parameter_replaces_its_default_and_repeats_as_a_list() {
        let params = params(&[
            "-",
            "--param",
            "model=base",
            "--param",
            "keyterm=a=b",
            "--param",
            "keyterm=c",
        ]);
        assert_eq!(params["model"], "base");
        assert_eq!(params["keyterm"], json!(["a=b", "c"]));
    }

    #[test]
    fn recovery_is_asked_for_by_name_or_left_to_the_daemon() {
        let encoding = Encoding::new("linear16", 16_000, 1).unwrap();
        let recovery = |line: &[&str]| {
            let request = parse(line).unwrap().open_request(&encoding);
            serde_json::to_value(request).unwrap()["recovery"].clone()
        };
        assert_eq!(recovery(&["a.wav"]), json!(null));
        assert_eq!(recovery(&["a.wav", "--recovery=reconnect"]), json!({"mode": "reconnect"}));
        assert_eq!(recovery(&["a.wav", "--recovery=latch"]), json!({"mode": "latch"}));
    }

    #[test]
    fn the_gate_and_a_prelude_are_asked_for_or_left_out() {
        let encoding = Encoding::new("linear16", 16_000, 1).unwrap();
        let open = |line: &[&str]| {
            serde_json::to_value(parse(line).unwrap().open_request(&encoding)).unwrap()
        };
        let plain = open(&["a.wav"]);
        assert!(plain.get("vad").is_none() && plain.get("prelude").is_none());
        for mode in ["off", "shadow", "active"] {
            assert_eq!(open(&["a.wav", "--vad", mode])["vad"], json!({"mode": mode}));
        }
        assert_eq!(open(&["a.wav", "--prelude=voice.wav"])["prelude"], json!({}));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            ["a.wav", "--speed=0"],
            ["a.wav", "--speed=NaN"],
            ["a.wav", "--chunk=0s"],
            ["a.wav", "--param=model"],
            ["a.wav", "--param==x"],
            ["a.wav", "--recovery=yes"],
            ["a.wav", "--vad=on"],
            ["a.wav", "--prelude=-"],
        ] {
            assert!(parse(&line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn raw_audio_that_tells_no_time_is_refused() {
        let args = parse(&["-", "--encoding", "opus"]).unwrap();
        assert!(args.raw.encoding().unwrap_err().to_string().contains("no known length"));
    }
}
