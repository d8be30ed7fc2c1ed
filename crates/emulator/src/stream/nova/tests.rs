//! The rows of Deepgram's behaviour that need neither socket nor fault, on a clock of their own.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;
const FINALIZE: &str = r#"{"type":"Finalize"}"#;
const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;

/// A stream, its clock, and all that it said, with the milliseconds at which it did.
struct Bench {
    stream: Nova,
    opened: Instant,
    now: Instant,
    said: Vec<(u64, Said)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    Text(Value),
    Close(u16, String),
}

impl Bench {
    fn new(query: &str) -> Self {
        Self::with(query, |_| {})
    }

    /// No latencies, unless a test asks for them.
    fn with(query: &str, adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            result_latency: Duration::ZERO,
            finalize_latency: Duration::ZERO,
            ..Settings::default()
        };
        adjust(&mut settings);
        let query = format!("model=nova-3&encoding=linear16&sample_rate=16000&{query}");
        let parameters = Parameters::parse(&query, false).unwrap();
        let now = clock::now();
        let terms = Terms { settings: Arc::new(settings), request_id: "the-id".into(), now };
        let stream = Nova::new(parameters, terms);
        Self { stream, opened: now, now, said: Vec::new() }
    }

    fn collect(&mut self) {
        while let Some(output) = self.stream.poll_output(self.now) {
            let said = match output {
                Output::Transcript { text, .. } | Output::Text(text) => {
                    Said::Text(serde_json::from_str(&text).unwrap())
                }
                Output::Audio(_) => panic!("Nova does not speak"),
                Output::Close { code, reason, .. } => Said::Close(code.unwrap(), reason),
            };
            self.said.push(((self.now - self.opened).as_millis() as u64, said));
        }
    }

    /// Lets time pass, stopping wherever the stream asks for it.
    fn wait(&mut self, ms: u64) -> &mut Self {
        let until = self.now + Duration::from_millis(ms);
        self.collect();
        while let Some(due) = self.stream.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.stream.handle_timeout(self.now);
            self.collect();
        }
        self.now = until;
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.stream.handle_text(self.now, text);
        self.wait(0)
    }

    fn binary(&mut self, bytes: Vec<u8>) -> &mut Self {
        self.stream.handle_binary(self.now, bytes.into());
        self.wait(0)
    }

    /// Sends audio in real time, 100 ms at a time.
    fn audio(&mut self, ms: u64, sample: i16) -> &mut Self {
        for _ in 0..ms / 100 {
            self.binary(sample.to_le_bytes().repeat(1_600)).wait(100);
        }
        self
    }

    fn speech(&mut self, ms: u64) -> &mut Self {
        self.audio(ms, 9_000)
    }

    fn silence(&mut self, ms: u64) -> &mut Self {
        self.audio(ms, 0)
    }

    fn keep_alive_for(&mut self, seconds: u64) -> &mut Self {
        for _ in 0..seconds / 5 {
            self.text(KEEP_ALIVE).wait(5_000);
        }
        self
    }

    fn texts(&self) -> Vec<&Value> {
        let text = |(_, said): &'_ (u64, Said)| matches!(said, Said::Text(_));
        let texts = self.said.iter().filter(|said| text(said));
        texts
            .map(|(_, said)| if let Said::Text(text) = said { text } else { unreachable!() })
            .collect()
    }

    fn close(&self) -> Option<(u64, u16, &str)> {
        match self.said.last()? {
            (at, Said::Close(code, reason)) => Some((*at, *code, reason)),
            _ => None,
        }
    }
}

#[test]
fn an_open_stream_says_nothing_before_audio() {
    assert_eq!(Bench::new("").wait(9_999).said, []);
}

#[test]
fn timer_a_sends_metadata_and_closes_with_the_net0001_sentence() {
    let mut bench = Bench::new("");
    bench.wait(60_000);
    assert_eq!(bench.said[0].0, 10_000);
    assert_eq!(bench.texts()[0]["sha256"], "incomplete");
    let reason = "Deepgram did not receive audio data or a text message within the timeout window. \
                  See https://dpgr.am/net0001";
    assert_eq!(bench.close(), Some((10_025, 1011, reason)));
    assert_eq!(bench.said.len(), 2);
}

#[test]
fn timer_a_counts_from_the_last_audio_or_text() {
    let mut bench = Bench::new("");
    bench.wait(9_000).silence(100).wait(8_900).text(KEEP_ALIVE).wait(9_000);
    bench.text(FINALIZE).wait(9_000).text("rubbish").wait(9_999);
    assert_eq!(bench.close(), None);
    bench.wait(100);
    assert_eq!(bench.close().unwrap().0, 46_025);
}

#[test]
fn a_ping_counts_for_timer_a_only_when_told_so() {
    for (counts, close) in [(false, 10_025), (true, 19_025)] {
        let mut bench = Bench::with("", |s| s.unknowns.ping_resets_idle = counts);
        bench.wait(9_000);
        bench.stream.handle_ping(bench.now);
        bench.wait(15_000);
        assert_eq!(bench.close().unwrap().0, close);
    }
}

#[test]
fn finalize_and_other_text_may_be_told_not_to_count_for_timer_a() {
    let mut bench = Bench::with("", |s| {
        s.unknowns.finalize_resets_idle = false;
        s.unknowns.text_resets_idle = false;
    });
    bench.wait(5_000).text(FINALIZE).text(r#"{"type":"Sync"}"#).wait(20_000);
    assert_eq!(bench.close().unwrap().0, 10_025);
}

#[test]
fn timer_b_ends_a_stream_that_is_kept_alive_without_audio() {
    let mut bench = Bench::new("");
    bench.keep_alive_for(60);
    let reason = "Deepgram did not provide a response message within the timeout window. See \
                  https://dpgr.am/net0000";
    assert_eq!(bench.close(), Some((30_025, 1011, reason)));
}

#[test]
fn audio_too_short_for_a_result_does_not_satisfy_timer_b() {
    let mut bench = Bench::new("");
    bench.silence(500).keep_alive_for(60);
    assert!(bench.close().unwrap().2.contains("net0000"));
}

#[test]
fn a_first_result_satisfies_timer_b_for_good() {
    let mut bench = Bench::new("interim_results=true");
    bench.silence(1_000).keep_alive_for(600);
    assert_eq!(bench.close(), None);
    assert_eq!(bench.texts().len(), 1);
}

#[test]
fn timer_b_may_be_told_to_start_again_with_new_audio() {
    let mut bench =
        Bench::with("interim_results=true", |s| s.unknowns.response_timer_restarts = true);
    bench.silence(1_000).keep_alive_for(60);
    assert_eq!(bench.close(), None, "a pause with keepalives only is no new audio");
    bench.silence(100).keep_alive_for(60);
    assert_eq!(bench.close().unwrap().0, 61_000 + 30_025);
}

#[test]
fn a_keepalive_is_not_answered_and_moves_no_timestamp() {
    let mut bench = Bench::new("interim_results=true");
    bench.silence(500).keep_alive_for(10).silence(500);
    assert_eq!(bench.texts().len(), 1);
    assert_eq!(bench.texts()[0]["duration"], json!(1.0));
}

#[test]
fn a_keepalive_in_a_binary_message_is_audio() {
    let mut bench = Bench::new("");
    bench.binary(KEEP_ALIVE.as_bytes().to_vec()).text(CLOSE_STREAM);
    let heard = bench.texts().last().unwrap()["duration"].as_f64().unwrap();
    assert!((heard - 10.0 / 16_000.0).abs() < 1e-6, "20 bytes are 10 samples, not {heard} s");
}

#[test]
fn the_first_interim_comes_after_a_second_of_audio_and_the_latency() {
    let mut bench = Bench::with("interim_results=true", |s| {
        s.result_latency = Duration::from_millis(100);
    });
    bench.speech(2_500);
    let at: Vec<u64> = bench.said.iter().map(|(at, _)| *at).collect();
    assert_eq!(at, [1_000, 2_000], "the tenth frame of 100 ms goes out at 900 ms");
    assert_eq!(bench.texts()[1]["duration"], json!(2.0));
    assert_eq!(bench.texts()[1]["is_final"], json!(false));
}

#[test]
fn a_finalize_flushes_with_all_three_flags() {
    let mut bench = Bench::new("endpointing=false");
    bench.speech(700).text(FINALIZE);
    let [result] = bench.texts()[..] else { panic!("one result") };
    for flag in ["is_final", "speech_final", "from_finalize"] {
        assert_eq!(result[flag], json!(true), "{flag}");
    }
    assert_eq!(result["duration"], json!(0.7));
    bench.speech(300).text(FINALIZE);
    assert_eq!(bench.texts()[1]["start"], json!(0.7), "the stream goes on");
}

#[test]
fn a_finalize_with_nothing_to_flush_is_answered_only_when_told_so() {
    for (answers, count) in [(false, 0), (true, 1)] {
        let mut bench = Bench::with("", |s| s.finalize_answers_empty = answers);
        bench.text(FINALIZE).wait(5_000);
        assert_eq!(bench.texts().len(), count);
    }
}

#[test]
fn a_finalize_may_flush_one_channel_of_several() {
    let mut bench = Bench::new("multichannel=true&channels=2");
    bench.speech(800).text(r#"{"type":"Finalize","channel":1}"#);
    let [result] = bench.texts()[..] else { panic!("one result") };
    assert_eq!(result["channel_index"], json!([1, 2]));
}

#[test]
fn channels_have_results_of_their_own() {
    let mut bench = Bench::new("multichannel=true&channels=2&interim_results=true");
    bench.speech(2_000);
    let channels: Vec<&Value> = bench.texts().iter().map(|text| &text["channel_index"]).collect();
    assert_eq!(channels, [&json!([0, 2]), &json!([1, 2])]);
}

#[test]
fn a_configure_that_fits_is_not_answered() {
    let mut bench = Bench::new("");
    bench.text(r#"{"type":"Configure","keyterms":["x"]}"#).wait(5_000);
    assert_eq!(bench.said, []);
}

#[test]
fn a_configure_that_does_not_fit_is_refused_and_the_stream_goes_on() {
    let mut bench = Bench::new("model=nova-2&interim_results=true");
    bench.text(r#"{"type":"Configure","keyterms":["x"]}"#).text(r#"{"type":"Configure","a":1}"#);
    assert_eq!(bench.texts()[0]["code"], "KeytermsNotSupported");
    assert_eq!(bench.texts()[1]["variant"], "SchemaError");
    bench.silence(1_000);
    assert_eq!(bench.texts()[2]["type"], "Results");
}

#[test]
fn text_that_is_no_message_is_echoed_in_a_schema_error() {
    let mut bench = Bench::new("");
    bench.text(r#"{"type":"KeepAlive "}"#);
    let [error] = bench.texts()[..] else { panic!("one error") };
    assert_eq!(error["variant"], "SchemaError");
    assert_eq!(error["message"], r#"{"type":"KeepAlive "}"#);
    assert_eq!(bench.close(), None);
}

#[test]
fn close_stream_flushes_and_ends_with_metadata_and_1000() {
    let mut bench = Bench::new("");
    bench.speech(700).text(CLOSE_STREAM);
    let [result, metadata] = bench.texts()[..] else { panic!("two texts") };
    assert_eq!((&result["is_final"], &result["from_finalize"]), (&json!(true), &json!(false)));
    assert_eq!(metadata["duration"], json!(0.7));
    assert_eq!(metadata["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(bench.close(), Some((700, 1000, "")));
}

#[test]
fn close_stream_without_audio_has_the_digest_of_nothing() {
    let mut bench = Bench::new("");
    bench.text(CLOSE_STREAM);
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(bench.texts()[0]["sha256"], digest);
    assert!(bench.texts()[0].get("models").is_none());
}

#[test]
fn an_empty_binary_message_closes_the_stream() {
    let mut bench = Bench::new("");
    bench.silence(100).binary(Vec::new());
    assert_eq!(bench.close(), Some((100, 1000, "")));
}

#[test]
fn audio_after_close_stream_is_ignored() {
    let mut bench = Bench::with("", |s| s.result_latency = Duration::from_millis(500));
    bench.text(CLOSE_STREAM).speech(400).wait(1_000);
    assert_eq!(bench.texts()[0]["duration"], json!(0.0));
}

#[test]
fn an_ignored_close_stream_leaves_the_stream_to_timer_a() {
    let mut bench = Bench::new("");
    bench.stream.faults.ignores_close_stream = true;
    bench.text(CLOSE_STREAM).wait(20_000);
    assert!(bench.close().unwrap().2.contains("net0001"));
}

#[test]
fn audio_that_cannot_be_decoded_ends_in_three_ways() {
    let ended = |undecodable| {
        let mut bench = Bench::with("", |s| s.undecodable = Some(undecodable));
        bench.speech(1_000).keep_alive_for(60);
        let (at, code, reason) = bench.close().unwrap();
        (at, code, reason.to_owned(), bench.texts().len())
    };
    assert_eq!(ended(Undecodable::Close), (0, 1008, "DATA-0000".into(), 0));
    let (at, code, reason, texts) = ended(Undecodable::Silence);
    assert_eq!((at, code, texts), (30_025, 1011, 1));
    assert!(reason.contains("net0000"));
    assert_eq!(ended(Undecodable::EmptyMetadata), (0, 1000, String::new(), 1));
}

#[test]
fn a_fast_sender_gets_its_results_at_the_pace_of_the_engine() {
    let mut bench = Bench::new("interim_results=true&endpointing=false");
    bench.binary(9_000_i16.to_le_bytes().repeat(16_000 * 10)).text(CLOSE_STREAM).wait(60_000);
    let (at, code, _) = bench.close().unwrap();
    assert_eq!(code, 1000);
    assert!((7_500..=8_000).contains(&at), "10 s at 1.25 of real time, not {at} ms");
    let first = bench.said[0].0;
    assert!(
        (400..=800).contains(&first),
        "the first second is due at 0.8 s at the latest: {first}"
    );
}

#[test]
fn a_backlog_at_its_bound_stops_the_reading_until_it_shrinks() {
    let mut bench = Bench::with("", |s| s.backlog = Duration::from_secs(2));
    bench.binary(vec![0; 32_000 * 3]);
    assert!(!bench.stream.wants_input());
    bench.wait(2_000);
    assert!(bench.stream.wants_input());
}

#[test]
fn a_mute_stream_takes_audio_and_keeps_its_transcripts_back() {
    let mut bench = Bench::new("interim_results=true");
    bench.speech(1_000);
    bench.stream.faults.muted = true;
    bench.speech(10_000);
    assert_eq!(bench.texts().len(), 1);
    bench.stream.faults.muted = false;
    bench.text(CLOSE_STREAM);
    assert_eq!(bench.texts().last().unwrap()["duration"], json!(11.0), "all of it was heard");
}

#[test]
fn only_results_that_were_said_count_as_transcribed() {
    let mut bench = Bench::with("endpointing=false", |s| {
        s.position_code = true;
        s.pacing = None;
    });
    bench.binary(crate::position::encode(0, 16_000)).text(FINALIZE);
    let mut blocks = 0;
    bench.stream.reader().unwrap().settle(8_000, |_| blocks += 1);
    assert_eq!(blocks, 250);
    bench.stream.reader().unwrap().settle(16_000, |_| blocks += 1);
    assert_eq!(blocks, 500);
}

#[test]
fn a_timeout_flushes_and_leaves_out_metadata_only_when_told_so() {
    let mut bench = Bench::with("endpointing=false", |s| s.unknowns.timeout_flushes = true);
    bench.speech(500).wait(20_000);
    assert_eq!(bench.texts()[0]["is_final"], json!(true));
    let mut bench = Bench::with("", |s| s.unknowns.response_timeout_metadata = false);
    bench.keep_alive_for(60);
    assert_eq!(bench.texts().len(), 0);
}

#[test]
fn close_stream_may_be_told_to_flush_as_finalize_does() {
    let mut bench = Bench::with("", |s| s.unknowns.close_stream_from_finalize = true);
    bench.speech(500).text(CLOSE_STREAM);
    assert_eq!(bench.texts()[0]["from_finalize"], json!(true));
}

#[test]
fn a_stream_may_be_told_to_end_after_a_while() {
    let mut bench = Bench::with("", |s| s.unknowns.session_max = Duration::from_secs(5));
    bench.wait(6_000);
    assert_eq!(bench.close(), Some((5_000, 1000, "")));
}

#[test]
fn a_deadline_is_never_in_the_past_after_a_timeout() {
    let mut bench = Bench::new("interim_results=true");
    bench.binary(vec![0; 320_000]);
    for _ in 0..200 {
        bench.now += Duration::from_millis(37);
        bench.stream.handle_timeout(bench.now);
        bench.collect();
        assert!(bench.stream.next_deadline().is_none_or(|due| due > bench.now));
    }
}
