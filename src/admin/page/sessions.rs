//! `/sessions`: what every live session is doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::session::live::{LiveSession, State};
use crate::session::summary::MessageSummary;
use crate::session::{Endpoint, SessionId};

/// `{"sessions": [...]}`, in the order given.
pub(super) fn list(sessions: &[Arc<LiveSession>], now: Instant) -> String {
    let sessions: Vec<_> = sessions.iter().map(|session| View::of(session, now)).collect();
    serde_json::to_string(&List { sessions }).expect("all members are plain values")
}

#[derive(Serialize)]
struct List<'a> {
    sessions: Vec<View<'a>>,
}

/// One session. Members that FINISHED has too have its names and meanings.
#[derive(Serialize)]
struct View<'a> {
    session_id: &'a SessionId,
    endpoint: Endpoint,
    state: State,
    age_ms: u64,
    /// `None` before the first send.
    send_age_ms: Option<u64>,
    /// `None` before anything was received.
    receive_age_ms: Option<u64>,
    connections: u64,
    audio: Audio,
    keepalives: u64,
    finalizes: Finalizes,
    messages: MessageSummary,
    #[serde(serialize_with = "as_object")]
    tags: &'a [(String, String)],
}

#[derive(Serialize)]
struct Finalizes {
    sent: u64,
}

impl<'a> View<'a> {
    fn of(session: &'a LiveSession, now: Instant) -> Self {
        let counters = &session.counters;
        let age = now.saturating_duration_since(session.opened_at);
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self {
            session_id: &session.id,
            endpoint: session.endpoint,
            state: session.state(),
            age_ms,
            send_age_ms: age_since(&counters.last_send_ms, age_ms),
            receive_age_ms: age_since(&counters.last_receive_ms, age_ms),
            connections: counters.connections.load(Relaxed),
            audio: Audio::of(session),
            keepalives: counters.keepalives.load(Relaxed),
            finalizes: Finalizes { sent: counters.finalizes_sent.load(Relaxed) },
            messages: MessageSummary {
                received: counters.messages.load(Relaxed),
                finals: counters.finals.load(Relaxed),
            },
            tags: &session.tags,
        }
    }
}

#[derive(Serialize)]
struct Audio {
    frames: u64,
    bytes_received: u64,
    bytes_sent: u64,
    bytes_dropped: u64,
}

impl Audio {
    fn of(session: &LiveSession) -> Self {
        let counters = &session.counters;
        Self {
            frames: counters.frames.load(Relaxed),
            bytes_received: counters.bytes_received.load(Relaxed),
            bytes_sent: counters.bytes_sent.load(Relaxed),
            bytes_dropped: counters.bytes_dropped.load(Relaxed),
        }
    }
}

/// How long ago a moment was; zero stands for never, since nothing happens before a dial.
fn age_since(moment_ms: &AtomicU64, age_ms: u64) -> Option<u64> {
    let moment_ms = moment_ms.load(Relaxed);
    (moment_ms > 0).then(|| age_ms.saturating_sub(moment_ms))
}

fn as_object<S: Serializer>(tags: &&[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(tags.len()))?;
    for (key, value) in *tags {
        object.serialize_entry(key, value)?;
    }
    object.end()
}
