//! `sessions`: the live sessions of a running daemon, once; or one of them in full.

mod detail;
mod table;

use std::process::ExitCode;

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::admin;
use super::live::{Session, Sessions};
use super::output::print_line;
use crate::admin::column::SortKey;
use session::State;

pub(super) use table::bare;

/// Show the live sessions of a running daemon, or one of them in full.
///
/// SENT and RECEIVED are the time since the last send to Deepgram and the last receive from it, LAG
/// is how far the transcript is behind the audio, QUEUE is the data waiting to be written to either
/// side. `top` shows the same continuously.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// One session: its counters, its timers, and its latest events.
    #[arg(value_name = "SESSION_ID", conflicts_with_all = ["state", "sort", "limit"])]
    pub session_id: Option<String>,

    #[command(flatten)]
    daemon: admin::Args,

    /// Only sessions in this state.
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str)))]
    pub state: Option<String>,

    /// Sort key, largest first.
    #[arg(long, value_name = "KEY", default_value = "age")]
    pub sort: SortKey,

    /// Maximum number of sessions.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<usize>,

    /// Print the daemon's JSON, for other programs.
    #[arg(long)]
    pub json: bool,
}

/// Queries and prints. The exit code is 1 if there is nothing to print.
///
/// # Errors
/// A daemon that does not respond or has no such session; standard output that cannot be written.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let page = runtime.block_on(admin::get(&args.daemon.admin, &args.path()))?;
    print_line(args.shown(&page)?)?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// The page to request.
    fn path(&self) -> String {
        if let Some(id) = &self.session_id {
            return format!("/sessions/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
        }
        let mut path = format!("/sessions?sort={}", self.sort.as_str());
        if let Some(state) = &self.state {
            path += &format!("&state={state}");
        }
        if let Some(limit) = self.limit {
            path += &format!("&limit={limit}");
        }
        path
    }

    /// The page as printed.
    fn shown(&self, page: &str) -> Result<String, admin::AskError> {
        let address = &self.daemon.admin;
        if self.json {
            return Ok(page.trim_end().to_owned());
        }
        if self.session_id.is_some() {
            return Ok(detail::of(&admin::parse::<Session>(address, page)?));
        }
        Ok(table::of(&admin::parse::<Sessions>(address, page)?))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &[&str]) -> Result<Args, clap::Error> {
        CommandLine::try_parse_from(["sessions"].iter().chain(line)).map(|line| line.args)
    }

    #[test]
    fn the_question_becomes_a_query() {
        assert_eq!(parse(&[]).unwrap().path(), "/sessions?sort=age");
        let args = parse(&["--sort", "send_age", "--state", "dead", "--limit", "5"]).unwrap();
        assert_eq!(args.path(), "/sessions?sort=send_age&state=dead&limit=5");
    }

    #[test]
    fn a_name_cannot_lead_to_another_page() {
        let args = parse(&["../config?a=b"]).unwrap();
        assert_eq!(args.path(), "/sessions/%2E%2E%2Fconfig%3Fa%3Db");
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            &["--sort=size"][..],
            &["--state=alive"],
            &["--limit=-1"],
            &["--admin=nowhere"],
            &["call-7", "--limit=1"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn json_is_passed_on_as_it_came() {
        let args = parse(&["--json"]).unwrap();
        assert_eq!(args.shown("{\"sessions\": [ ]}\n").unwrap(), "{\"sessions\": [ ]}");
    }
}
