//! `check-config` and `print-config`, and where every command takes its configuration from.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::key::KeySource;
use crate::config::{self, Collector, Config, FILE_VARIABLE, Sources};

/// Usage and configuration errors (contract, section 10).
pub const EXIT_USAGE: u8 = 2;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// The YAML file; without it, defaults and environment.
    #[arg(long, value_name = "FILE", env = FILE_VARIABLE)]
    pub config: Option<PathBuf>,

    /// Sets one key, over file and environment; repeatable.
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    pub overrides: Vec<String>,
}

impl Args {
    /// The sources, with the process's environment.
    pub fn sources(&self) -> Sources {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources { file: self.config.clone(), environment, overrides: self.overrides.clone() }
    }
}

/// Says whether the configuration is sound, with every problem at once.
///
/// # Errors
/// When standard output cannot be written.
pub fn check(args: &Args) -> io::Result<ExitCode> {
    let sources = args.sources();
    match config::load(&sources) {
        Ok(config) => {
            let key = match KeySource::find(&config.upstream, &sources.environment) {
                Some(source) => format!("the API key comes from {source}"),
                None if config.upstream.auth == config::Auth::None => "no API key is needed".into(),
                None => {
                    "no API key here: `run` needs upstream.api_key_file or DEEPGRAM_API_KEY".into()
                }
            };
            let traces = match collector(&config, &sources) {
                Some(collector) => format!("spans go to {}", collector.url),
                None => "there are no traces".into(),
            };
            writeln!(io::stdout(), "The configuration is sound; {key}; {traces}.")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => Ok(refuse(&problems)),
    }
}

/// Prints the effective configuration, secrets hidden.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(args: &Args) -> io::Result<ExitCode> {
    let sources = args.sources();
    match config::load(&sources) {
        Ok(config) => {
            let mut out = io::stdout().lock();
            if let Some(source) = KeySource::find(&config.upstream, &sources.environment) {
                writeln!(out, "# API key: [hidden], from {source}")?;
            }
            if let Some(collector) = collector(&config, &sources) {
                writeln!(out, "# Spans go to {}", collector.url)?;
            }
            out.write_all(config.to_yaml().as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => Ok(refuse(&problems)),
    }
}

/// Where spans go; loading has judged it already.
fn collector(config: &Config, sources: &Sources) -> Option<Collector> {
    Collector::find(&config.telemetry.otlp, &sources.environment).ok().flatten()
}

fn refuse(problems: &config::Error) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(EXIT_USAGE)
}
