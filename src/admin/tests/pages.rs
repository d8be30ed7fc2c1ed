//! What the pages say, to programs and to people.

use super::*;

use crate::live::Speaker;
use crate::live::registry::Slot;
use session::audio::AudioFormat;
use session::counts::Count;
use session::death::{Death, Reason, Trigger};
use session::fact::{ConnectionDied, Fact, Observer, Stage, VadOpened};
use session::gate::{GateSnapshot, GateState, VadMode};
use session::{Dialect, Sdk};

const HOSTILE: &str = "<script>alert(1)</script>\"'&\u{0}\r\n";

/// The text as it may stand in a page.
const HARMLESS: &str = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;";

/// A session in the registry that is of this age and has sent so many keepalives.
fn live(served: &Served, id: &str, age: Duration, keepalives: u64, tag: &str) -> Slot {
    let id = SessionId::parse(id).unwrap();
    let tags = vec![("tenant".to_owned(), tag.to_owned())];
    let opened_at = clock::now() - age;
    let session = LiveSession::new(id, Endpoint::V1Listen, None, opened_at, tags);
    session.set_state(State::Open);
    session.counters.set(Count::Keepalives, keepalives);
    served.registry.claim(session).unwrap()
}

/// Lets a session's connection die, with these words of Deepgram's.
fn die(served: &Served, slot: &Slot, detail: &str) {
    let reason = Reason::ClosedOther;
    let death = Death {
        reason,
        trigger: Trigger::Read,
        class: reason.class(),
        detail: detail.to_owned(),
        send_age_ms: 1_500,
        receive_age_ms: 20,
        connection: 1,
        final_ms: Some(1200),
    };
    let died = ConnectionDied { death, age: Duration::from_secs(9), stage: Stage::Streaming };
    let fact = Fact::ConnectionDied(died);
    slot.session().remember(clock::now(), fact.clone());
    slot.session().set_state(State::Dead);
    served.telemetry.session(slot.session().clone()).record(&fact);
}

async fn json(served: &mut Served, path: &str) -> Value {
    let (status, headers, body) = served.ask("GET", path).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(headers["content-type"], "application/json");
    serde_json::from_str(&body).unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|it| it["session_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn sessions_are_filtered_sorted_and_cut_and_counted_before_that() {
    let mut served = Served::new().await;
    let slots = [("a", 30, 1), ("b", 20, 9), ("c", 10, 5)]
        .map(|(id, age, sent)| live(&served, id, Duration::from_secs(age), sent, ""));
    slots[1].session().set_state(State::Dead);
    assert_eq!(ids(&json(&mut served, "/sessions").await), ["a", "b", "c"], "oldest first");
    assert_eq!(ids(&json(&mut served, "/sessions?sort=keepalives").await), ["b", "c", "a"]);
    let page = json(&mut served, "/sessions?sort=keepalives&order=asc&state=open&limit=1").await;
    assert_eq!((ids(&page), &page["total"]), (vec!["a"], &json!(2)));
    assert_eq!(page["summary"]["states"]["open"], 2);
    assert_eq!(page["summary"]["states"]["dead"], 1);
    assert_eq!(page["summary"]["keepalives"], 15);
}

#[tokio::test]
async fn what_has_nothing_to_sort_by_comes_last_either_way() {
    let mut served = Served::new().await;
    let slots = ["a", "b", "c"].map(|id| live(&served, id, Duration::from_secs(9), 0, ""));
    slots[1].session().counters.set(Count::LastSendMs, 5_000);
    slots[2].session().counters.set(Count::LastSendMs, 2_000);
    assert_eq!(ids(&json(&mut served, "/sessions?sort=send_age").await), ["c", "b", "a"]);
    let page = json(&mut served, "/sessions?sort=send_age&order=asc").await;
    assert_eq!(ids(&page), ["b", "c", "a"]);
}

#[tokio::test]
async fn a_query_that_is_not_known_is_refused_with_what_is() {
    let mut served = Served::new().await;
    let (status, headers, body) = served.ask("GET", "/sessions?sort=size").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert!(body.starts_with("sort cannot be \"size\": use age, "), "{body}");
}

#[tokio::test]
async fn a_session_whose_task_does_not_answer_is_shown_all_the_same() {
    let mut served = Served::new().await;
    let slot = live(&served, "call-7", Duration::from_secs(60), 3, "acme");
    die(&served, &slot, "1013 try again");
    let page = json(&mut served, "/sessions/call-7").await;
    assert_eq!(page["responsive"], false, "it has no task");
    assert_eq!((&page["connection"], &page["timers"]), (&Value::Null, &json!([])));
    assert_eq!((&page["keepalives"], &page["state"]), (&json!(3), &json!("dead")));
    assert_eq!(page["death"]["reason"], "closed_other");
    assert_eq!(page["events"][0]["event"], "upstream_lost");
}

#[tokio::test]
async fn a_session_shows_what_its_application_speaks_and_with_what() {
    let mut served = Served::new().await;
    let _native = live(&served, "native", Duration::from_secs(2), 0, "");
    let id = SessionId::parse("sdk").unwrap();
    let session = LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new());
    let speaker =
        Speaker { dialect: Dialect::Compatible, sdk: Some(Sdk::Other), user_agent: HOSTILE.into() };
    session.counters.set(Count::AppKeepalives, 4);
    let _slot = served.registry.claim(session.with_speaker(speaker)).unwrap();
    let page = json(&mut served, "/sessions").await;
    let of = |index: usize| ["dialect", "sdk", "user_agent"].map(|it| &page["sessions"][index][it]);
    assert_eq!(of(0), [&json!("native"), &Value::Null, &Value::Null]);
    assert_eq!(of(1), [&json!("compatible"), &json!("other"), &json!(HOSTILE)]);
    assert_eq!(page["sessions"][1]["app_keepalives"], 4);
    let html = served.browse("/sessions/sdk").await;
    assert!(html.contains(&format!("compatible, other ({HARMLESS}")), "{html}");
}

/// A live session behind an active gate that has held a second back and is open for another.
fn gated(served: &Served) -> Slot {
    let id = SessionId::parse("call-7").unwrap();
    let format = AudioFormat::new("linear16", 16_000, 1);
    let session = LiveSession::new(id, Endpoint::V1Listen, format, clock::now(), Vec::new());
    let (mode, state) = (VadMode::Active, GateState::Speech);
    session.counters.set_gate(Some(GateSnapshot { mode, state, has_failed: false }));
    session.counters.set(Count::VadOpens, 1);
    session.counters.set(Count::BytesReceived, 64_000);
    session.counters.set(Count::BytesGated, 32_000);
    session.counters.set(Count::VadOpenBytes, 32_000);
    let held = Duration::from_millis(1_000);
    session.remember(clock::now(), Fact::VadOpened(VadOpened { held }));
    served.registry.claim(session).unwrap()
}

#[tokio::test]
async fn a_session_shows_its_gate_and_the_gates_recent_past() {
    let mut served = Served::new().await;
    let none = live(&served, "no-gate", Duration::from_secs(9), 0, "");
    let _slot = gated(&served);
    let page = json(&mut served, "/sessions/call-7").await;
    assert_eq!(
        page["vad"],
        json!({
            "mode": "active", "gate_state": "speech", "failed": false, "speech_ms": 0,
            "held_ms": 1_000, "would_hold_ms": 0, "open_ms": 1_000, "unopened_ms": 0,
            "opens": 1, "finalizes": 0,
        })
    );
    assert_eq!(page["audio"]["gated_ms"], 1_000);
    assert_eq!(page["audio"]["in_flight_ms"], 1_000, "what is held back is not in flight");
    assert_eq!(page["vad_events"][0]["held_ms"], 1_000);
    assert_eq!(page["events"], json!([]));
    let page = served.browse("/sessions/call-7").await;
    assert!(page.contains("<td>active: speech, open for 1.0s</td>"), "{page}");
    assert!(page.contains("<h2>VAD gate</h2>") && page.contains("vad_opened"), "{page}");
    let page = json(&mut served, "/sessions?sort=saving").await;
    assert_eq!(ids(&page), ["call-7", "no-gate"], "what has no gate saves nothing");
    assert_eq!(page["sessions"][1]["vad"], Value::Null);
    let page = served.browse(&format!("/sessions/{}", none.session().id)).await;
    assert!(!page.contains("VAD gate"), "{page}");
}

#[tokio::test]
async fn an_unknown_session_is_said_to_be_unknown() {
    let mut served = Served::new().await;
    for path in ["/sessions/call-7", "/sessions/%00", "/sessions/%ff", "/sessions/a/b"] {
        let (status, _, body) = served.ask("GET", path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body.starts_with("no live session has this id"), "{body}");
    }
}

#[tokio::test]
async fn deaths_outlive_their_sessions() {
    let mut served = Served::new().await;
    let slot = live(&served, "call-7", Duration::from_secs(60), 3, "acme");
    die(&served, &slot, "1013 try again");
    drop(slot);
    assert_eq!(ids(&json(&mut served, "/sessions").await), [""; 0]);
    let page = json(&mut served, "/deaths").await;
    let death = &page["deaths"][0];
    assert_eq!((&page["total"], &death["session_id"]), (&json!(1), &json!("call-7")));
    assert_eq!((&death["reason"], &death["class"]), (&json!("closed_other"), &json!("provider")));
    assert_eq!((&death["stage"], &death["send_age_ms"]), (&json!("streaming"), &json!(1500)));
    assert_eq!(death["events"][0]["event"], "upstream_lost");
    assert_eq!(json(&mut served, "/sessions").await["summary"]["deaths"], 1);
}

#[tokio::test]
async fn what_others_say_never_becomes_markup() {
    let mut served = Served::new().await;
    let slot = live(&served, "call-7", Duration::from_secs(60), 3, HOSTILE);
    die(&served, &slot, HOSTILE);
    for path in ["/sessions", "/sessions/call-7", "/deaths"] {
        let page = served.browse(path).await;
        assert!(page.contains(HARMLESS), "{path}: {page}");
        assert!(!page.contains("<script"), "{path}: {page}");
        assert!(!page.contains("src="), "{path} loads something: {page}");
        assert!(!page.contains("http://") && !page.contains("https://"), "{path}: {page}");
    }
    let (_, headers, _) = served.ask("GET", "/sessions").await;
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn people_get_links_to_each_session_and_to_other_orders() {
    let mut served = Served::new().await;
    let _slot = live(&served, "call:7.a", Duration::from_secs(60), 3, "acme");
    let page = served.browse("/sessions?state=open").await;
    assert!(page.contains(r#"<a href="/sessions/call:7.a">call:7.a</a>"#), "{page}");
    assert!(page.contains(r#"href="/sessions?sort=lag&amp;order=desc&amp;state=open""#), "{page}");
    assert!(page.contains(r#"<meta http-equiv="refresh" content="2">"#), "{page}");
    assert!(served.browse("/").await.contains(r#"<a href="/deaths">"#));
}

#[tokio::test]
async fn people_see_at_a_glance_which_sessions_need_attention() {
    let mut served = Served::new().await;
    let slot = live(&served, "call-7", Duration::from_secs(60), 3, "acme");
    let mut marks = Vec::new();
    for state in [State::Open, State::Reconnecting, State::Dead] {
        slot.session().set_state(state);
        let page = served.browse("/sessions").await;
        marks.push(["warning", "alarm"].map(|it| page.contains(&format!("<td class=\"{it}\">"))));
    }
    assert_eq!(marks, [[false, false], [true, false], [false, true]]);
}

#[tokio::test]
async fn config_and_build_say_what_runs() {
    let mut served = Served::new().await;
    let (_, headers, body) = served.ask("GET", "/config").await;
    assert_eq!(headers["content-type"], "application/yaml");
    assert_eq!(body, "drain:\n  timeout: 25s\n");
    let build = json(&mut served, "/buildinfo").await;
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
    assert!(build["started_at"].as_str().unwrap().ends_with('Z'), "{build}");
}

#[tokio::test]
async fn without_a_log_there_is_no_level() {
    let mut served = Served::new().await;
    let (status, _, body) = served.ask("PUT", "/log-level").await;
    assert_eq!((status, &*body), (StatusCode::NOT_FOUND, "this process has no log\n"));
    let (status, headers, _) = served.ask("DELETE", "/log-level").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(headers["allow"], "GET, HEAD, PUT");
}
