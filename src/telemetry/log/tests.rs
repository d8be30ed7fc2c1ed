use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use serde_json::Value;
use tracing::Dispatch;

use super::*;
use crate::config::{Collector, Config, LogFormat};
use crate::json::Json;
use crate::telemetry::event::{Emit, KeyReloadFailed, KeyReplaced, TraceparentMalformed};
use crate::telemetry::tests::facts::one_of_each;
use crate::telemetry::tests::{live, live_with, session_ended, summary};
use session::Sdk;
use session::fact::{Fact, Observer};
use session::fact::{KeepaliveBlocked, KeepaliveSent};
use session::summary::Outcome;
use session::trace::TraceContext;

const APP_TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A writer whose contents the test can read.
#[derive(Clone, Default)]
pub(in crate::telemetry) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(in crate::telemetry) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `happen` under a log of its own and returns what was written.
pub(in crate::telemetry) fn logged(
    config: Logs,
    happen: impl FnOnce(&Telemetry, &LogHandle),
) -> Captured {
    KEPT.get_or_init(verbose);
    let telemetry = Telemetry::default();
    let captured = Captured::default();
    let writer = captured.clone();
    let (subscriber, handle) = subscriber(&telemetry, &config, move || writer.clone(), false);
    tracing::subscriber::with_default(subscriber, || happen(&telemetry, &handle));
    captured
}

/// tracing asks a single subscriber alone whether a call site that is hit for the first time is of interest,
/// and may then miss one that another thread begins meanwhile. With one that stays it asks them all.
static KEPT: OnceLock<Dispatch> = OnceLock::new();

fn verbose() -> Dispatch {
    let config = Logs { level: LogLevel::Debug, ..Logs::default() };
    let (subscriber, _) = subscriber(&Telemetry::default(), &config, Captured::default, false);
    Dispatch::new(subscriber)
}

fn text_config() -> Logs {
    Logs { format: LogFormat::Text, level: LogLevel::Info }
}

#[test]
fn a_json_line_starts_with_time_level_event_and_message() {
    let captured = logged(Logs::default(), |telemetry, _| KeyReplaced.emit(telemetry));
    let text = captured.text();
    let ts = text.strip_prefix(r#"{"ts":""#).unwrap().get(..24).unwrap();
    humantime::parse_rfc3339(ts).unwrap();
    assert!(ts.ends_with('Z') && ts.as_bytes()[19] == b'.', "{ts}");
    let rest = &text[r#"{"ts":""#.len() + 24..];
    assert_eq!(
        rest,
        "\",\"level\":\"info\",\"event\":\"key_replaced\",\
         \"msg\":\"API key replaced; new connections use the new one\"}\n"
    );
}

#[test]
fn every_line_of_a_session_carries_its_name_and_tags() {
    let captured = logged(Logs::default(), |telemetry, _| {
        let session = telemetry.session(live("call-7"));
        session.record(&Fact::KeepaliveBlocked(KeepaliveBlocked));
    });
    let lines = captured.lines();
    assert_eq!(lines.len(), 3, "open, blocked, cancelled");
    for line in lines {
        assert_eq!(line["session_id"], "call-7");
        assert_eq!(line["endpoint"], "/v1/listen");
        assert_eq!(line["tags"]["tenant"], "ac\"me\n");
    }
}

/// Runs `happen` as [`logged`] does, with traces on.
fn logged_with_traces(happen: impl FnOnce(&Telemetry)) -> Captured {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), "http://127.0.0.1:4318".to_owned());
    let config = Config::default();
    let collector = Collector::find(&config.telemetry.otlp, &[endpoint]).unwrap().unwrap();
    let (telemetry, _export) = Telemetry::default().with_traces(collector, &config);
    let captured = Captured::default();
    let writer = captured.clone();
    let (subscriber, _) = subscriber(&telemetry, &Logs::default(), move || writer.clone(), false);
    tracing::subscriber::with_default(subscriber, || happen(&telemetry));
    captured
}

#[test]
fn every_line_of_a_traced_session_names_its_trace_and_its_span() {
    let mut own = None;
    let captured = logged_with_traces(|telemetry| {
        let session = live("call-7");
        let app = TraceContext::parse(APP_TRACE);
        let handle = telemetry.session_within(session.clone(), app);
        handle.record(&Fact::KeepaliveBlocked(KeepaliveBlocked));
        own = session.trace();
    });
    let lines = captured.lines();
    assert_eq!(lines.len(), 3, "the session's own span is no line and adds no field");
    for line in lines {
        assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(line["span_id"], own.unwrap().span_id_text());
        assert_eq!(line.get("otel.kind"), None);
    }
}

#[test]
fn without_traces_lines_still_join_the_applications() {
    let captured = logged(Logs::default(), |telemetry, _| {
        drop(telemetry.session_within(live("call-7"), TraceContext::parse(APP_TRACE)));
        drop(telemetry.session(live("call-8")));
    });
    let lines = captured.lines();
    assert_eq!(lines[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(lines[0].get("span_id"), None);
    assert_eq!(lines[3].get("trace_id"), None);
}

#[test]
fn every_line_of_a_session_has_its_dialect_and_sdk_and_the_first_the_user_agent() {
    let captured = logged(Logs::default(), |telemetry, _| {
        telemetry.session(live_with("call-7", Sdk::Python)).record(&session_ended());
        drop(telemetry.session(live("call-8")));
    });
    let lines = captured.lines();
    for line in &lines[..2] {
        assert_eq!((&line["dialect"], &line["sdk"]), (&"compatible".into(), &"python".into()));
    }
    assert_eq!(lines[0]["user_agent"], "python/1.2.3");
    let native = &lines[2];
    assert_eq!(native["dialect"], "native");
    assert_eq!((native.get("sdk"), native.get("user_agent")), (None, None));
}

#[test]
fn session_end_carries_the_summary_under_its_own_names_once() {
    let captured = logged(Logs::default(), |telemetry, _| {
        telemetry.session(live("call-7")).record(&session_ended());
    });
    let text = captured.text();
    let line = text.lines().last().unwrap();
    let line_json: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line_json["event"], "session_end");
    let summary = serde_json::to_value(Json(&summary())).unwrap();
    for (name, value) in summary.as_object().unwrap() {
        assert_eq!(&line_json[name], value, "{name}");
    }
    assert_eq!(line_json["cause"], "app_left");
    assert_eq!(line_json["send_gap_max_ms"], 5001);
    assert_eq!(line.matches("\"session_id\"").count(), 1, "no member twice");
}

#[test]
fn a_death_of_ours_is_an_error_and_another_a_warning() {
    let captured = logged(Logs::default(), |telemetry, _| {
        for fact in crate::telemetry::tests::deaths_by_class() {
            telemetry.session(live("call-7")).record(&fact);
        }
    });
    let levels: Vec<_> = captured
        .lines()
        .iter()
        .filter(|line| line["event"] == "upstream_lost")
        .map(|line| (line["class"].clone(), line["level"].clone()))
        .collect();
    let expected =
        [("provider", "warn"), ("account", "error"), ("network", "warn"), ("sidecar", "error")];
    assert_eq!(levels, expected.map(|(class, level)| (class.into(), level.into())));
}

#[test]
fn a_session_that_recovered_needs_no_action_unless_it_died_in_the_end() {
    let level_of = |recoveries, outcome| {
        let Fact::SessionEnded(mut ended) = session_ended() else { unreachable!() };
        (ended.summary.recoveries, ended.summary.outcome) = (recoveries, outcome);
        let fact = Fact::SessionEnded(ended);
        let captured = logged(Logs::default(), |t, _| t.session(live("s")).record(&fact));
        captured.lines().last().unwrap()["level"].clone()
    };
    assert_eq!(level_of(0, Outcome::Dead), "warn");
    assert_eq!(level_of(2, Outcome::Finished), "info");
    assert_eq!(level_of(2, Outcome::Dead), "warn");
}

#[test]
fn numbers_are_numbers_and_absent_values_are_absent() {
    let captured = logged(Logs { level: LogLevel::Debug, ..Logs::default() }, |t, _| {
        let session = t.session(live("s"));
        session.record(&Fact::KeepaliveSent(KeepaliveSent {
            endpoint: session::Endpoint::V1Listen,
            lateness: Duration::from_millis(3),
        }));
    });
    let line = &captured.lines()[1];
    assert_eq!(line["lateness_ms"], 3);
    assert_eq!(line.get("request_id"), None);
}

#[test]
fn hostile_text_cannot_break_a_line_or_reach_the_terminal() {
    let hostile = "a\"b\nc\u{1b}[31m\u{9b}d";
    let error = KeyReloadFailed { error: &hostile };
    let json = logged(Logs::default(), |telemetry, _| error.emit(telemetry));
    assert_eq!(json.lines()[0]["error"], hostile);
    let text = logged(text_config(), |telemetry, _| error.emit(telemetry)).text();
    assert_eq!(text.lines().count(), 1);
    assert!(!text.trim_end().contains(char::is_control), "{text:?}");
}

#[test]
fn text_lines_are_for_people() {
    let captured = logged(text_config(), |telemetry, _| {
        telemetry.session(live("call-7")).record(&session_ended());
    });
    let text = captured.text();
    let line = text.lines().last().unwrap();
    assert!(line.contains(" warn  session_end: session ended session_id=\"call-7\""), "{line}");
    assert!(line.contains(" outcome=\"aborted\""), "{line}");
}

#[test]
fn the_level_changes_at_run_time() {
    let captured = logged(Logs::default(), |telemetry, handle| {
        TraceparentMalformed.emit(telemetry);
        handle.set_level(LogLevel::Debug).unwrap();
        TraceparentMalformed.emit(telemetry);
        handle.set_level(LogLevel::Error).unwrap();
        KeyReplaced.emit(telemetry);
    });
    let events: Vec<_> = captured.lines().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["traceparent_malformed"]);
}

#[test]
fn a_level_is_one_of_five_words() {
    assert_eq!(level_named(b"debug"), Some(LogLevel::Debug));
    for name in [&b""[..], b"DEBUG", b"debug info", b"verbose", b"\xff"] {
        assert_eq!(level_named(name), None);
    }
}

#[test]
fn other_crates_are_heard_from_warn_on() {
    let level = LogLevel::Trace;
    let captured = logged(Logs { level, ..Logs::default() }, |_, _| {
        tracing::info!(target: "rustls", "chatter");
        tracing::warn!(target: "rustls", "trouble");
    });
    let lines = captured.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["event"], "library");
    assert_eq!(lines[0]["target"], "rustls");
}

#[tokio::test(start_paused = true)]
async fn an_event_over_its_rate_is_held_back_and_told() {
    let telemetry = Telemetry::default();
    let captured = Captured::default();
    let writer = captured.clone();
    let (subscriber, _handle) =
        subscriber(&telemetry, &Logs::default(), move || writer.clone(), false);
    let _default = tracing::subscriber::set_default(subscriber);
    (0..60).for_each(|_| KeyReplaced.emit(&telemetry));
    assert_eq!(captured.lines().len(), 50);
    tokio::time::advance(Duration::from_secs(1)).await;
    KeyReplaced.emit(&telemetry);
    assert_eq!(captured.lines()[50]["suppressed"], 10);
    let page = telemetry.scrape(crate::telemetry::Format::Text, Default::default());
    assert!(page.contains("deepgram_sidecar_log_suppressed_total{level=\"info\"} 10\n"), "{page}");
    assert!(page.contains("deepgram_sidecar_log_messages_total{level=\"info\"} 51\n"), "{page}");
}

/// A writer that takes nothing until it is let go.
struct Stuck {
    released: mpsc::Receiver<()>,
    is_released: bool,
    written: Captured,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_released {
            let _ = self.released.recv();
            self.is_released = true;
        }
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A log collector that hung once held up every session.
#[test]
fn a_writer_that_hangs_costs_lines_and_no_time() {
    let telemetry = Telemetry::default();
    let written = Captured::default();
    let (release, released) = mpsc::sync_channel(1);
    let stuck = Stuck { released, is_released: false, written: written.clone() };
    let (writer, guard) = unblocked(&telemetry, stuck);
    let (subscriber, _) = subscriber(&telemetry, &Logs::default(), writer, false);
    let lines = LINES_MAX + 1000;
    tracing::subscriber::with_default(subscriber, || {
        let session = telemetry.session(live("s"));
        // Its end is the one line that is never held back for coming too often.
        (0..lines).for_each(|_| session.record(&session_ended()));
    });
    telemetry.update_log();
    let dropped = telemetry.metrics.daemon.log_dropped.get() as usize;
    // One line may already be with the writer, and the session's opening is a line as well.
    assert!((999..=1001).contains(&dropped), "{dropped}");
    release.send(()).unwrap();
    drop(guard);
    assert_eq!(written.lines().len() + dropped, lines + 1, "no line is lost uncounted");
}

/// A fact's name and every word in it are the same in its log line as in the flight recorder.
#[test]
fn log_lines_have_the_names_and_the_words_of_their_facts() {
    for fact in one_of_each() {
        let config = Logs { level: LogLevel::Debug, ..Logs::default() };
        let captured =
            logged(config, |telemetry, _| telemetry.session(live("call-7")).record(&fact));
        let lines = captured.lines();
        let line = lines.iter().find(|line| line["event"] == fact.name());
        let line = line.unwrap_or_else(|| panic!("no line is called {}", fact.name()));
        let recorded = serde_json::to_value(Json(&fact)).unwrap();
        for (key, value) in recorded.as_object().unwrap() {
            let is_text = ["detail", "request_id"].contains(&&**key);
            let is_word = value.is_string() && !is_text;
            if is_word || line.get(key).is_some() {
                assert_eq!(&line[key], value, "{key} of {}", fact.name());
            }
        }
    }
}
