//! Too few file descriptors: everybody gets a session or a code, and operators see it happen.

use std::time::Duration;

use client::Incoming;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::task::JoinSet;

use crate::support::{App, Config, Emulator, Sidecar, eventually, listen, within};

/// Opens a session and holds it; `None` for a session, otherwise the code of the refusal.
async fn ask(socket: std::path::PathBuf, number: u32) -> (Option<String>, App) {
    let mut app = App::connect_to(&socket).await;
    app.sender.open(&listen(&format!("app-{number}"))).await.unwrap();
    let outcome = match within("an answer", app.reader.next()).await {
        Some(Incoming::Opened(_)) => None,
        Some(Incoming::Error(refusal)) => Some(refusal.code),
        other => panic!("{other:?}"),
    };
    (outcome, app)
}

/// The longest that a page took, asked for again and again.
async fn longest_answer(sidecar: &Sidecar, pages: &[&str]) -> Duration {
    let mut longest = Duration::ZERO;
    for page in pages {
        let begun = clock::now();
        assert_eq!(sidecar.page(page).await.0, 200, "{page}");
        longest = longest.max(clock::now().duration_since(begun));
    }
    longest
}

#[tokio::test]
async fn with_64_descriptors_a_hundred_applications_get_a_session_or_a_code() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).descriptors(64).start().await;
    let capped = sidecar.process.log().event("sessions_capped").await;
    let sessions_max = usize::try_from(capped["sessions"].as_u64().unwrap()).unwrap();
    assert!(sessions_max >= 5, "{capped}");
    let mut asking = JoinSet::new();
    for number in 0..100 {
        asking.spawn(ask(sidecar.socket().to_owned(), number));
    }
    let mut sessions = Vec::new();
    let mut codes = Vec::new();
    let mut longest = Duration::ZERO;
    while let Some(answer) = asking.join_next().await {
        longest = longest.max(longest_answer(&sidecar, &["/livez", "/metrics"]).await);
        match answer.unwrap() {
            (None, app) => sessions.push(app),
            (Some(code), _) => codes.push(code),
        }
    }
    assert_eq!((sessions.len(), codes.len()), (sessions_max, 100 - sessions_max));
    assert!(codes.iter().all(|code| code == "too_many_sessions"), "{codes:?}");
    // It used to be unanswered for 5 s. On a machine that does nothing else it is a few milliseconds.
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    println!("longest answer of the admin port: {longest:?}");
    let log = sidecar.process.log();
    let lines: usize = ["accept_failed", "admin_accept_failed", "session_rejected"]
        .map(|name| log.events(name).len())
        .iter()
        .sum();
    assert!(lines <= 2, "{lines} lines about the same thing");
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("sessions_rejected_total", &[("reason", "limit")]), codes.len() as f64);
    assert_eq!(metrics.sum("sessions_limit", &[]), sessions_max as f64);
    // A place that is given up is free for the next, which tells how many were refused.
    sessions.pop().unwrap().finish().await;
    let next = App::open(&sidecar, &listen("next")).await;
    assert_eq!(log.event("sessions_admitted").await["refused"], codes.len());
    drop(next);
}

#[tokio::test]
async fn silent_applications_give_up_their_places_to_those_that_speak() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).descriptors(64).start().await;
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(App::connect(&sidecar).await);
    }
    let (outcome, _app) = ask(sidecar.socket().to_owned(), 1).await;
    assert_eq!(outcome, None);
}

/// Allows a running sidecar so many descriptors more, or none: the limit is on their numbers, so it is
/// the lowest one that is free.
fn limit(sidecar: &Sidecar, spare: u64) {
    let pid = Pid::from_raw(sidecar.process.pid().try_into().unwrap());
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{}/fd", sidecar.process.pid()))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap())
        .collect();
    let free = (0..).find(|number: &u64| !open.contains(number)).unwrap();
    let current = Some(free + spare);
    prlimit(pid, Resource::Nofile, Rlimit { current, maximum: Some(4_096) }).unwrap();
}

#[tokio::test]
async fn out_of_descriptors_is_ours_with_the_limits_name_and_told_once() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator)
        .descriptors(4_096)
        .set("upstream.connect_attempts", 1)
        .start()
        .await;
    // Accepted, and then nothing is left for its dial.
    let mut app = App::connect(&sidecar).await;
    eventually("the connection", async || {
        (sidecar.metrics().await.sum("app_connections_active", &[]) == 1.0).then_some(())
    })
    .await;
    eventually("closed scrapes", async || {
        let before = sidecar.descriptors();
        tokio::task::yield_now().await;
        (sidecar.descriptors() == before).then_some(())
    })
    .await;
    limit(&sidecar, 0);
    app.sender.open(&listen("lacking")).await.unwrap();
    let refusal = app.refusal().await;
    assert_eq!(refusal.reason.as_deref(), Some("resources"), "{refusal:?}");
    assert!(refusal.detail.unwrap().contains("RLIMIT_NOFILE"));
    drop(app);
    // Nobody can be accepted either: one line, whatever the number of attempts.
    limit(&sidecar, 0);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(App::connect(&sidecar).await);
    }
    let log = sidecar.process.log();
    log.event("accept_failed").await;
    limit(&sidecar, 100);
    let resumed = log.event_where("accept_resumed", |line| line["listener"] == "ipc").await;
    assert!(resumed["failures"].as_u64().unwrap() >= 1, "{resumed}");
    for app in &mut waiting {
        app.sender.open(&listen("later")).await.unwrap();
        app.opened().await;
        app.finish().await;
    }
    assert_eq!(log.events("accept_failed").len(), 1);
}
