//! What a session tells in its own words, as a text message.

use serde::Serialize;

use session::summary::Summary;

/// The text of a message of the sidecar's own.
pub(super) fn text_of(told: impl Serialize) -> Vec<u8> {
    let told = Told { kind: "SidecarEvent", told };
    serde_json::to_vec(&told).expect("a session's words are JSON")
}

#[derive(Serialize)]
struct Told<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    told: T,
}

/// FINISHED, as an event.
#[derive(Serialize)]
pub(super) struct Finished<'a> {
    event: &'static str,
    #[serde(flatten, serialize_with = "crate::json::members")]
    summary: &'a Summary,
}

impl<'a> Finished<'a> {
    pub(super) fn of(summary: &'a Summary) -> Self {
        Self { event: "finished", summary }
    }
}
