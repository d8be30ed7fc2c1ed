//! The published page of spans, against what is made.

use std::collections::BTreeSet;

use super::*;
use crate::telemetry::tests::facts::one_of_each;

/// All spans that there are: of every fact, in an order that leaves none out.
async fn every_span() -> Vec<SpanData> {
    let setup = Setup::new(1.0);
    let session = setup.session(None);
    let segment = Segment { audio: session.live.audio, lag: Some(S(1)), ..Segment::default() };
    session.telemetry.observe(&Observation::Segment(Box::new(segment)));
    for fact in std::iter::once(dial_failed(1)).chain(one_of_each()) {
        session.after(S(1), fact).await;
    }
    setup.exported.all()
}

fn page() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/traces.md");
    std::fs::read_to_string(file).unwrap()
}

/// The words in backticks of the page's tables, first column.
fn listed(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`')).map(|(word, _)| word).collect()
}

#[tokio::test(start_paused = true)]
async fn the_page_lists_the_spans_and_attributes_that_there_are() {
    let spans = every_span().await;
    let page = page();
    let names = spans.iter().map(|span| span.name.clone().into_owned());
    let attributes = spans.iter().flat_map(|span| &span.attributes);
    let keys = attributes.map(|it| it.key.as_str().replace("stt.tag.tenant", "stt.tag.KEY"));
    let made: BTreeSet<_> = names.chain(keys).collect();
    // Those of the address that the test does not set, and of refusals that have an answer.
    let others = ["server.port", "network.protocol.name", "deepgram.request_id"];
    let of_answers = ["http.response.status_code", "deepgram.connect.retry_after_ms"];
    let others = others.into_iter().chain(of_answers);
    let made: BTreeSet<&str> = made.iter().map(String::as_str).chain(others).collect();
    let listed = listed(&page);
    assert_eq!(made.difference(&listed).collect::<Vec<_>>(), [&""; 0], "not on the page");
    assert_eq!(listed.difference(&made).collect::<Vec<_>>(), [&""; 0], "never made");
}
