//! Storms of refusals: 200 whole sessions over the real codecs, in one runtime whose clock is
//! virtual.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::*;
use crate::config::Config;
use crate::daemon::defaults::{recovery, session_defaults};
use crate::drain::Drain;
use crate::live::registry::Registry;
use crate::relay::reception::{Door, Peers, Reception, Unopened};
use crate::upstream::link::Link;
use crate::upstream::meter::Metered;
use crate::upstream::upgrade::{Ask, upgrade};
use client::{Client, Error, Incoming, OpenRequest};
use emulator::{Change, Emulator, Script, Settings};
use session::dial::{Blocker, DialPhases};
use session::dial_queue::{FAILURES_MAX, WINDOW_MIN};

const SESSIONS: usize = 200;

type InMemoryClient = Client<tokio::io::ReadHalf<DuplexStream>, tokio::io::WriteHalf<DuplexStream>>;

/// How many dials a storm may cost, and how many sessions that were dialled in it.
const STORM_DIALS: usize = WINDOW_MIN + FAILURES_MAX as usize - 1;

/// Reaches an emulator without a network, in 100 ms.
struct InMemory(Emulator);

impl Dial for InMemory {
    type Stream = Metered<DuplexStream>;

    async fn dial(self: Arc<Self>, attempt: Attempt) -> Result<Dialed<Self::Stream>, DialFailure> {
        sleep(Duration::from_millis(100)).await;
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        self.0.serve_stream(theirs);
        let (stream, meter) = Metered::new(ours);
        let authorization = Some("Token test".parse().unwrap());
        let path_and_query = attempt.endpoint.path();
        let upgraded =
            upgrade(stream, Ask { authority: "x", path_and_query, authorization }).await?;
        let link = Link::new(upgraded.stream, upgraded.early, meter, attempt.endpoint).await;
        Ok(Dialed { link, request_id: None, phases: DialPhases::default(), lease: None })
    }
}

/// A storm: what became of each session, and when.
struct Storm {
    dialer: Arc<InMemory>,
    turns: Arc<Turns>,
    dials: Dials,
    reception: Arc<Reception<QueuedDialer<InMemory>>>,
    tasks: JoinSet<()>,
    sessions: JoinSet<(usize, Duration, Result<(), Error>)>,
    begun: Instant,
}

impl Storm {
    fn new(plan: &str) -> Self {
        Self::within(plan, None)
    }

    /// With at most so many connections.
    fn within(plan: &str, connections_max: Option<usize>) -> Self {
        let script = Script::from_yaml(&format!("connections: [{plan}]")).unwrap();
        let dialer = Arc::new(InMemory(Emulator::offline(Settings::default(), script).unwrap()));
        let (telemetry, dials) = (Telemetry::default(), Dials::default());
        let registry = Registry::new(SESSIONS, connections_max);
        let turns = Turns::new(7, telemetry.clone(), dials.clone(), registry.clone());
        let config = Config::default();
        let reception = Arc::new(Reception {
            registry,
            dialer: Arc::new(QueuedDialer::new(dialer.clone(), turns.clone())),
            defaults: session_defaults(&config),
            recovery: recovery(&config),
            open_timeout: config.ipc.open_timeout,
            frame_bytes_max: config.ipc.max_frame_bytes,
            peers: Peers::default(),
            telemetry,
            drain: Drain::default(),
            sessions: TaskTracker::new(),
            unopened: Unopened::new(SESSIONS),
            refused_full: AtomicU64::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(turns.clone().run());
        let (sessions, begun) = (JoinSet::new(), clock::now());
        Self { dialer, turns, dials, reception, tasks, sessions, begun }
    }

    /// An application that is connected and has said nothing.
    fn connect(&mut self) -> InMemoryClient {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let reception = self.reception.clone();
        self.tasks.spawn(async move { reception.serve(ours, Door::Socket(None)).await });
        Client::over(theirs)
    }

    /// Opens so many sessions, one after the other within a few milliseconds.
    async fn open(&mut self, sessions: usize) {
        for number in 0..sessions {
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            let reception = self.reception.clone();
            self.tasks.spawn(async move { reception.serve(ours, Door::Socket(None)).await });
            let begun = self.begun;
            self.sessions.spawn(async move {
                let mut client = Client::over(theirs);
                client.open(&OpenRequest::new().audio("linear16", 16_000, 1)).await.unwrap();
                let opened = client.opened().await.map(drop);
                let waited = clock::now().duration_since(begun);
                if opened.is_ok() {
                    client.finish().await.unwrap();
                    client.finished().await.unwrap();
                }
                (number, waited, opened)
            });
            tokio::task::yield_now().await;
        }
    }

    fn recover(&self) {
        self.dialer.0.change(&Change::from_yaml("connections: [{accept: {}}]").unwrap()).unwrap();
    }

    fn dials(&self) -> usize {
        self.dialer.0.observed().connections.len()
    }

    /// Everybody's end: which session, when, and the refusal if it was one.
    async fn ends(&mut self) -> Vec<(usize, Duration, Option<Box<client::Refusal>>)> {
        let mut ends = Vec::new();
        while let Some(end) = self.sessions.join_next().await {
            let (number, waited, result) = end.unwrap();
            let refusal = match result {
                Ok(()) => None,
                Err(Error::Refused(refusal)) => Some(refusal),
                Err(other) => panic!("{other}"),
            };
            ends.push((number, waited, refusal));
        }
        ends
    }
}

async fn opened(storm: &mut Storm) -> Result<InMemoryClient, Error> {
    let mut client = storm.connect();
    client.open(&OpenRequest::new().audio("linear16", 16_000, 1)).await.unwrap();
    client.opened().await.map(|_| client)
}

async fn event(client: &mut InMemoryClient) -> String {
    loop {
        if let Some(Incoming::Event(event)) = client.next().await.unwrap() {
            return event.name().to_owned();
        }
    }
}

/// With one connection for all, it goes to whoever needs it.
#[tokio::test(start_paused = true)]
async fn an_idle_session_gives_its_connection_up_and_gets_another_when_it_speaks() {
    let mut storm = Storm::within("{accept: {}}", Some(1));
    let mut first = opened(&mut storm).await.unwrap();
    first.send_audio(&[1; 3_200]).await.unwrap();
    let refused = opened(&mut storm).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("upstream.max_connections"), "{refused}");
    sleep(Duration::from_secs(11)).await;
    let mut second = opened(&mut storm).await.unwrap();
    assert_eq!(event(&mut first).await, "parked");
    first.send_audio(&[1; 3_200]).await.unwrap();
    // The second has said nothing since it was opened: soon it is idle as well.
    assert_eq!(event(&mut second).await, "parked");
    assert_eq!(event(&mut first).await, "resumed");
    first.finish().await.unwrap();
    let summary = first.finished().await.unwrap();
    assert_eq!((summary.outcome.as_str(), summary.connections), ("finished", 2));
    assert_eq!(summary.lost_ms, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_dialled_with_a_few_times_and_not_once_for_each_session() {
    for status in [401, 402] {
        let mut storm = Storm::new(&format!("{{refuse: {{status: {status}}}}}"));
        storm.open(SESSIONS).await;
        let ends = storm.ends().await;
        assert_eq!(ends.len(), SESSIONS);
        for (_, waited, refusal) in ends {
            let refusal = refusal.expect("it is refused");
            assert_eq!(refusal.status, Some(status));
            assert_eq!(refusal.reason, Some(format!("http_{status}")));
            assert!(waited < Duration::from_secs(1), "{waited:?}");
        }
        assert_eq!(storm.dials(), WINDOW_MIN);
        let held = storm.dials.held().unwrap();
        assert_eq!(held.blocker, Blocker::CredentialRefused);
        // A key that is replaced is tried at once.
        storm.recover();
        storm.turns.replace_credential();
        assert_eq!(storm.dials.held(), None);
        storm.open(SESSIONS).await;
        assert!(storm.ends().await.iter().all(|(_, _, refusal)| refusal.is_none()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_or_broken_deepgram_is_waited_for_in_line_and_then_everybody_is_served() {
    for (plan, probes) in [
        // Holds of at least 1, 2 and 4 s fit into 10 s, and in an outage 1, 2, 2, 2 and 2 s.
        ("status: 429", 3),
        ("status: 503", 5),
        ("status: 429, retry_after: 8s", 1),
        ("status: 429, retry_after: 8s, retry_after_date: true", 1),
        ("status: 503, retry_after: 8s", 1),
    ] {
        let mut storm = Storm::new(&format!("{{refuse: {{{plan}}}}}"));
        storm.open(SESSIONS).await;
        sleep(Duration::from_secs(10)).await;
        let dials = storm.dials();
        assert!(dials <= STORM_DIALS + probes, "{plan}: {dials} dials");
        storm.recover();
        let mut ends = storm.ends().await;
        assert_eq!(ends.len(), SESSIONS, "{plan}");
        assert!(ends.iter().all(|(_, _, refusal)| refusal.is_none()), "{plan}");
        let last = ends.iter().map(|(_, waited, _)| *waited).max().unwrap();
        // The longest hold that the storm can have led to, and the rounds of dials after it.
        assert!(last < Duration::from_secs(10 + 9 + 2), "{plan}: {last:?}");
        assert_eq!(storm.dials(), dials + SESSIONS, "{plan}: each was dialled once more");
        // First come, first served: those in line kept their order, whoever was refused is behind.
        ends.sort_by_key(|(_, waited, _)| *waited);
        let in_line: Vec<_> = ends.iter().map(|(number, ..)| *number).collect();
        let first: Vec<_> = in_line.iter().copied().filter(|it| *it >= dials).collect();
        assert!(first.is_sorted_by_key(|it| it / 64), "{plan}: {first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let mut storm = Storm::new("{refuse: {status: 429}}");
    storm.open(SESSIONS).await;
    let ends = storm.ends().await;
    assert_eq!(ends.len(), SESSIONS);
    // A minute in line, and up to three attempts with 1 and 2 s and jitter between them.
    let last = ends.iter().map(|(_, waited, _)| *waited).max().unwrap();
    assert!(last < Duration::from_secs(60 + 6), "{last:?}");
    for (number, _, refusal) in ends {
        let refusal = refusal.unwrap_or_else(|| panic!("{number} was opened"));
        assert_eq!(refusal.reason.as_deref(), Some("http_429"));
    }
    // At least 1, 2, 4, 8, 16 and 32 s before the probes.
    assert!(storm.dials() <= STORM_DIALS + 6, "{}", storm.dials());
}

#[tokio::test(start_paused = true)]
async fn more_than_a_minute_is_not_waited_for_and_told() {
    let mut storm = Storm::new("{refuse: {status: 429, retry_after: 90s}}");
    storm.open(SESSIONS).await;
    for (_, waited, refusal) in storm.ends().await {
        let refusal = refusal.unwrap();
        let told = refusal.retry_after_ms.unwrap_or_else(|| panic!("{refusal:?}"));
        assert!((59_000..=90_000).contains(&told), "{told}");
        assert!(waited < Duration::from_secs(2), "{waited:?}");
    }
    assert!(storm.dials() <= STORM_DIALS);
}

#[tokio::test(start_paused = true)]
async fn applications_that_leave_give_their_places_to_others() {
    let mut storm = Storm::new("{refuse: {status: 503}}");
    storm.open(SESSIONS).await;
    sleep(Duration::from_millis(500)).await;
    storm.sessions.shutdown().await;
    storm.recover();
    storm.open(1).await;
    assert!(storm.ends().await[0].2.is_none());
    assert_eq!(storm.turns.lock().waiting.len(), 0);
}
