//! Deepgram's official SDKs, unmodified, each driven by a program of its own (tests/sdk): what their
//! users see of a session.

mod ending;
mod program;
mod stage;
mod story;

use futures_util::future::join_all;

use ending::ending;
use program::{Lines, SDKS, Sdk};
use stage::Stage;
use story::{CLOSES, CONVERSATION, REFUSALS, Story};

const PAGE: &str = "docs/sdks.md";

/// What each SDK tells of the stories, which it goes through one after the other.
type Told = Vec<(Sdk, Vec<Lines>)>;

async fn told(stage: &Stage) -> Told {
    join_all(SDKS.map(async |sdk| (sdk, sdk.tell(&stage.plan(sdk.keepalive)).await))).await
}

#[tokio::test]
async fn each_sdk_gets_all_of_a_transcription_with_a_long_pause() {
    for (sdk, told) in told(&Stage::direct(CONVERSATION).await).await {
        assert_whole(sdk, &told[0]);
    }
}

fn assert_whole(sdk: Sdk, lines: &Lines) {
    let messages: Vec<_> = lines.iter().filter_map(|line| line.get("message")).collect();
    let count = |fits: &dyn Fn(&serde_json::Value) -> bool| {
        messages.iter().filter(|message| fits(message)).count()
    };
    let name = sdk.name;
    assert_eq!(count(&|it| it["is_final"] == true), 5, "{name}: {messages:?}");
    assert_eq!(count(&|it| it["from_finalize"] == true), 1, "{name}");
    assert!(count(&|it| it["type"] == "SpeechStarted") > 1, "{name}");
    // Twice the recording, and the last message of all.
    assert_eq!(messages.last().unwrap()["duration"], 5.98, "{name}: {messages:?}");
    assert_eq!(lines[0]["seen"], "open", "{name}");
    assert!(["close", "close 1000"].contains(&&*ending(lines)), "{name}: {}", ending(lines));
}

#[tokio::test]
async fn each_sdk_tells_of_refusals_what_the_page_says() {
    assert_page(REFUSALS, &told(&Stage::direct(REFUSALS).await).await);
}

#[tokio::test]
async fn each_sdk_tells_of_closes_what_the_page_says() {
    assert_page(CLOSES, &told(&Stage::direct(CLOSES).await).await);
}

/// The page has a table of how the stories ended, row by row.
fn assert_page(stories: &[Story], told: &Told) {
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
