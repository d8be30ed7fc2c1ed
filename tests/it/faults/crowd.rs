//! Two hundred sessions that lose Deepgram at the same moment.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use client::OpenRequest;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{App, Emulator, Sidecar, eventually};

use super::line::{Fault, Line};
use super::row::{SLACK, reconnecting};
use super::story::Story;

const SESSIONS: u64 = 200;

/// Frames of 100 ms that each of them sends before it waits, and after it.
const BEFORE: u64 = 70;
const AFTER: u64 = 10;

/// What the head of the dial queue allows at the first failure, beyond probes: its widest window,
/// and the failures that open its breaker less one.
const DIALS_AT_ONCE: u64 = 64 + 5 - 1;

const SECOND: Duration = Duration::from_secs(1);

/// Room for all of them, and little work with each.
fn deepgram() -> Value {
    json!({"concurrency": 2 * SESSIONS, "hash_audio": false, "final_after": "2s"})
}

/// Sessions that stream, pause until they are let go, stream on and finish.
struct Crowd {
    sidecar: Sidecar,
    stories: JoinSet<Story>,
    go: watch::Sender<bool>,
}

impl Crowd {
    async fn gather(emulator: &Emulator) -> Self {
        let sidecar = reconnecting(emulator).start().await;
        let (go, gone) = watch::channel(false);
        let mut stories = JoinSet::new();
        for number in 0..SESSIONS {
            stories.spawn(stream(sidecar.socket().to_owned(), number, gone.clone()));
        }
        let crowd = Self { sidecar, stories, go };
        crowd.reached("upstream_connect_attempts_total", &[("result", "ok")], SESSIONS).await;
        crowd
    }

    /// Waits until a counter has come this far.
    async fn reached(&self, name: &str, labels: &[(&str, &str)], count: u64) {
        eventually(name, async || {
            let metrics = self.sidecar.metrics().await;
            (metrics.sum(name, labels) >= count as f64).then_some(())
        })
        .await;
    }

    async fn all_recovered(&self) {
        self.reached("recoveries_total", &[("outcome", "recovered")], SESSIONS).await;
    }

    async fn dials(&self) -> u64 {
        self.sidecar.metrics().await.sum("upstream_connect_attempts_total", &[]) as u64
    }

    /// Lets them go, and holds that none has lost anything.
    async fn ends_whole(self) -> Vec<Story> {
        self.go.send_replace(true);
        let stories = self.stories.join_all().await;
        for story in &stories {
            story.assert_times_whole();
            assert!(story.recovered > 0, "{story:#?}");
        }
        stories
    }
}

async fn stream(socket: PathBuf, number: u64, mut go: watch::Receiver<bool>) -> Story {
    let mut app = App::connect_to(&socket).await;
    let open = OpenRequest::new().session_id(format!("app-{number}")).audio("mulaw", 8_000, 1);
    app.sender.open(&open).await.unwrap();
    app.opened().await;
    let App { mut sender, mut reader } = app;
    let speaking = async {
        let mut pace = tokio::time::interval(SECOND / 10);
        for frame in 0..BEFORE + AFTER {
            if frame == BEFORE {
                go.wait_for(|go| *go).await.unwrap();
                pace.reset();
            }
            pace.tick().await;
            // The loudest there is, at 8 kHz and one byte a sample.
            let _ = sender.send_audio(&[0; 800]).await;
        }
        let _ = sender.finish().await;
    };
    let (mut story, ()) = tokio::join!(Story::read(&mut reader), speaking);
    story.frames = BEFORE + AFTER;
    story
}

pub(super) fn faults() -> Vec<Fault> {
    vec![Box::pin(storm())]
}

async fn storm() -> Line {
    let emulator = Emulator::with(deepgram(), &[]).await;
    let crowd = Crowd::gather(&emulator).await;
    let struck = clock::now();
    emulator.change("connections: [{refuse: {status: 429}}]\nnow: [reset]").await;
    // As long as it lasts.
    tokio::time::sleep(5 * SECOND).await;
    emulator.change("connections: []").await;
    crowd.all_recovered().await;
    let stories = crowd.ends_whole().await;
    let told = |story: &Story| story.deaths[0].at.saturating_duration_since(struck);
    let noticed = stories.iter().map(told).max();
    assert!(noticed < Some(SLACK), "{noticed:?}");
    let refused =
        stories.iter().flat_map(|story| &story.redials).filter(|it| it.reason == "http_429");
    assert!(refused.count() > 0);
    Line {
        fault: "200 sessions are reset, and get 429 for 5 s".into(),
        reason: "`http_429`".into(),
        noticed,
        lost_ms: stories.iter().map(|story| story.summary().lost_ms).sum(),
        recovered: "yes, all".into(),
    }
}

/// The most dials within a second, from samples of the counter.
fn peak(samples: &[(Instant, u64)]) -> u64 {
    let within = |from: &(Instant, u64)| {
        let later = samples.iter().filter(|it| it.0.saturating_duration_since(from.0) <= SECOND);
        later.map(|it| it.1 - it.1.min(from.1)).max().unwrap_or(0)
    };
    samples.iter().map(within).max().unwrap_or(0)
}

/// Kills Deepgram for this long. How long after its return the last session had recovered.
async fn take_away(emulator: Emulator, outage: Duration, crowd: &Crowd) -> (Emulator, Duration) {
    let killed = emulator.kill().await;
    tokio::time::sleep(outage).await;
    let emulator = killed.revive().await;
    let revived_at = clock::now();
    crowd.all_recovered().await;
    (emulator, clock::now().duration_since(revived_at))
}

#[tokio::test]
async fn two_hundred_sessions_outlive_twenty_seconds_without_deepgram() {
    let emulator = Emulator::listening_at("127.7.0.3:0", deepgram(), &[]).await;
    let crowd = Crowd::gather(&emulator).await;
    let before = crowd.dials().await;
    let began = clock::now();
    let mut samples = Vec::new();
    let sampling = async {
        let mut pace = tokio::time::interval(SECOND / 5);
        loop {
            pace.tick().await;
            samples.push((clock::now(), crowd.dials().await));
        }
    };
    let (_emulator, last) = tokio::select! {
        recovered = take_away(emulator, 20 * SECOND, &crowd) => recovered,
        () = sampling => unreachable!("it samples for ever"),
    };
    let dials = crowd.dials().await - before;
    let probes = clock::now().duration_since(began).as_secs() / 2 + 1;
    println!(
        "{dials} dials, at most {} a second; the last recovery after {last:?}",
        peak(&samples)
    );
    assert!(dials <= SESSIONS + DIALS_AT_ONCE + probes, "{dials} dials, {probes} probes");
    crowd.ends_whole().await;
}
