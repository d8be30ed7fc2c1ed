//! `check-config` and `print-config`, and the configuration arguments of every command.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;

use super::output::{self, OutputError};
use crate::config::key::KeySource;
use crate::config::{self, Collector, Config, FILE_VARIABLE, Sources};

/// Usage and configuration errors (contract, section 10).
pub const EXIT_USAGE: u8 = 2;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// The YAML file; without it, only defaults and environment.
    #[arg(long, value_name = "FILE", env = FILE_VARIABLE)]
    pub config: Option<PathBuf>,

    /// Sets one key, overriding file and environment; repeatable.
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    pub overrides: Vec<String>,

    /// Catches a file without `--config`.
    #[arg(hide = true, value_name = "FILE", value_parser = misplaced)]
    misplaced: Option<Infallible>,
}

fn misplaced(file: &str) -> Result<Infallible, String> {
    Err(format!("name the configuration file with --config {file}"))
}

impl Args {
    /// The sources, with the process's environment.
    pub fn sources(&self) -> Sources {
        sources(self.config.clone(), self.overrides.clone())
    }
}

/// A file and overrides, each as `key.path=value`, with the process's environment.
pub(super) fn sources(file: Option<PathBuf>, overrides: Vec<String>) -> Sources {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Sources { file, environment, overrides }
}

/// Reports whether the configuration is valid, with all problems at once.
///
/// # Errors
/// When standard output cannot be written.
pub fn check(args: &Args) -> Result<ExitCode, OutputError> {
    let sources = args.sources();
    match config::load(&sources) {
        Ok(config) => {
            let key = match KeySource::find(&config.upstream, &sources.environment) {
                Some(source) => format!("API key from {source}"),
                None if config.upstream.auth == config::Auth::None => "no API key needed".into(),
                None => {
                    "no API key yet: `run` needs upstream.api_key_file or DEEPGRAM_API_KEY".into()
                }
            };
            let traces = match collector(&config, &sources) {
                Some(collector) => format!("traces are sent to {}", collector.url),
                None => "tracing is off".into(),
            };
            output::print_line(format_args!("Configuration OK; {key}; {traces}."))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => Ok(refuse(&problems)),
    }
}

/// Prints the effective configuration, secrets hidden.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(args: &Args) -> Result<ExitCode, OutputError> {
    let sources = args.sources();
    match config::load(&sources) {
        Ok(config) => {
            if let Some(source) = KeySource::find(&config.upstream, &sources.environment) {
                output::print_line(format_args!("# API key: [hidden], from {source}"))?;
            }
            if let Some(collector) = collector(&config, &sources) {
                output::print_line(format_args!("# Traces are sent to {}", collector.url))?;
            }
            output::print_line(config.to_yaml().trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => Ok(refuse(&problems)),
    }
}

/// Where spans go; already validated by loading.
fn collector(config: &Config, sources: &Sources) -> Option<Collector> {
    Collector::find(&config.telemetry.otlp, &sources.environment).ok().flatten()
}

fn refuse(problems: &config::Error) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(EXIT_USAGE)
}
