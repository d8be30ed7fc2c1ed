//! The seed scenarios in real time: real processes, five minutes, nothing sped up.
//!
//! The same stories run in virtual time with every test run, against the session machine alone.
//! These show that clock, sockets and processes keep what the machine promises. They are ignored
//! unless asked for: `make scenarios` runs all of them side by side.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use std::time::Duration;

use client::{Event, Incoming, OpenRequest, Receiver, Sender, Summary};

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

/// Opens a session; what it is told is heard while the application speaks.
async fn open(stage: &Stage) -> (App, impl Future<Output = Heard>) {
    let mut client = stage.client().await;
    let request =
        OpenRequest::new().audio("linear16", SAMPLE_RATE, 1).param("interim_results", true);
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
    let mut events = Vec::new();
    loop {
        match receiver.next().await.unwrap().expect("FINISHED comes last") {
            Incoming::Event(event) => events.push(event),
            Incoming::Finished(summary) => return Heard { events, summary: *summary },
            Incoming::Error(refusal) => panic!("{refusal}"),
            Incoming::Opened(_) | Incoming::Message(_) | Incoming::Unknown { .. } => {}
        }
    }
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
