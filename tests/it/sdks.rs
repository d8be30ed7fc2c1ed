//! Deepgram's official SDKs, unmodified, each driven by a program of its own (tests/sdk): behind the
//! sidecar their users see what they see of Deepgram itself, and of some deaths nothing.

mod difference;
mod ending;
mod program;
mod stage;
mod story;

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::{Config, eventually, run_to_exit};
use difference::{difference, request_ids};
use ending::ending;
use program::{JAVASCRIPT, Lines, SDKS, Sdk, node};
use stage::{RECORDING, Stage};
use story::{CLOSES, CONVERSATION, DEATH, DICTATION, GOODBYE, REFUSALS, Story};

const PAGE: &str = "docs/sdks.md";

/// What an SDK tells of the stories, which it goes through one after the other.
type Told = (Sdk, Vec<Lines>);

/// Has an SDK go through the stories with Deepgram itself and behind the sidecar, side by side:
/// what both told, or where they differ.
async fn alike(sdk: Sdk, direct: &Stage, sidecar: &Stage) -> Result<Told, String> {
    let [plan, expected] = [sidecar, direct].map(|stage| stage.plan(sdk.keepalive, false));
    let (seen, expected) = tokio::join!(sdk.tell(&plan), sdk.tell(&expected));
    let mut differences = Vec::new();
    for ((story, seen), expected) in sidecar.stories.iter().zip(&seen).zip(&expected) {
        let found = difference(expected, seen);
        differences.extend(found.map(|it| format!("{}, {}, {it}", sdk.name, story.name)));
    }
    let known = sidecar.request_ids().await;
    let ids = seen.iter().flatten().flat_map(request_ids);
    let foreign = ids.filter(|id| !known.contains(id));
    differences.extend(foreign.map(|id| format!("{}: {id} is none of Deepgram's", sdk.name)));
    if differences.is_empty() { Ok((sdk, expected)) } else { Err(differences.join("\n")) }
}

/// What all told, unless one saw a difference.
fn without_difference(told: Vec<Result<Told, String>>) -> Vec<Told> {
    let differences: Vec<_> = told.iter().filter_map(|told| told.as_ref().err()).cloned().collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    told.into_iter().flatten().collect()
}

/// The same for all SDKs, at the same time, with one sidecar for each story.
async fn all_alike(stories: &'static [Story]) -> Vec<Told> {
    let direct = Stage::direct(stories);
    let (direct, sidecar) = tokio::join!(direct, Stage::sidecar(stories, |config| config));
    without_difference(join_all(SDKS.map(|sdk| alike(sdk, &direct, &sidecar))).await)
}

#[tokio::test]
async fn each_sdk_gets_all_of_a_transcription_with_a_long_pause() {
    for (sdk, told) in all_alike(CONVERSATION).await {
        assert_whole(sdk.name, &told[0], 2);
    }
}

/// Everything from the first message to Metadata, of the recording so many times, and a normal end.
fn assert_whole(sdk: &str, lines: &Lines, recordings: u32) {
    let messages: Vec<_> = lines.iter().filter_map(|line| line.get("message")).collect();
    let number = |it: &Value| it.as_f64().unwrap();
    let finals: Vec<_> = messages.iter().filter(|it| it["is_final"] == true).collect();
    let flushed = finals.iter().filter(|it| it["from_finalize"] == true).count();
    assert_eq!(flushed, 1, "{sdk}: {messages:?}");
    let end = finals.last().map(|it| number(&it["start"]) + number(&it["duration"]));
    let seconds = 2.99 * f64::from(recordings);
    assert!((end.unwrap() - seconds).abs() < 0.01, "{sdk}: {messages:?}");
    assert!(messages.iter().any(|it| it["type"] == "SpeechStarted"), "{sdk}: {messages:?}");
    // Metadata, which has neither.
    let last = messages.last().unwrap();
    assert!(last.get("is_final").is_none() && last.get("duration").is_some(), "{sdk}: {last}");
    let opens = lines.iter().filter(|line| line["seen"] == "open").count();
    assert_eq!(opens, 1, "{sdk}");
    assert!(["close", "close 1000"].contains(&&*ending(lines)), "{sdk}: {}", ending(lines));
}

#[tokio::test]
async fn each_sdk_tells_of_refusals_what_the_page_says() {
    let direct = Stage::direct(REFUSALS).await;
    let told = SDKS.map(async |sdk| {
        // After a refusal a sidecar holds the dials of all its sessions back, so that only the
        // first one has Deepgram's own answer. The SDKs do not share one here.
        let sidecar = Stage::sidecar(REFUSALS, |config| config).await;
        alike(sdk, &direct, &sidecar).await
    });
    assert_page(REFUSALS, &without_difference(join_all(told).await));
}

#[tokio::test]
async fn each_sdk_tells_of_closes_what_the_page_says() {
    assert_page(CLOSES, &all_alike(CLOSES).await);
}

/// The page has a table of how the stories ended, row by row.
fn assert_page(stories: &[Story], told: &[Told]) {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names = stories.iter().map(|story| story.name.to_owned());
    let mut table = row(std::iter::once("SDK".into()).chain(names).collect());
    table += &row(vec!["---".to_owned(); stories.len() + 1]);
    for (sdk, told) in told {
        let endings = told.iter().map(ending);
        table += &row(std::iter::once(sdk.name.to_owned()).chain(endings).collect());
    }
    assert!(page.contains(&table), "{PAGE} has another table than\n{table}");
}

#[tokio::test]
async fn no_sdk_sees_a_death_from_which_the_session_recovers() {
    let recovering = |config: Config| config.set("recovery.mode", "reconnect");
    join_all(SDKS.map(async |sdk| {
        let stage = Stage::sidecar(DEATH, recovering).await;
        let told = sdk.tell(&stage.plan(sdk.keepalive, true)).await;
        assert_whole(sdk.name, &told[0], 1);
        assert_eq!(stage.emulators[0].connections().await.len(), 2, "{}", sdk.name);
    }))
    .await;
}

#[tokio::test]
async fn each_sdks_own_goodbye_is_a_finish() {
    let stage = Stage::sidecar(GOODBYE, |config| config).await;
    let plan = |sdk: Sdk| stage.plan(sdk.keepalive, false);
    join_all(SDKS.map(async |sdk| sdk.tell(&plan(sdk)).await)).await;
    let ends = eventually("the sessions' ends", async || {
        let ends = stage.sidecars[0].process.log().events("session_end");
        (ends.len() == SDKS.len()).then_some(ends)
    });
    for end in ends.await {
        assert_eq!(end["outcome"], "finished", "{end}");
    }
    // And nothing was cut off on the way.
    for connection in stage.emulators[0].connections().await {
        assert_eq!(connection["end"], "close_stream", "{connection}");
        assert_eq!(connection["audio_bytes"], 95_680, "{connection}");
    }
}

#[tokio::test]
async fn javascript_needs_no_tcp() {
    let direct = Stage::direct(DICTATION);
    let sidecar = Stage::sidecar(DICTATION, |config| config);
    let (direct, sidecar) = tokio::join!(direct, async { sidecar.await.over_unix() });
    without_difference(vec![alike(JAVASCRIPT, &direct, &sidecar).await]);
}

#[tokio::test]
async fn the_example_for_node_transcribes_over_the_unix_socket() {
    let stage = Stage::sidecar(DICTATION, |config| config).await;
    let mut example = node("examples/node-ws/transcribe.js");
    let output = run_to_exit(example.arg(stage.sidecars[0].socket()).arg(RECORDING)).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "the harbour\nlights came on one\n");
}
