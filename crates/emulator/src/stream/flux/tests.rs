//! Flux's behaviour on a clock of its own, without sockets or faults.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;

/// A stream, its clock, and all that it said, with the milliseconds at which it did.
struct Bench {
    stream: Flux,
    opened: Instant,
    now: Instant,
    said: Vec<(u64, Value)>,
    closed: Option<(u64, Option<u16>, End)>,
}

impl Bench {
    fn new(query: &str) -> Self {
        Self::with(query, |_| {})
    }

    /// No latencies, unless a test asks for them.
    fn with(query: &str, adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { result_latency: Duration::ZERO, ..Settings::default() };
        settings.flux.configure_latency = Duration::ZERO;
        adjust(&mut settings);
        let query = format!("model=flux-general-en&encoding=linear16&sample_rate=16000&{query}");
        let parameters = Parameters::parse(&query, &settings).unwrap();
        let now = clock::now();
        let terms = Terms { settings: Arc::new(settings), request_id: "the-id".into(), now };
        let stream = Flux::new(parameters, terms);
        let mut bench = Self { stream, opened: now, now, said: Vec::new(), closed: None };
        bench.collect();
        bench
    }

    fn collect(&mut self) {
        while let Some(output) = self.stream.poll_output(self.now) {
            let at = (self.now - self.opened).as_millis() as u64;
            match output {
                Output::Transcript { text, .. } | Output::Text(text) => {
                    self.said.push((at, serde_json::from_str(&text).unwrap()));
                }
                Output::Audio(_) => panic!("Flux does not speak"),
                Output::Close { code, end, .. } => self.closed = Some((at, code, end)),
            }
        }
    }

    /// Lets time pass, stopping wherever the stream asks for it.
    fn wait(&mut self, ms: u64) -> &mut Self {
        let until = self.now + Duration::from_millis(ms);
        while let Some(due) = self.stream.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.stream.handle_timeout(self.now);
            self.collect();
        }
        self.now = until;
        self.collect();
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.stream.handle_text(self.now, text);
        self.collect();
        self
    }

    /// Audio in real time, in the 80 ms messages that Deepgram recommends.
    fn play(&mut self, sample: i16, ms: u64) -> &mut Self {
        for _ in 0..ms / 80 {
            self.stream.handle_binary(self.now, sample.to_le_bytes().repeat(1_280).into());
            self.collect();
            self.wait(80);
        }
        self
    }

    fn speech(&mut self, ms: u64) -> &mut Self {
        self.play(9_000, ms)
    }

    fn silence(&mut self, ms: u64) -> &mut Self {
        self.play(0, ms)
    }

    /// Pings every 5 s.
    fn ping_for(&mut self, seconds: u64) -> &mut Self {
        for _ in 0..seconds / 5 {
            self.stream.handle_ping(self.now);
            self.wait(5_000);
        }
        self
    }

    /// What it said after `Connected`.
    fn texts(&self) -> Vec<&Value> {
        self.said[1..].iter().map(|(_, text)| text).collect()
    }

    fn events(&self) -> Vec<&str> {
        let events = self.texts().into_iter().filter_map(|text| text["event"].as_str());
        events.filter(|event| *event != "Update").collect()
    }

    fn last(&self) -> &Value {
        &self.said.last().unwrap().1
    }
}

#[test]
fn it_speaks_first_and_numbers_all_it_says() {
    let mut bench = Bench::new("");
    assert_eq!(
        bench.said,
        [(
            0,
            json!({
                "type": "Connected", "request_id": "the-id", "sequence_id": 0
            })
        )]
    );
    bench.speech(800).text(r#"{"type":"Configure"}"#).silence(800);
    let numbers: Vec<u64> =
        bench.said.iter().map(|(_, text)| text["sequence_id"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    assert!(numbers.len() > 8);
}

#[test]
fn a_turn_ends_by_its_audio() {
    let mut bench = Bench::new("eager_eot_threshold=0.4");
    bench.speech(800).silence(480).speech(400).silence(960);
    let expected = ["StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EagerEndOfTurn", "EndOfTurn"];
    assert_eq!(bench.events(), expected);
    let ended = bench.texts().into_iter().find(|text| text["event"] == "EndOfTurn").unwrap();
    assert_eq!((&ended["trigger"], &ended["turn_index"]), (&json!("model"), &json!(0)));
    assert_eq!(ended["audio_window_start"], json!(0.0));
    assert_eq!(bench.last()["turn_index"], json!(1));
}

#[test]
fn a_turn_whose_audio_stops_never_ends_whatever_the_clock_says() {
    let mut bench = Bench::new("eot_timeout_ms=500");
    bench.speech(800).ping_for(600);
    assert_eq!(bench.events(), ["StartOfTurn"]);
    assert_eq!(bench.closed, None);
}

#[test]
fn a_client_without_frames_is_told_and_closed_without_a_status() {
    let mut bench = Bench::new("");
    bench.wait(90_000);
    assert_eq!(bench.last()["type"], "Error");
    assert_eq!((&bench.last()["code"], bench.said[1].0), (&json!("INACTIVE_CLIENT"), 60_000));
    assert_eq!(bench.closed, Some((60_000, None, End::IdleTimeout)));
}

#[test]
fn any_frame_feeds_the_idle_timer_and_pings_may_be_told_not_to() {
    let mut bench = Bench::new("");
    bench.ping_for(600);
    bench.stream.handle_pong(bench.now);
    bench.wait(59_000).silence(80);
    assert_eq!(bench.wait(59_000).closed, None);
    let mut deaf = Bench::with("", |settings| settings.flux.ping_resets_idle = false);
    assert_eq!(deaf.ping_for(90).closed, Some((60_000, None, End::IdleTimeout)));
    let mut deaf = Bench::with("", |settings| settings.flux.pong_resets_idle = false);
    deaf.wait(30_000);
    deaf.stream.handle_pong(deaf.now);
    assert_eq!(deaf.wait(60_000).closed, Some((60_000, None, End::IdleTimeout)));
}

#[test]
fn pings_alone_may_be_told_to_last_for_a_while_only() {
    let max = Duration::from_secs(120);
    let mut bench = Bench::with("", |settings| settings.flux.ping_only_max = max);
    bench.ping_for(90).silence(80).ping_for(300);
    assert_eq!(bench.closed, Some((210_000, None, End::IdleTimeout)), "from the last message on");
}

#[test]
fn the_messages_of_nova_are_fatal() {
    for text in [r#"{"type":"KeepAlive"}"#, r#"{"type":"Finalize"}"#, "hello"] {
        let mut bench = Bench::new("");
        bench.speech(800).text(text).speech(800).text(CLOSE_STREAM);
        let error = bench.last();
        assert_eq!(error["code"], "UNPARSABLE_CLIENT_MESSAGE");
        let description = error["description"].as_str().unwrap();
        assert!(description.starts_with("Could not deserialize last text message: "));
        assert_eq!(bench.closed, Some((800, None, End::BadMessage)), "{text}");
    }
}

#[test]
fn a_configure_is_answered_with_what_is_in_force() {
    let mut bench = Bench::new("keyterm=old");
    bench.text(r#"{"type":"Configure","thresholds":{"eager_eot_threshold":0.5}}"#);
    let thresholds =
        json!({"eager_eot_threshold": 0.5, "eot_threshold": 0.7, "eot_timeout_ms": 5000});
    assert_eq!(
        *bench.last(),
        json!({
            "type": "ConfigureSuccess", "request_id": "the-id", "sequence_id": 1,
            "thresholds": thresholds, "keyterms": ["old"],
        })
    );
    bench.text(r#"{"type":"Configure","keyterms":[]}"#);
    assert_eq!((&bench.last()["thresholds"], &bench.last()["keyterms"]), (&thresholds, &json!([])));
    bench.speech(800).silence(960);
    assert_eq!(bench.events(), ["StartOfTurn", "EagerEndOfTurn", "EndOfTurn"]);
}

#[test]
fn a_configure_that_is_refused_changes_nothing_and_the_stream_goes_on() {
    let mut bench = Bench::new("");
    let both = r#"{"type":"Configure","thresholds":{"eot_threshold":0.2},"keyterms":["new"]}"#;
    bench.text(both);
    assert_eq!(bench.last()["type"], "ConfigureFailure");
    assert_eq!(bench.last()["code"], "INVALID_THRESHOLD");
    bench.text(r#"{"type":"Configure","language_hints":["de"]}"#);
    assert_eq!(bench.last()["type"], "ConfigureFailure");
    bench.text(r#"{"type":"Configure"}"#);
    assert_eq!(bench.last()["keyterms"], json!([]));
    assert_eq!(bench.last()["thresholds"]["eot_threshold"], json!(0.7));
    assert_eq!(bench.closed, None);
}

#[test]
fn too_many_configures_that_wait_are_refused() {
    let mut bench = Bench::with("", |settings| {
        settings.flux.configure_latency = Duration::from_millis(200);
        settings.flux.pending_configures_max = 2;
    });
    for _ in 0..3 {
        bench.text(r#"{"type":"Configure"}"#);
    }
    bench.wait(300);
    let kinds: Vec<_> = bench.texts().iter().map(|text| &text["type"]).collect();
    assert_eq!(kinds, ["ConfigureSuccess", "ConfigureSuccess", "ConfigureFailure"]);
    assert_eq!(bench.last()["description"], "Too many pending Configure messages.");
    assert!(bench.last().get("code").is_none());
    bench.text(r#"{"type":"Configure"}"#).wait(300);
    assert_eq!(bench.last()["type"], "ConfigureSuccess", "those were answered");
}

#[test]
fn a_forced_end_of_turn_needs_a_turn() {
    let mut bench = Bench::new("");
    let force = r#"{"type":"ForceEndTurn"}"#;
    bench.text(force);
    assert_eq!(bench.last()["type"], "Warning");
    assert_eq!(bench.last()["code"], "FORCE_END_TURN_NO_ACTIVE_TURN");
    bench.speech(800).text(force);
    assert_eq!(
        (&bench.last()["event"], &bench.last()["trigger"]),
        (&json!("EndOfTurn"), &json!("manual"))
    );
    assert_eq!(bench.last()["audio_window_end"], json!(0.8));
}

#[test]
fn close_stream_gives_the_last_update_and_neither_end_of_turn_nor_metadata() {
    let mut bench = Bench::new("");
    bench.speech(880).text(CLOSE_STREAM);
    let last = bench.last();
    assert_eq!((&last["event"], &last["audio_window_end"]), (&json!("Update"), &json!(0.88)));
    assert_eq!(bench.closed, Some((880, None, End::CloseStream)));
    let mut unused = Bench::new("");
    unused.text(CLOSE_STREAM);
    assert!(unused.texts().is_empty() && unused.closed == Some((0, None, End::CloseStream)));
}

#[test]
fn an_empty_binary_message_closes_only_when_told_so() {
    let mut bench = Bench::new("");
    assert!(!bench.stream.handle_binary(bench.now, Bytes::new()));
    assert_eq!(bench.wait(1_000).closed, None);
    let mut bench = Bench::with("", |settings| settings.flux.empty_binary_closes = true);
    assert!(bench.stream.handle_binary(bench.now, Bytes::new()));
    assert_eq!(bench.wait(0).closed, Some((0, None, End::CloseStream)));
}

#[test]
fn audio_that_cannot_be_decoded_is_an_error_or_silence() {
    for undecodable in [Undecodable::Close, Undecodable::EmptyMetadata] {
        let mut bench = Bench::with("", |settings| settings.undecodable = Some(undecodable));
        bench.speech(800);
        assert_eq!(bench.last()["code"], "INTERNAL_SERVER_ERROR");
        assert_eq!(bench.closed, Some((0, None, End::Undecodable)));
    }
    let silence = Some(Undecodable::Silence);
    let mut bench = Bench::with("", |settings| settings.undecodable = silence);
    bench.speech(8_000);
    assert!(bench.texts().is_empty() && bench.closed.is_none());
}

#[test]
fn a_mute_stream_leaves_no_gap_in_its_numbers() {
    let mut bench = Bench::new("");
    bench.stream.faults.muted = true;
    bench.speech(2_000);
    assert!(bench.texts().is_empty());
    bench.stream.faults.muted = false;
    bench.speech(400);
    assert_eq!(bench.texts()[0]["sequence_id"], json!(1));
}

#[test]
fn ends_of_turns_and_the_last_update_settle_every_sample() {
    let mut bench = Bench::with("", |settings| {
        settings.position_code = true;
        settings.pacing = None;
        settings.flux.turn_max = Duration::from_secs(2);
    });
    let audio = crate::position::encode(0, 80_000);
    for message in audio.chunks(2_560) {
        bench.stream.handle_binary(bench.now, Bytes::copy_from_slice(message));
    }
    bench.stream.handle_text(bench.now, CLOSE_STREAM);
    let mut blocks = Vec::new();
    while let Some(output) = bench.stream.poll_output(bench.now) {
        if let Output::Transcript { settles: Some(end), .. } = output {
            bench.stream.reader().unwrap().settle(end, |block| blocks.push(block));
        }
    }
    assert_eq!(blocks, (0..2_500).collect::<Vec<u64>>());
}

#[test]
fn a_fast_sender_waits_for_the_engine_and_a_full_backlog_stops_the_reading() {
    let mut bench = Bench::with("", |settings| settings.backlog = Duration::from_secs(5));
    bench.stream.handle_binary(bench.now, vec![0; 320_000].into());
    assert!(!bench.stream.wants_input());
    bench.text(CLOSE_STREAM).wait(60_000);
    let (at, ..) = bench.closed.unwrap();
    assert!((7_500..=8_000).contains(&at), "10 s at 1.25 of real time, not {at} ms");
    assert_eq!(bench.texts().len(), 41, "40 updates and the last");
}

#[test]
fn a_session_may_be_told_to_end_after_a_while() {
    let max = Duration::from_secs(5);
    let mut bench = Bench::with("", |settings| settings.unknowns.session_max = max);
    assert_eq!(bench.wait(6_000).closed, Some((5_000, None, End::CloseStream)));
}
