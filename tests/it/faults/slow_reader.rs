//! A Deepgram that stops reading one session, and the sessions beside it.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::death::{assert_death, labels_of};
use crate::refusal::{OPEN, framed};
use crate::support::{App, Emulator, Sidecar, speech, within};

use super::row::{SLACK, deepgram, reconnecting};
use super::story::{Story, talkative};

const NEIGHBOURS: u64 = 3;
const FRAMES: u64 = 90;

const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// A session that streams in real time, and when it sent each frame.
async fn stream(socket: PathBuf, number: u64) -> (Story, Vec<Instant>) {
    let mut app = App::connect_to(&socket).await;
    app.sender.open(&talkative(&format!("neighbour-{number}"))).await.unwrap();
    app.opened().await;
    let App { mut sender, mut reader } = app;
    let speaking = async {
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        let mut sent = Vec::new();
        for frame in 0..FRAMES {
            pace.tick().await;
            sent.push(clock::now());
            sender.send_audio(&speech(frame)).await.unwrap();
        }
        sender.finish().await.unwrap();
        sent
    };
    let (mut story, sent) = tokio::join!(Story::read(&mut reader), speaking);
    story.frames = FRAMES;
    (story, sent)
}

/// How long after its last frame each result came, with that moment.
fn latencies((story, sent): &(Story, Vec<Instant>)) -> Vec<(Instant, Duration)> {
    let latency = |(at, end): &(Instant, f64)| {
        let frame = ((end * 10.0).ceil() as usize).clamp(1, sent.len()) - 1;
        (*at, at.saturating_duration_since(sent[frame]))
    };
    story.results.iter().map(latency).collect()
}

/// Without recovery, which would make the application wait before buffers are full.
async fn open_to_flood(sidecar: &Sidecar) -> App {
    let mut app = App::connect(sidecar).await;
    let open = br#"{"protocol":1,"session_id":"flood","recovery":{"mode":"latch"}}"#;
    app.sender.send_bytes(&framed(OPEN, open)).await.unwrap();
    app.opened().await;
    app
}

/// More than any buffer holds. The moments when it began, when it last got on and when the death was read.
async fn flood(sidecar: &Sidecar) -> [Instant; 3] {
    let App { mut sender, mut reader } = open_to_flood(sidecar).await;
    let began = clock::now();
    let got_on = Cell::new(began);
    let told = Cell::new(None);
    let chunk = vec![1; 64 << 10];
    let flooding = async {
        // Past the death it is read again, and dropped; only then a frame is whole.
        while told.get().is_none() {
            sender.send_audio(&chunk).await.unwrap();
            if told.get().is_none() {
                got_on.set(clock::now());
            }
        }
        sender.finish().await.unwrap();
    };
    let dying = async {
        let dead = reader.event("dead").await;
        told.set(Some(clock::now()));
        dead
    };
    let (dead, ()) = tokio::join!(dying, flooding);
    let labels = ["write_stalled", "watchdog", "network"];
    assert_eq!(labels_of(&dead), labels.map(Some));
    assert_death(&reader.finished().await, labels);
    [began, got_on.get(), told.get().unwrap()]
}

/// Before the flood, until its death, and after it.
fn print_latencies(all: &[(Instant, Duration)], began: Instant, told: Instant) {
    let phases: [(&str, &dyn Fn(Instant) -> bool); 3] = [
        ("before", &|at| at < began),
        ("during", &|at| (began..told).contains(&at)),
        ("after", &|at| at >= told),
    ];
    for (name, is_within) in phases {
        let within = all.iter().filter(|(at, _)| is_within(*at));
        let mut latencies: Vec<Duration> = within.map(|(_, latency)| *latency).collect();
        latencies.sort_unstable();
        let (median, worst) = (latencies.get(latencies.len() / 2), latencies.last());
        println!("{name}: {} results, median {median:?}, worst {worst:?}", latencies.len());
    }
}

#[tokio::test]
async fn a_peer_that_stops_reading_is_named_in_time_and_delays_nobody_else() {
    let plans = ["{}", "{}", "{}", "{then: [{at: 0s, do: stop_reading}]}"];
    let emulator = Emulator::with(deepgram(), &plans).await;
    let sidecar = reconnecting(&emulator).set("upstream.write_timeout", "1s").start().await;
    let mut neighbours = JoinSet::new();
    for number in 0..NEIGHBOURS {
        neighbours.spawn(stream(sidecar.socket().to_owned(), number));
    }
    // As long before it as after it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let [began, got_on, told] = within("the death", flood(&sidecar)).await;
    let noticed = told.saturating_duration_since(got_on);
    assert!(noticed < WRITE_TIMEOUT + SLACK, "{noticed:?}");
    let stories = neighbours.join_all().await;
    for (story, _) in &stories {
        assert!(story.deaths.is_empty(), "{story:#?}");
        story.assert_whole();
    }
    println!("named {noticed:?} after it last took anything");
    print_latencies(&stories.iter().flat_map(latencies).collect::<Vec<_>>(), began, told);
}
