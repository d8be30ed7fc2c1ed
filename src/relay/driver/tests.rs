//! Whole sessions over the real codecs, application, sidecar and emulator in one runtime whose
//! clock is virtual.

mod endpoints;
mod gate;

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::task::TaskTracker;

use super::*;
use crate::config::Config;
use crate::daemon::defaults::{recovery, session_defaults};
use crate::drain::Drain;
use crate::ipc::socket::AppSocket;
use crate::live::registry::Registry;
use crate::relay::reception::{Door, Peers, Reception, Unopened};
use crate::telemetry::{SessionTelemetry, Telemetry};
use crate::upstream::dial::{Attempt, Dialed};
use crate::upstream::link::Link;
use crate::upstream::meter::{Meter, Metered};
use crate::upstream::upgrade::{Ask, upgrade};
use client::{Client, Incoming, OpenRequest, Summary};
use emulator::{Emulator, Script, Settings, position};
use session::audio::AudioFormat;
use session::counts::Count;
use session::dial::{DialFailure, DialPhases};
use session::drain::{DrainTimes, Flush, LastFrame};
use session::gate::VadConfig;
use session::{Endpoint, SessionConfig, SessionId, State};

/// 100 ms of 16 kHz linear16.
const FRAME_SAMPLES: usize = 1_600;
const FRAME: Duration = Duration::from_millis(100);

/// Reaches an emulator without a network.
struct InMemory {
    emulator: Emulator,
}

impl Dial for InMemory {
    type Stream = Metered<DuplexStream>;

    async fn dial(self: Arc<Self>, attempt: Attempt) -> Result<Dialed<Self::Stream>, DialFailure> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        self.emulator.serve_stream(theirs);
        let (stream, meter) = Metered::new(ours);
        let path_and_query = format!("{}?{}", attempt.endpoint.path(), attempt.query);
        let authorization = Some("Token test".parse().unwrap());
        let ask = Ask { authority: "deepgram", path_and_query: &path_and_query, authorization };
        let upgraded = upgrade(stream, ask).await?;
        let link = Link::new(upgraded.stream, upgraded.early, meter, attempt.endpoint).await;
        let request_id = upgraded.request_id;
        Ok(Dialed { link, request_id, phases: DialPhases::default(), lease: None })
    }
}

/// The sidecar's parts around a session, and an emulator behind them.
struct Rig {
    reception: Arc<Reception<InMemory>>,
    connections: JoinSet<()>,
}

impl Rig {
    fn new(config: &Config, settings: Settings, script: &str) -> Self {
        let script = Script::from_yaml(script).unwrap();
        let emulator = Emulator::offline(settings, script).unwrap();
        let reception = Reception {
            registry: Registry::new(config.ipc.max_sessions, None),
            dialer: Arc::new(InMemory { emulator }),
            defaults: session_defaults(config),
            recovery: recovery(config),
            open_timeout: config.ipc.open_timeout,
            frame_bytes_max: config.ipc.max_frame_bytes,
            peers: Peers::default(),
            telemetry: Telemetry::default(),
            drain: Drain::default(),
            sessions: TaskTracker::new(),
            unopened: Unopened::new(config.ipc.max_sessions),
            refused_full: AtomicU64::default(),
        };
        Self { reception: Arc::new(reception), connections: JoinSet::new() }
    }

    fn plain() -> Self {
        let settings = Settings { position_code: true, ..Settings::default() };
        Self::new(&Config::default(), settings, "connections: []")
    }

    fn connect(&mut self) -> InMemoryClient {
        let (ours, theirs) = tokio::io::duplex(256 << 10);
        let reception = self.reception.clone();
        self.connections.spawn(async move { reception.serve(ours, Door::Socket(None)).await });
        Client::over(theirs)
    }

    async fn open(&mut self) -> InMemoryClient {
        let mut client = self.connect();
        let request =
            OpenRequest::new().audio("linear16", 16_000, 1).param("interim_results", true);
        client.open(&request).await.unwrap();
        client.opened().await.unwrap();
        client
    }

    /// Shutdown begins.
    fn drain(&self) {
        let now = clock::now();
        let times = DrainTimes { linger_until: now, deadline: now + Duration::from_secs(25) };
        self.reception.drain.begin(times, &self.reception.registry);
    }

    fn emulator(&self) -> &Emulator {
        &self.reception.dialer.emulator
    }
}

type InMemoryClient = Client<tokio::io::ReadHalf<DuplexStream>, tokio::io::WriteHalf<DuplexStream>>;

/// Position-coded audio at the pace of real time, from sample `from` on.
async fn speak(client: &mut InMemoryClient, from: u64, duration: Duration) -> u64 {
    let frames = duration.as_millis() / FRAME.as_millis();
    let mut at = from;
    for _ in 0..frames {
        client.send_audio(&position::encode(at, FRAME_SAMPLES)).await.unwrap();
        at += FRAME_SAMPLES as u64;
        sleep(FRAME).await;
    }
    at
}

async fn finish(mut client: InMemoryClient) -> Summary {
    client.finish().await.unwrap();
    client.finished().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn speech_and_silence_for_five_minutes_cost_no_word() {
    let mut rig = Rig::plain();
    let mut client = rig.open().await;
    let mut at = 0;
    for (speech, silence) in [(30, 8), (20, 12)].repeat(4) {
        at = speak(&mut client, at, Duration::from_secs(speech)).await;
        sleep(Duration::from_secs(silence)).await;
    }
    let summary = finish(client).await;
    assert_eq!(summary.outcome, "finished");
    assert_eq!(summary.keepalives, 12);
    assert!(summary.audio.balances());
    let positions = rig.emulator().observed().positions();
    assert_eq!(positions.never(at), [], "every sample became text");
    assert_eq!(positions.repeated(), [], "and none twice");
}

#[tokio::test(start_paused = true)]
async fn the_books_of_both_ends_agree() {
    let mut rig = Rig::plain();
    let mut client = rig.open().await;
    speak(&mut client, 0, Duration::from_secs(3)).await;
    client.finalize(None).await.unwrap();
    sleep(Duration::from_secs(12)).await;
    let summary = finish(client).await;
    let observed = rig.emulator().observed();
    let seen = &observed.connections[0];
    assert_eq!(seen.audio_bytes, summary.audio.bytes_sent);
    assert_eq!(seen.keepalives, summary.keepalives);
    assert_eq!(seen.finalizes, summary.finalizes.sent);
    assert_eq!(summary.finalizes.timeouts, 0);
    assert!(seen.close_stream);
}

#[tokio::test(start_paused = true)]
async fn a_close_reaches_the_application_in_the_same_instant() {
    let script = "connections: [{then: [{at: 3s, do: {close: {code: 1011, reason: 'net0000'}}}]}]";
    let mut rig = Rig::new(&Config::default(), Settings::default(), script);
    let mut client = rig.open().await;
    let begun = clock::now();
    let event = loop {
        if let Some(Incoming::Event(event)) = client.next().await.unwrap() {
            break event;
        }
    };
    assert_eq!((event.name(), event.text("reason")), ("dead", Some("net_0000_no_result")));
    let waited = clock::now() - begun;
    assert!(waited < Duration::from_millis(3_010), "told {waited:?} after the opening");
    assert_eq!(finish(client).await.outcome, "dead");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_noticed_in_ten_seconds() {
    let script = "connections: [{then: [{at: 2s, do: half_open}]}]";
    let mut rig = Rig::new(&Config::default(), Settings::default(), script);
    let mut client = rig.open().await;
    let event = loop {
        if let Some(Incoming::Event(event)) = client.next().await.unwrap() {
            break event;
        }
    };
    assert_eq!(event.text("reason"), Some("ping_timeout"));
    assert!(event.at_ms() <= 12_100, "{event:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stuck_connection_and_a_stuck_application_disturb_nobody() {
    // The third connection stops reading; the pipe to it holds 64 KiB, which is 2 s of audio.
    let script = "{connections: [{}, {}, {then: [{at: 1s, do: stop_reading}]}, {}]}";
    let mut rig = Rig::new(&Config::default(), Settings::default(), script);
    let mut clients = Vec::new();
    for _ in 0..52 {
        clients.push(rig.open().await);
    }
    let mut deaf = clients.remove(0);
    let mut sessions = JoinSet::new();
    for mut client in clients {
        sessions.spawn(async move {
            speak(&mut client, 0, Duration::from_secs(12)).await;
            finish(client).await
        });
    }
    // It floods the sidecar with requests for answers that it never reads.
    let flood = async move {
        while deaf.finalize(None).await.is_ok() {
            speak(&mut deaf, 0, FRAME).await;
        }
    };
    let mut outcomes = Vec::new();
    tokio::select! {
        () = async { while let Some(summary) = sessions.join_next().await {
            outcomes.push(summary.unwrap());
        } } => {}
        () = flood => panic!("the deaf application has 30 s"),
    }
    let dead: Vec<_> = outcomes.iter().filter(|it| it.outcome != "finished").collect();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0].death.as_ref().unwrap().reason, "write_stalled");
    let bytes = 12 * 32_000;
    assert!(
        outcomes
            .iter()
            .filter(|it| it.outcome == "finished")
            .all(|it| it.audio.bytes_sent == bytes)
    );
}

#[tokio::test(start_paused = true)]
async fn an_open_that_never_comes_is_closed_without_a_word() {
    let mut rig = Rig::plain();
    let mut client = rig.connect();
    let begun = clock::now();
    assert!(client.next().await.unwrap().is_none());
    assert_eq!(clock::now() - begun, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_silent_connections_lock_nobody_out_and_leave_nothing() {
    let mut config = Config::default();
    config.ipc.max_sessions = 10;
    let mut rig = Rig::new(&config, Settings::default(), "connections: []");
    let silent: Vec<_> = (0..10_000).map(|_| rig.connect()).collect();
    let summary = finish(rig.open().await).await;
    assert_eq!(summary.outcome, "finished");
    while rig.connections.join_next().await.is_some() {}
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn a_name_can_be_used_again_at_once() {
    let mut rig = Rig::plain();
    for _ in 0..50 {
        let mut client = rig.connect();
        client.open(&OpenRequest::new().session_id("same")).await.unwrap();
        client.opened().await.unwrap();
        assert_eq!(finish(client).await.outcome, "finished");
    }
}

/// A pipe full of the smallest messages is much work, and one poll must not do it all.
#[tokio::test(start_paused = true)]
async fn a_flood_of_small_messages_lets_others_have_their_turn() {
    const FRAMES: usize = 100_000;
    let (ours, _deepgram) = tokio::io::duplex(1 << 20);
    let (mut app, app_end) = tokio::io::duplex(1 << 20);
    let flood = [2_u8, 0, 0, 0, 0].repeat(FRAMES);
    tokio::io::AsyncWriteExt::write_all(&mut app, &flood).await.unwrap();
    let (live, driver) = driver(app_end, Flooded(Mutex::new(Some(ours))));
    let mut session = std::pin::pin!(driver.run());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut polls = 0;
    while live.counters.get(Count::Frames) < FRAMES as u64 {
        let before = live.counters.get(Count::Frames);
        assert!(session.as_mut().poll(&mut cx).is_pending());
        assert!(live.counters.get(Count::Frames) - before <= 2_048);
        polls += 1;
    }
    assert!(polls >= FRAMES / 2_048);
}

/// Deepgram was read on while it had anything to say, and nothing was written meanwhile.
#[tokio::test(start_paused = true)]
async fn a_flood_of_messages_does_not_pile_up() {
    const MESSAGES: usize = 300;
    let message = format!(r#"{{"type":"Results","x":"{}"}}"#, "a".repeat(8 << 10));
    let (ours, theirs) = tokio::io::duplex(4 << 20);
    let mut deepgram = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
    for _ in 0..MESSAGES {
        deepgram.send(Message::text(message.clone())).await.unwrap();
    }
    let (app, app_end) = tokio::io::duplex(16 << 20);
    let (live, mut session) = driven(app_end, Flooded(Mutex::new(Some(ours))));
    let mut client = Client::over(app);
    client.opened().await.unwrap();
    let mut most = 0;
    for _ in 0..MESSAGES {
        most = most.max(live.counters.get(Count::AppQueueBytes));
        let Some(Incoming::Message(text)) = client.next().await.unwrap() else { panic!() };
        assert_eq!(text.len(), message.len());
    }
    assert!(most <= (APP_UNWRITTEN_BYTES_MAX + message.len() + 64) as u64, "{most} B waited");
    session.abort_all();
}

/// The whole process stood still for longer than an application may leave its socket unread, and the
/// application has read meanwhile: its socket is looked at before its deadline.
#[tokio::test(start_paused = true)]
async fn an_application_that_has_read_is_not_judged_by_a_pause_of_ours() {
    // More than the pipe takes, less than makes the driver write before all else.
    const MESSAGES: usize = 4;
    let message = format!(r#"{{"type":"Results","x":"{}"}}"#, "a".repeat(8 << 10));
    let (ours, theirs) = tokio::io::duplex(4 << 20);
    let mut deepgram = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
    for _ in 0..MESSAGES {
        deepgram.send(Message::text(message.clone())).await.unwrap();
    }
    let (app, app_end) = tokio::io::duplex(16 << 10);
    let (live, driver) = driver(app_end, Flooded(Mutex::new(Some(ours))));
    // Polled by hand, so that it stands still while the clock moves and the application reads.
    let mut session = std::pin::pin!(driver.run());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    while live.counters.get(Count::AppQueueBytes) == 0 {
        assert!(session.as_mut().poll(&mut cx).is_pending());
    }
    let mut client = Client::over(app);
    client.opened().await.unwrap();
    let patience = Config::default().session.app_stall_timeout;
    tokio::time::advance(patience + Duration::from_millis(500)).await;
    // It lets the sockets show what has come meanwhile.
    assert!(session.as_mut().poll(&mut cx).is_pending());
    tokio::time::advance(clock::CATCH_UP + Duration::from_millis(1)).await;
    for _ in 0..MESSAGES {
        // One turn writes, or gives the application up.
        assert!(session.as_mut().poll(&mut cx).is_pending());
        assert_eq!(live.state(), State::Open, "the application was given up");
        let Some(Incoming::Message(text)) = client.next().await.unwrap() else { panic!() };
        assert_eq!(text.len(), message.len());
    }
}

/// A session of a driver alone.
fn driven<D: Dial>(
    app: DuplexStream,
    dialer: D,
) -> (Arc<LiveSession>, JoinSet<Ended<DuplexStream>>) {
    let (live, driver) = driver(app, dialer);
    let mut session = JoinSet::new();
    session.spawn(driver.run());
    (live, session)
}

type PipeDriver<D> = Driver<AppSocket<DuplexStream>, D, SessionTelemetry>;

fn driver<D: Dial>(app: DuplexStream, dialer: D) -> (Arc<LiveSession>, Box<PipeDriver<D>>) {
    driver_of(app, Arc::new(dialer), session_defaults(&Config::default()))
}

fn driver_of<D: Dial>(
    app: DuplexStream,
    dialer: Arc<D>,
    config: SessionConfig,
) -> (Arc<LiveSession>, Box<PipeDriver<D>>) {
    let (id, now) = (SessionId::parse("s").unwrap(), clock::now());
    let live = LiveSession::new(id.clone(), Endpoint::V1Listen, None, now, Vec::new());
    let slot = Registry::new(1, None).claim(live.clone()).unwrap();
    let mut socket = AppSocket::new(app, 1 << 20);
    socket.opened(Endpoint::V1Listen, false);
    let machine = Session::new(id, config, now, 7);
    let observer = Telemetry::default().session(live.clone());
    let driver = Driver::new(machine, socket, dialer, "".into(), slot, observer);
    (live, Box::new(driver))
}

/// One stream that is upgraded already.
struct Flooded(Mutex<Option<DuplexStream>>);

impl Dial for Flooded {
    type Stream = DuplexStream;

    async fn dial(self: Arc<Self>, attempt: Attempt) -> Result<Dialed<DuplexStream>, DialFailure> {
        let stream = self.0.lock().unwrap().take().unwrap();
        let link = Link::new(stream, Bytes::new(), Meter::default(), attempt.endpoint).await;
        Ok(Dialed { link, request_id: None, phases: DialPhases::default(), lease: None })
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_answers_whoever_looks_closely() {
    let mut rig = Rig::plain();
    let mut client = rig.open().await;
    speak(&mut client, 0, Duration::from_secs(2)).await;
    let live = rig.reception.registry.sessions().remove(0);
    let inspection = live.inspect().await.unwrap();
    assert_eq!(inspection.snapshot.connection.unwrap().number, 1);
    assert_eq!(inspection.snapshot.counts[Count::CursorBytes], 64_000);
    let keepalive = inspection.deadlines.iter().find(|(timer, _)| timer.as_str() == "keepalive");
    let due_in = keepalive.unwrap().1.duration_since(inspection.at);
    assert!((4_000..=5_000).contains(&due_in.as_millis()), "{due_in:?}");
    assert_eq!(live.events()[0].count, 1);
    // It goes on, also after shutdown has begun.
    rig.drain();
    let inspection = live.inspect().await;
    let has_drain = |it: Inspection| it.deadlines.iter().any(|(it, _)| it.as_str() == "drain");
    assert!(inspection.is_err() || has_drain(inspection.unwrap()));
    assert_eq!(client.finished().await.unwrap().outcome, "drained");
}

#[tokio::test(start_paused = true)]
async fn too_many_onlookers_are_turned_away_and_nobody_waits_for_a_session_that_is_gone() {
    let mut rig = Rig::plain();
    let client = rig.open().await;
    let live = rig.reception.registry.sessions().remove(0);
    let answers: Vec<_> = (0..20).map(|_| live.inspect()).collect();
    let mut answered = 0;
    for answer in answers {
        answered += usize::from(answer.await.is_ok());
    }
    assert_eq!(answered, 8);
    finish(client).await;
    while rig.connections.join_next().await.is_some() {}
    assert!(live.inspect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn shutdown_delivers_the_last_words_and_says_so() {
    let mut rig = Rig::plain();
    let mut client = rig.open().await;
    let end = speak(&mut client, 0, Duration::from_secs(2)).await;
    rig.drain();
    let summary = client.finished().await.unwrap();
    assert_eq!((summary.outcome.as_str(), summary.cut), ("drained", false));
    assert_eq!(rig.emulator().observed().positions().never(end), []);
    let mut late = rig.connect();
    let Some(Incoming::Error(refusal)) = late.next().await.unwrap() else { panic!("let in") };
    assert_eq!(refusal.code, "draining");
}

#[tokio::test(start_paused = true)]
async fn what_was_written_before_shutdown_and_not_yet_read_becomes_text() {
    let mut rig = Rig::plain();
    let mut client = rig.open().await;
    let spoken = speak(&mut client, 0, Duration::from_secs(2)).await;
    // Nobody else runs meanwhile, so the sidecar hears of shutdown first.
    for frame in 0..10 {
        let from = spoken + frame * FRAME_SAMPLES as u64;
        client.send_audio(&position::encode(from, FRAME_SAMPLES)).await.unwrap();
    }
    rig.drain();
    let summary = client.finished().await.unwrap();
    assert_eq!((summary.outcome.as_str(), summary.audio.bytes_dropped), ("drained", 0));
    let end = spoken + 10 * FRAME_SAMPLES as u64;
    assert_eq!(rig.emulator().observed().positions().never(end), []);
}

/// Whether an application reads its last frame, and what its receipt says.
async fn last_frame_of(leave: impl AsyncFnOnce(InMemoryClient)) -> LastFrame {
    let mut rig = Rig::plain();
    let client = rig.open().await;
    rig.drain();
    leave(client).await;
    while rig.connections.join_next().await.is_some() {}
    let tally = rig.reception.drain.tally();
    assert_eq!((tally.sessions(), tally.flushes(Flush::Flushed)), (1, 1));
    let told = |it: &LastFrame| tally.last_frames(*it) == 1;
    LastFrame::ALL.into_iter().find(told).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_receipt_says_whether_the_last_frame_was_read() {
    let reads = async |mut client: InMemoryClient| drop(client.finished().await.unwrap());
    assert_eq!(last_frame_of(reads).await, LastFrame::Read);
    let leaves = async |client: InMemoryClient| drop(client);
    assert_eq!(last_frame_of(leaves).await, LastFrame::Unsent);
    let stays = async |mut client: InMemoryClient| {
        client.finished().await.unwrap();
        sleep(Duration::from_secs(2)).await;
    };
    assert_eq!(last_frame_of(stays).await, LastFrame::Unknown);
}

/// Long streaming once made the clock go before what the sockets held.
#[tokio::test(start_paused = true)]
async fn what_came_during_a_pause_of_ours_is_heard_before_the_clock() {
    let config = Config::default();
    let settings = Settings { result_latency: Duration::ZERO, ..Settings::default() };
    let rig = Rig::new(&config, settings, "connections: []");
    let (ours, theirs) = tokio::io::duplex(256 << 10);
    let mut sidecar = std::pin::pin!(rig.reception.serve(ours, Door::Socket(None)));
    let mut client = Client::over(theirs);
    let streaming = async {
        client.open(&OpenRequest::new().audio("linear16", 16_000, 1)).await.unwrap();
        client.opened().await.unwrap();
        speak(&mut client, 0, Duration::from_secs(20)).await;
        client.finish().await.unwrap();
    };
    tokio::select! {
        () = streaming => {}
        () = &mut sidecar => unreachable!("the session goes on"),
    }
    // CloseStream goes out; then the sidecar does not run while Deepgram answers and closes, and
    // for longer than the finish deadline.
    poll_fn(|cx| Poll::Ready(sidecar.as_mut().poll(cx).is_pending())).await;
    sleep(config.session.finish_timeout + Duration::from_millis(500)).await;
    let summary = tokio::select! {
        summary = client.finished() => summary.unwrap(),
        () = &mut sidecar => client.finished().await.unwrap(),
    };
    assert_eq!(summary.outcome, "finished");
}
