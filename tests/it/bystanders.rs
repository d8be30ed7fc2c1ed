//! A link that is half open and a peer that stops reading, beside sessions that are well: how long
//! those wait for Deepgram's answers before, during and after.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use client::{OpenRequest, Sender};
use emulator::position;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::support::{App, Config, Emulator, Pod, Reader, Sidecar, listen, speech};

const BYSTANDERS: usize = 20;

/// How often each of them asks.
const PACE: Duration = Duration::from_millis(50);

/// How often each asks before anything happens, and after all is over.
const CALM: usize = 40;

/// That is how long, and when the faults begin.
const PLANS: [&str; 2] =
    ["{then: [{at: 3s, do: half_open}]}", "{then: [{at: 3s, do: stop_reading}]}"];
const BEGIN: Duration = Duration::from_secs(3);

const PING_INTERVAL: Duration = Duration::from_millis(2_500);
const PING_TIMEOUT: Duration = Duration::from_millis(2_500);
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long fast audio takes to fill small buffers.
const FILLING: Duration = Duration::from_millis(500);
const FAST_RATE: u32 = 192_000;

/// How late one answer in a hundred may be on a busy machine. What waits for a stuck peer waits for two
/// seconds and more.
const LATE: Duration = Duration::from_secs(1);

/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(3);

const HEAD: &str = "\
| latency of others | before | during | after |
| --- | --- | --- | --- |
";

/// When somebody had an answer, and how long that took.
type Wait = (Instant, Duration);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stuck_are_named_in_time_and_nobody_else_waits_for_them() {
    let pod = Pod::new().await;
    pod.shrink_buffers().await;
    let (_deepgram, sidecar) = stage(&pod).await;
    let mut half_open = App::open(&sidecar, &listen("half-open")).await;
    let fast = OpenRequest::new().session_id("unread").audio("linear16", FAST_RATE, 1);
    let App { sender, reader: mut unread } = App::open(&sidecar, &fast).await;
    let struck = clock::now() + BEGIN;
    let mut flood = JoinSet::new();
    flood.spawn(speak_fast(sender));
    let (is_over, over) = watch::channel(false);
    let mut bystanders = JoinSet::new();
    for number in 0..BYSTANDERS {
        let app = App::open(&sidecar, &listen(&format!("well-{number}"))).await;
        bystanders.spawn(ask_again_and_again(app, over.clone()));
    }
    let noticed = tokio::join!(
        named(&mut half_open.reader, "ping_timeout", struck),
        named(&mut unread, "write_stalled", struck),
    );
    let named_at = clock::now();
    assert!(noticed.0 <= PING_INTERVAL + PING_TIMEOUT + SLACK, "half open: {noticed:?}");
    assert!(noticed.1 <= FILLING + WRITE_TIMEOUT + SLACK, "unread: {noticed:?}");
    is_over.send_replace(true);
    let waits: Vec<Wait> = bystanders.join_all().await.concat();
    assert_nobody_waits(&waits, struck, named_at);
}

async fn stage(pod: &Pod) -> (Emulator, Sidecar) {
    let deepgram = Emulator::beside(pod, json!({}), &PLANS).await;
    let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
    let sidecar = Config::in_pod(pod)
        .set("liveness.ping_interval", milliseconds(PING_INTERVAL))
        .set("liveness.ping_timeout", milliseconds(PING_TIMEOUT))
        .set("upstream.write_timeout", milliseconds(WRITE_TIMEOUT))
        .start()
        .await;
    (deepgram, sidecar)
}

/// The time from the fault to its name.
async fn named(reader: &mut Reader, reason: &str, struck: Instant) -> Duration {
    let dead = reader.event("dead").await;
    assert_eq!(dead.text("reason"), Some(reason), "{dead:?}");
    clock::now().duration_since(struck)
}

/// Speaks until the test is over.
async fn speak_fast(mut sender: Sender) {
    let samples = FAST_RATE as usize / 10;
    let mut pace = interval(Duration::from_millis(100));
    for frame in 0.. {
        pace.tick().await;
        let audio = position::encode(frame * samples as u64, samples);
        if sender.send_audio(&audio).await.is_err() {
            return;
        }
    }
}

/// Says something and has it made final, until all is over and a while longer.
async fn ask_again_and_again(mut app: App, over: watch::Receiver<bool>) -> Vec<Wait> {
    let mut pace = interval(PACE);
    let mut waits = Vec::new();
    let mut after = 0;
    for frame in 0.. {
        pace.tick().await;
        let asked = clock::now();
        app.sender.send_audio(&speech(frame)).await.unwrap();
        app.sender.finalize(None).await.unwrap();
        let is_answer = |it: &Value| it["from_finalize"] == true;
        while !is_answer(&serde_json::from_slice(&app.message().await).unwrap()) {}
        let answered = clock::now();
        waits.push((answered, answered.duration_since(asked)));
        after += usize::from(*over.borrow());
        if after == CALM {
            break;
        }
    }
    assert_eq!(app.finish().await.outcome, "finished");
    waits
}

fn assert_nobody_waits(waits: &[Wait], struck: Instant, named: Instant) {
    let within = |from: Option<Instant>, to: Option<Instant>| {
        let fits = |at: Instant| from.is_none_or(|it| it <= at) && to.is_none_or(|it| at < it);
        let mut waits: Vec<_> =
            waits.iter().filter(|(at, _)| fits(*at)).map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        assert!(waits.len() >= BYSTANDERS * CALM / 2, "only {} answers", waits.len());
        waits
    };
    let phases =
        [within(None, Some(struck)), within(Some(struck), Some(named)), within(Some(named), None)];
    let mut table = String::new();
    for (name, share) in [("median", 50), ("99 of 100 below", 99)] {
        let of = |waits: &Vec<Duration>| waits[waits.len() * share / 100].as_secs_f64() * 1e3;
        let [before, during, after] = phases.each_ref().map(of);
        let _ = writeln!(table, "| {name} | {before:.1} ms | {during:.1} ms | {after:.1} ms |");
    }
    println!("{HEAD}{table}");
    for waits in &phases[1..] {
        let late = waits[waits.len() * 99 / 100];
        assert!(late < LATE, "{late:?}:\n{table}");
    }
}
