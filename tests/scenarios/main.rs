//! The seed scenarios in real time: real processes, five minutes, nothing sped up.
//!
//! The same stories run in virtual time with every test run, against the session machine alone.
//! These show that clock, sockets and processes keep what the machine promises. They are ignored
//! unless asked for: `make scenarios` runs all of them side by side.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use std::time::Duration;

use client::{Event, Incoming, OpenRequest, Receiver, Sender, Summary, VadMode};

use futures_util::{SinkExt, StreamExt};
use session::close::reason_of_close;
use session::death::Reason;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use stage::Stage;

/// (a) Two silences in each cycle of 70 s: 8 s hold one full keepalive interval, 12 s hold two.
#[tokio::test]
#[ignore = "real time: five minutes"]
async fn speech_with_silences_gets_one_keepalive_for_each_full_interval() {
    let stage = Stage::set("").await;
    let (mut app, heard) = open(&stage).await;
    let session = async {
        for _ in 0..4 {
            app.speak(secs(30)).await;
            app.pause(secs(8)).await;
            app.speak(secs(20)).await;
            app.pause(secs(12)).await;
        }
        app.speak(secs(20)).await;
        app.finish().await;
    };
    let ((), heard) = tokio::join!(session, heard);
    heard.assert_alive();
    assert_eq!(heard.summary.audio.bytes_sent, 220 * BYTES_PER_SECOND);
    assert_eq!(heard.summary.keepalives, 4 * (1 + 2));
    let record = stage.strike().await;
    assert_eq!(record.keepalives, 4 * (1 + 2));
    assert_eq!(record.end.as_deref(), Some("close_stream"));
}

/// (b) The keepalives come every 5 s, to the last one at 295.9 s.
#[tokio::test]
#[ignore = "real time: five minutes"]
async fn a_silent_session_lives_on_fifty_nine_keepalives() {
    let stage = Stage::set("").await;
    let (mut app, heard) = open(&stage).await;
    let session = async {
        app.speak(secs(1)).await;
        app.pause(secs(299)).await;
        app.finish().await;
    };
    let ((), heard) = tokio::join!(session, heard);
    heard.assert_alive();
    assert_eq!(heard.summary.keepalives, 59);
    let record = stage.strike().await;
    assert_eq!(record.keepalives, 59);
    for pair in record.keepalive_ms.windows(2) {
        assert!((4_900..5_250).contains(&(pair[1] - pair[0])), "{pair:?}");
    }
}

/// (b) What the same application comes to on a socket of its own.
#[tokio::test]
#[ignore = "real time: five minutes"]
async fn without_the_sidecar_the_silent_session_dies_of_idleness() {
    let stage = Stage::set("").await;
    let mut request = format!("ws://{}/v1/listen?{QUERY}", stage.deepgram()).into_client_request();
    let headers = request.as_mut().unwrap().headers_mut();
    headers.insert("authorization", "Token bare".parse().unwrap());
    let stream = TcpStream::connect(stage.deepgram()).await.unwrap();
    let (mut socket, _) = client_async(request.unwrap(), stream).await.unwrap();
    socket.send(Message::binary(speech(secs(1)))).await.unwrap();
    let sent = clock::now();
    let close = loop {
        if let Message::Close(frame) = socket.next().await.expect("it says why").unwrap() {
            break frame.expect("it says why");
        }
    };
    let age = clock::now() - sent;
    assert_eq!(reason_of_close(Some(close.code.into()), &close.reason), Reason::Net0001Idle);
    assert!((secs(10)..secs(11)).contains(&age), "{age:?}");
}

/// (c) Deepgram wants something to answer within 30 s, and a KeepAlive is nothing to answer.
#[tokio::test]
#[ignore = "real time: five minutes"]
async fn keepalives_alone_do_not_hold_a_socket_that_never_gets_audio() {
    let stage = Stage::set("").await;
    let (mut app, heard) = open(&stage).await;
    let session = async {
        app.pause(secs(35)).await;
        app.finish().await;
    };
    let ((), heard) = tokio::join!(session, heard);
    let [dead] = &heard.events[..] else { panic!("one event is due: {:?}", heard.events) };
    assert_eq!(dead.name(), "dead");
    assert_eq!(dead.text("reason"), Some("net_0000_no_result"));
    assert!((30_000..31_500).contains(&dead.at_ms()), "{} ms", dead.at_ms());
    assert_eq!(heard.summary.outcome, "dead");
    // Both ends reach 30 s together: whether a sixth goes out first is nobody's promise.
    assert!((5..=6).contains(&heard.summary.keepalives), "{}", heard.summary.keepalives);
    assert_eq!(stage.strike().await.end.as_deref(), Some("response_timeout"));
}

/// (c) A second of silence is something to answer.
#[tokio::test]
#[ignore = "real time: five minutes"]
async fn priming_saves_a_socket_that_never_gets_audio() {
    let stage = Stage::set("keepalive: {prime_silence: 2s}").await;
    let (mut app, heard) = open(&stage).await;
    let session = async {
        app.pause(secs(300)).await;
        app.finish().await;
    };
    let ((), heard) = tokio::join!(session, heard);
    heard.assert_alive();
    assert_eq!(
        heard.summary.audio.bytes_sent, 0,
        "silence of the sidecar's is not the app's audio"
    );
    let record = stage.strike().await;
    assert!(record.audio_bytes <= 2 * BYTES_PER_SECOND, "{}", record.audio_bytes);
    assert_eq!(record.keepalives, heard.summary.keepalives);
}

/// (d) Five minutes of silence that the application sends, and the gate holds back: all but what
/// brings the first answer.
#[tokio::test]
#[ignore = "real time: five minutes"]
async fn silence_that_is_held_back_for_five_minutes_is_lived_through_on_keepalives() {
    let stage = Stage::set("").await;
    let (mut app, heard) = open_with(&stage, VadMode::Active).await;
    let session = async {
        app.say(&recording()).await;
        for _ in 0..300 {
            app.say(&vec![0; BYTES_PER_SECOND as usize]).await;
        }
        app.finish().await;
    };
    let ((), heard) = tokio::join!(session, heard);
    heard.assert_alive();
    let vad = heard.summary.vad.as_ref().unwrap();
    assert!((294_000..297_000).contains(&vad.held_ms), "{vad:?}");
    assert_eq!((vad.opens, heard.summary.finalizes.errors), (1, 0));
    let record = stage.strike().await;
    assert_eq!(record.keepalives, heard.summary.keepalives);
    assert!((58..=59).contains(&record.keepalives), "{}", record.keepalives);
    for pair in record.keepalive_ms.windows(2) {
        assert!((4_900..5_250).contains(&(pair[1] - pair[0])), "{pair:?}");
    }
}

/// (e) Five minutes of a voice that hardly pauses: the same words as without a gate.
#[tokio::test]
#[ignore = "real time: five minutes"]
async fn five_minutes_of_speech_have_the_same_words_with_a_gate() {
    let stages = [Stage::set("").await, Stage::set("").await];
    let session = async |stage: &Stage, mode| {
        let (mut app, heard) = open_with(stage, mode).await;
        let speaking = async {
            for _ in 0..100 {
                app.say(&recording()).await;
            }
            app.finish().await;
        };
        tokio::join!(speaking, heard).1
    };
    let (gated, ungated) =
        tokio::join!(session(&stages[0], VadMode::Active), session(&stages[1], VadMode::Off));
    gated.assert_alive();
    assert_eq!((gated.summary.finalizes.errors, gated.summary.finalizes.timeouts), (0, 0));
    assert!(gated.summary.finalizes.sent > 20, "{:?}", gated.summary.finalizes);
    assert_eq!(gated.summary.audio.bytes_gated, 0, "no pause is as long as the hangover");
    assert!(gated.words.len() > 500, "{}", gated.words.len());
    assert_eq!(gated.words, ungated.words);
}

/// Opens a session; what it is told is heard while the application speaks.
async fn open(stage: &Stage) -> (App, impl Future<Output = Heard>) {
    open_with(stage, VadMode::Off).await
}

async fn open_with(stage: &Stage, mode: VadMode) -> (App, impl Future<Output = Heard>) {
    let mut client = stage.client().await;
    let request = OpenRequest::new()
        .audio("linear16", SAMPLE_RATE, 1)
        .param("interim_results", true)
        .vad(mode);
    client.open(&request).await.unwrap();
    client.opened().await.unwrap();
    let (sender, receiver) = client.split();
    (App { sender, due: clock::now().into() }, hear(receiver))
}

/// An application that sends each frame when its audio would have been recorded.
struct App {
    sender: Sender,
    due: Instant,
}

impl App {
    /// Audio in frames of 100 ms.
    async fn say(&mut self, audio: &[u8]) {
        for frame in audio.chunks(BYTES_PER_SECOND as usize / 10) {
            self.sender.send_audio(frame).await.unwrap();
            self.pause(FRAME * frame.len() as u32 / (BYTES_PER_SECOND as u32 / 10)).await;
        }
    }

    async fn speak(&mut self, duration: Duration) {
        let frame = speech(FRAME);
        for _ in 0..duration.as_millis() / FRAME.as_millis() {
            self.sender.send_audio(&frame).await.unwrap();
            self.pause(FRAME).await;
        }
    }

    async fn pause(&mut self, duration: Duration) {
        self.due += duration;
        sleep_until(self.due).await;
    }

    async fn finish(&mut self) {
        self.sender.finish().await.unwrap();
    }
}

/// What the application was told, messages apart.
struct Heard {
    events: Vec<Event>,
    /// Of final results.
    words: Vec<String>,
    summary: Summary,
}

impl Heard {
    fn assert_alive(&self) {
        assert_eq!(self.events, []);
        assert_eq!(self.summary.outcome, "finished");
        assert_eq!(self.summary.death, None);
        assert_eq!(self.summary.connections, 1);
        assert_eq!(self.summary.lost_ms, Some(0));
    }
}

async fn hear(mut receiver: Receiver) -> Heard {
    let (mut events, mut words) = (Vec::new(), Vec::new());
    loop {
        match receiver.next().await.unwrap().expect("FINISHED comes last") {
            Incoming::Event(event) => events.push(event),
            Incoming::Finished(summary) => {
                return Heard { events, words, summary: *summary };
            }
            Incoming::Error(refusal) => panic!("{refusal}"),
            Incoming::Message(text) => words.extend(final_words(&text)),
            Incoming::Opened(_) | Incoming::Unknown { .. } => {}
        }
    }
}

fn final_words(text: &[u8]) -> Vec<String> {
    let message: serde_json::Value = serde_json::from_slice(text).unwrap();
    let words = message["channel"]["alternatives"][0]["words"].as_array();
    let words = words.filter(|_| message["is_final"] == true).into_iter().flatten();
    words.map(|word| word["word"].as_str().unwrap().to_owned()).collect()
}

/// Three seconds, of which two and a half are spoken.
fn recording() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav"
    );
    let mut recording = hound::WavReader::open(path).unwrap();
    recording.samples::<i16>().flat_map(|sample| sample.unwrap().to_le_bytes()).collect()
}

/// A tone that the emulator takes for speech.
fn speech(duration: Duration) -> Vec<u8> {
    let samples = duration.as_millis() as usize * SAMPLE_RATE as usize / 1_000;
    [0x2000_i16, -0x2000].map(i16::to_le_bytes).concat().repeat(samples / 2)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const QUERY: &str = "encoding=linear16&sample_rate=16000&channels=1&interim_results=true";
const SAMPLE_RATE: u32 = 16_000;
const BYTES_PER_SECOND: u64 = 32_000;
const FRAME: Duration = Duration::from_millis(100);
