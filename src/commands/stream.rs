//! `stream`: plays a recording, or standard input, through a running daemon in real time.

mod args;

pub use args::Args;

use std::process::ExitCode;

use anyhow::Context;

use super::screen::Screen;
use super::source::Source;
use super::streaming::{Session, StreamEnd, View};
use client::Client;

/// Runs [`run`] on its own runtime.
///
/// # Errors
/// As for [`run`].
pub fn main(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let code = runtime.block_on(run(args));
    // A read of standard input cannot be interrupted; it must not block the exit.
    runtime.shutdown_background();
    code
}

/// Streams and shows the results. The exit code is 0 if the session `finished`, otherwise 1.
///
/// # Errors
/// Audio that cannot be read, a daemon that cannot be reached, a session that was refused.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let source = Source::open(&args.file, args.raw.encoding()?, args.chunk)?;
    let mut source = source.then_silence(args.silence_after);
    if let Some(file) = &args.prelude {
        let prelude = Source::open(file, args.raw.encoding()?, args.chunk)?;
        let refused = || format!("{} cannot be the prelude", file.display());
        source = source.after_prelude(prelude).await.with_context(refused)?;
    }
    let mut client = Client::connect(&args.socket).await?;
    client.open(&args.open_request(&source.encoding)).await?;
    let session = if args.json {
        Session::new(Screen::without_progress(), View::Json)
    } else {
        Session::new(Screen::new(source.duration), View::Text)
    };
    exit_code(session.run(client, source, args.speed).await?)
}

fn exit_code(end: StreamEnd) -> anyhow::Result<ExitCode> {
    let summary = end.into_summary()?;
    let is_finished = summary.is_some_and(|summary| summary.outcome == "finished");
    Ok(if is_finished { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
