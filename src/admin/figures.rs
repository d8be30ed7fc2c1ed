//! A session's figures: what the pages' JSON and tables tell of its counts, and what the commands
//! read of that.
//!
//! A missing or unknown member is no error: command and daemon may be different versions.

use std::time::Instant;

use serde::de::Deserializer;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::quantity::{bytes, counted, time_or_dash};
use crate::live::LiveSession;
use session::counts::{Count, Counts};
use session::millis;

/// The objects that hold counts, in the order of the page. A count that names another is not shown;
/// a test says so.
const OBJECTS: [&str; 5] = ["audio", "finalizes", "messages", "vad", "queue_bytes"];

/// The audio's books as times, beside the counts of `audio`.
const TIMES: [&str; 5] = ["accepted_ms", "finalized_ms", "in_flight_ms", "lost_ms", "unknown_ms"];

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    pub(crate) age_ms: u64,
    /// `None` before the first send.
    pub(crate) send_age_ms: Option<u64>,
    /// `None` before anything was received.
    pub(crate) receive_age_ms: Option<u64>,
    /// `None` without a connection, and if the encoding tells no time.
    pub(crate) transcript_lag_ms: Option<u64>,
    #[serde(flatten)]
    books: Books,
}

/// Every count that has a member, as it is in the list of counts; and the times.
#[derive(Clone, Debug, Default, PartialEq)]
struct Books {
    counts: Counts,
    /// In the order of [`TIMES`]; `None` if the encoding tells no time.
    times: [Option<u64>; TIMES.len()],
}

impl Figures {
    pub(super) fn of(session: &LiveSession, now: Instant) -> Self {
        let counts = session.counters.counts();
        let age_ms = millis(now.saturating_duration_since(session.opened_at));
        // Nothing happens before a dial, so zero means never.
        let age_of = |moment| (counts[moment] > 0).then(|| age_ms.saturating_sub(counts[moment]));
        Self {
            age_ms,
            send_age_ms: age_of(Count::LastSendMs),
            receive_age_ms: age_of(Count::LastReceiveMs),
            transcript_lag_ms: session.transcript_lag().map(millis),
            books: Books { times: times(session, &counts), counts },
        }
    }

    /// What a count stands at; 0 where the daemon does not tell it.
    pub(crate) fn count(&self, count: Count) -> u64 {
        self.books.counts[count]
    }

    /// Audio that was read; `None` if the encoding tells no time.
    pub(crate) fn accepted_ms(&self) -> Option<u64> {
        self.books.times[0]
    }

    /// Bytes that wait, on both sides.
    pub(crate) fn queued_bytes(&self) -> u64 {
        self.count(Count::UpstreamQueueBytes).saturating_add(self.count(Count::AppQueueBytes))
    }

    /// Names and values, as the sheet of one session has them.
    pub(crate) fn rows(&self) -> [(&'static str, String); 8] {
        let number = |count| self.count(count).to_string();
        [
            ("audio", self.audio_times()),
            ("", self.audio_bytes()),
            ("lag", time_or_dash(self.transcript_lag_ms)),
            ("waiting", self.waiting()),
            ("recoveries", number(Count::Recoveries)),
            ("keepalives", number(Count::Keepalives)),
            ("finalizes", self.finalizes()),
            ("messages", format!("{}, {} final", number(Count::Messages), number(Count::Finals))),
        ]
    }

    fn audio_times(&self) -> String {
        let [accepted, finalized, in_flight, lost, unknown] = self.books.times.map(time_or_dash);
        let known = format!("{finalized} final, {in_flight} in flight, {lost} lost");
        format!("{accepted} accepted: {known}, {unknown} unknown")
    }

    fn audio_bytes(&self) -> String {
        let counts = [Count::BytesReceived, Count::BytesSent, Count::BytesDropped];
        let [received, sent, dropped] = counts.map(|count| bytes(self.count(count)));
        let frames = counted(self.count(Count::Frames), "frame");
        format!("{frames}, {received}: {sent} sent, {dropped} dropped")
    }

    fn waiting(&self) -> String {
        let counts = [Count::UpstreamQueueBytes, Count::AppQueueBytes, Count::RingBytes];
        let [upstream, app, ring] = counts.map(|count| bytes(self.count(count)));
        format!("{upstream} for Deepgram, {app} for the application, {ring} kept for recovery")
    }

    fn finalizes(&self) -> String {
        format!(
            "{} requested: {} sent, {} in flight, {} timed out, {} failed, {} skipped",
            self.count(Count::FinalizesRequested),
            self.count(Count::FinalizesSent),
            self.count(Count::FinalizesInFlight),
            self.count(Count::FinalizeTimeouts),
            self.count(Count::FinalizeErrors),
            self.count(Count::FinalizesSkippedDead),
        )
    }

    #[cfg(test)]
    pub(crate) fn set(&mut self, count: Count, value: u64) {
        self.books.counts[count] = value;
    }
}

/// The audio's books as times. The counters are stored one by one, so they may not balance.
fn times(session: &LiveSession, counts: &Counts) -> [Option<u64>; TIMES.len()] {
    let of = [Count::BytesReceived, Count::BytesFinalized, Count::BytesLost, Count::BytesUnknown];
    let [received, finalized, lost, unknown] = of.map(|count| counts[count]);
    let settled = finalized.saturating_add(lost).saturating_add(unknown);
    let in_flight = received.saturating_sub(settled);
    [received, finalized, in_flight, lost, unknown]
        .map(|bytes| session.audio.map(|format| millis(format.duration(bytes))))
}

impl Serialize for Books {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for count in Count::ALL {
            if let Some(member) = count.member().filter(|member| !member.contains('.')) {
                map.serialize_entry(member, &self.counts[count])?;
            }
        }
        for name in OBJECTS {
            map.serialize_entry(name, &Object { name, books: self })?;
        }
        map.end()
    }
}

/// One of the objects that hold counts.
struct Object<'a> {
    name: &'static str,
    books: &'a Books,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for count in Count::ALL {
            if let Some((object, member)) = count.member().and_then(|it| it.split_once('.'))
                && object == self.name
            {
                map.serialize_entry(member, &self.books.counts[count])?;
            }
        }
        if self.name == "audio" {
            for (name, time) in TIMES.iter().zip(self.books.times) {
                map.serialize_entry(name, &time)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Books {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Map::<String, Value>::deserialize(deserializer)?;
        let number = |member: &str| match member.split_once('.') {
            Some((object, member)) => map.get(object)?.get(member)?.as_u64(),
            None => map.get(member)?.as_u64(),
        };
        let mut counts = Counts::default();
        for count in Count::ALL {
            counts[count] = count.member().and_then(number).unwrap_or_default();
        }
        let times = TIMES.map(|name| map.get("audio")?.get(name)?.as_u64());
        Ok(Self { counts, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each count as it stands in the list: 1, 2, 3 …
    fn numbered() -> Figures {
        let mut figures = Figures::default();
        for (count, number) in Count::ALL.into_iter().zip(1..) {
            figures.set(count, number);
        }
        figures
    }

    #[test]
    fn every_count_with_a_member_is_shown_and_read_again() {
        let json = serde_json::to_value(numbered()).unwrap();
        let read: Figures = serde_json::from_value(json.clone()).unwrap();
        for (count, number) in Count::ALL.into_iter().zip(1..) {
            let Some(member) = count.member() else { continue };
            let pointer = format!("/{}", member.replace('.', "/"));
            assert_eq!(json.pointer(&pointer), Some(&number.into()), "{member} of {json}");
            assert_eq!(read.count(count), number, "{member}");
        }
    }

    #[test]
    fn times_are_null_if_the_encoding_tells_none_and_are_read_again() {
        let mut figures = numbered();
        let json = serde_json::to_value(&figures).unwrap();
        assert_eq!(json["audio"]["lost_ms"], Value::Null);
        figures.books.times = [Some(5), Some(3), Some(2), Some(1), Some(4)];
        let json = serde_json::to_value(&figures).unwrap();
        assert_eq!(json["audio"]["lost_ms"], 1);
        let read: Figures = serde_json::from_value(json).unwrap();
        assert_eq!((read.accepted_ms(), read.books.times), (Some(5), figures.books.times));
    }
}
