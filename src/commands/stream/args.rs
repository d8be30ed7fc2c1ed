//! The arguments of `stream`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use super::super::source::Encoding;
use client::{OpenRequest, Recovery};

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

    /// Encoding of raw audio: linear16, linear32, mulaw or alaw. Not needed for WAV.
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,

    /// Sample rate of raw audio.
    #[arg(long, value_name = "HZ", default_value_t = 16_000)]
    pub sample_rate: u32,

    /// Number of channels of raw audio.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub channels: u32,

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
    /// The input's encoding if it is not WAV; `None` if the user did not say.
    pub(super) fn raw_encoding(&self) -> anyhow::Result<Option<Encoding>> {
        let raw = self.encoding.as_deref();
        raw.map(|name| Encoding::new(name, self.sample_rate, self.channels)).transpose()
    }

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
    fn nonsense_is_refused() {
        for line in [
            ["a.wav", "--speed=0"],
            ["a.wav", "--speed=NaN"],
            ["a.wav", "--chunk=0s"],
            ["a.wav", "--param=model"],
            ["a.wav", "--param==x"],
            ["a.wav", "--recovery=yes"],
        ] {
            assert!(parse(&line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn raw_audio_that_tells_no_time_is_refused() {
        let args = parse(&["-", "--encoding", "opus"]).unwrap();
        assert!(args.raw_encoding().unwrap_err().to_string().contains("real time"));
    }
}
