//! The command line of `deepgram-sidecar`.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use deepgram_sidecar::commands::{
    configuration, doctor, log_level, output, run, sessions, stream, top, vad,
};

/// Manages an application's streaming connections to Deepgram: keeps idle ones alive, detects dead
/// ones immediately, reports the cause, and shows operators what every session is doing.
#[derive(Debug, Parser)]
#[command(name = "deepgram-sidecar", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "To get started, run `deepgram-sidecar demo`: it needs no key.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    ///
    /// The API key is read from the file in upstream.api_key_file, or from DEEPGRAM_API_KEY. SIGTERM
    /// and SIGINT drain: every session gets its last results, until drain.timeout; a second signal
    /// exits immediately. SIGHUP is ignored. Exit codes: 0 after a drain, 1 after a second signal or
    /// a failure, 2 for usage or configuration errors.
    Run(configuration::Args),
    /// See what it does in 45 seconds: emulated Deepgram, sidecar, and a real recording.
    #[cfg(feature = "emulator")]
    Demo,
    #[cfg(feature = "lab")]
    #[command(subcommand)]
    Lab(deepgram_sidecar::commands::lab::Command),
    Stream(stream::Args),
    Vad(vad::Args),
    Sessions(sessions::Args),
    Top(top::Args),
    LogLevel(log_level::Args),
    Doctor(doctor::Args),
    /// Check the configuration, and report all problems at once.
    CheckConfig(configuration::Args),
    /// Print the effective configuration, secrets hidden.
    PrintConfig(configuration::Args),
}

fn main() -> ExitCode {
    let done = match parsed().command {
        Command::Run(args) => run::run(&args),
        #[cfg(feature = "emulator")]
        Command::Demo => deepgram_sidecar::commands::demo::main(),
        #[cfg(feature = "lab")]
        Command::Lab(command) => deepgram_sidecar::commands::lab::main(command),
        Command::Stream(args) => stream::main(args),
        Command::Vad(args) => vad::main(&args),
        Command::Sessions(args) => sessions::main(&args),
        Command::Top(args) => top::main(args),
        Command::LogLevel(args) => log_level::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::CheckConfig(args) => configuration::check(&args).map_err(Into::into),
        Command::PrintConfig(args) => configuration::print(&args).map_err(Into::into),
    };
    done.unwrap_or_else(|error| {
        if !output::is_unread(&error) {
            eprintln!("error: {error:#}");
        }
        ExitCode::FAILURE
    })
}

/// The command line. An empty variable counts as not set, as everywhere else.
fn parsed() -> Cli {
    let matches = without_empty_variables(Cli::command()).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|arg| match arg.get_env().is_some_and(is_empty) {
        true => arg.env(Resettable::Reset),
        false => arg,
    });
    command.mut_subcommands(without_empty_variables)
}
