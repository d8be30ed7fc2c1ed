//! A session's figures: what the pages' JSON and tables tell of its counts, and what the commands
//! read of that.
//!
//! A missing or unknown member is no error: command and daemon may be different versions.

use std::borrow::Cow;
use std::time::Instant;

use serde::de::Deserializer;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::quantity::{bytes, counted, time_or_dash};
use crate::live::LiveSession;
use session::counts::{Count, Counts};
use session::gate::GateSnapshot;
use session::millis;

/// The objects that hold counts, in the order of the page; `vad` stands behind them. A count that names another is not shown;
/// a test says so.
const OBJECTS: [&str; 4] = ["audio", "finalizes", "messages", "queue_bytes"];

/// The audio's books as times, beside the counts of `audio`.
const TIMES: [&str; 6] =
    ["accepted_ms", "finalized_ms", "in_flight_ms", "gated_ms", "lost_ms", "unknown_ms"];

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

/// The VAD gate. Members that FINISHED also has mean the same there; times are null if the encoding
/// tells none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Gate {
    /// What it is set to.
    mode: Cow<'static, str>,
    gate_state: Cow<'static, str>,
    failed: bool,
    speech_ms: Option<u64>,
    held_ms: Option<u64>,
    would_hold_ms: Option<u64>,
    /// Audio that has passed since it opened; 0 while it is closed.
    open_ms: Option<u64>,
    /// Audio that it has judged without ever opening; 0 once it has.
    unopened_ms: Option<u64>,
}

/// Every count that has a member, as it is in the list of counts; and the times.
#[derive(Clone, Debug, Default, PartialEq)]
struct Books {
    counts: Counts,
    /// In the order of [`TIMES`]; `None` if the encoding tells no time.
    times: [Option<u64>; TIMES.len()],
    gate: Option<Gate>,
}

impl Gate {
    fn of(session: &LiveSession, gate: GateSnapshot) -> Self {
        let time = |bytes| session.audio_of(bytes).map(millis);
        Self {
            mode: gate.mode.as_str().into(),
            gate_state: gate.state.as_str().into(),
            failed: gate.has_failed,
            speech_ms: time(Count::VadSpeechBytes),
            held_ms: time(Count::BytesGated),
            would_hold_ms: time(Count::BytesWouldGate),
            open_ms: time(Count::VadOpenBytes),
            unopened_ms: time(Count::VadUnopenedBytes),
        }
    }

    /// What it does, in two or three words.
    pub(super) fn condition(&self) -> String {
        let Self { mode, gate_state, .. } = self;
        match &**mode {
            "off" => mode.to_string(),
            _ if self.failed => format!("{mode}: failed"),
            _ if self.unopened_ms > Some(0) => format!("{mode}: no speech yet"),
            _ => format!("{mode}: {gate_state}"),
        }
    }

    /// Audio that was not sent; in shadow, that would not have been.
    pub(super) fn saving_ms(&self) -> Option<u64> {
        if self.mode == "shadow" { self.would_hold_ms } else { self.held_ms }
    }

    /// What it does, and for how long.
    fn in_words(&self) -> String {
        let condition = self.condition();
        match self {
            _ if self.failed => format!("{condition}, everything is sent"),
            Self { unopened_ms: Some(1..), .. } => {
                format!("{condition} in {}", time_or_dash(self.unopened_ms))
            }
            Self { open_ms: Some(1..), .. } => {
                format!("{condition}, open for {}", time_or_dash(self.open_ms))
            }
            _ => condition,
        }
    }
}

impl Figures {
    pub(super) fn of(session: &LiveSession, now: Instant) -> Self {
        let counts = session.counters.counts();
        let age_ms = millis(now.saturating_duration_since(session.opened_at));
        // Nothing happens before a dial, so zero means never.
        let age_of = |moment| (counts[moment] > 0).then(|| age_ms.saturating_sub(counts[moment]));
        let gate = session.counters.gate().map(|gate| Gate::of(session, gate));
        Self {
            age_ms,
            send_age_ms: age_of(Count::LastSendMs),
            receive_age_ms: age_of(Count::LastReceiveMs),
            transcript_lag_ms: session.transcript_lag().map(millis),
            books: Books { times: times(session, &counts), gate, counts },
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

    /// The VAD gate; `None` without one.
    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.books.gate.as_ref()
    }

    /// Audio that has passed since the gate opened.
    pub(crate) fn gate_open_ms(&self) -> Option<u64> {
        self.gate()?.open_ms
    }

    /// Bytes that wait, on both sides.
    pub(crate) fn queued_bytes(&self) -> u64 {
        self.count(Count::UpstreamQueueBytes).saturating_add(self.count(Count::AppQueueBytes))
    }

    /// Names and values, as the sheet of one session has them.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let number = |count| self.count(count).to_string();
        let mut rows = vec![
            ("audio", self.audio_times()),
            ("", self.audio_bytes()),
            ("lag", time_or_dash(self.transcript_lag_ms)),
            ("waiting", self.waiting()),
            ("recoveries", number(Count::Recoveries)),
            ("keepalives", self.keepalives()),
            ("finalizes", self.finalizes()),
            ("messages", format!("{}, {} final", number(Count::Messages), number(Count::Finals))),
        ];
        if let Some(gate) = self.gate() {
            rows.extend([("gate", gate.in_words()), ("", self.gate_so_far(gate))]);
        }
        rows
    }

    fn gate_so_far(&self, gate: &Gate) -> String {
        let times = [gate.held_ms, gate.would_hold_ms, gate.speech_ms].map(time_or_dash);
        let [held, would_hold, speech] = times;
        let opened = counted(self.count(Count::VadOpens), "time");
        let asked = counted(self.count(Count::VadFinalizes), "Finalize");
        format!(
            "{held} held back, {would_hold} would have been in shadow; {speech} of speech; opened \
             {opened}, {asked}"
        )
    }

    fn audio_times(&self) -> String {
        let times = self.books.times.map(time_or_dash);
        let [accepted, finalized, in_flight, gated, lost, unknown] = times;
        let known = format!("{finalized} final, {in_flight} in flight, {gated} gated, {lost} lost");
        format!("{accepted} accepted: {known}, {unknown} unknown")
    }

    fn audio_bytes(&self) -> String {
        let counts =
            [Count::BytesReceived, Count::BytesSent, Count::BytesDropped, Count::BytesGated];
        let [received, sent, dropped, gated] = counts.map(|count| bytes(self.count(count)));
        let frames = counted(self.count(Count::Frames), "frame");
        format!("{frames}, {received}: {sent} sent, {dropped} dropped, {gated} gated")
    }

    fn waiting(&self) -> String {
        let counts = [Count::UpstreamQueueBytes, Count::AppQueueBytes, Count::RingBytes];
        let [upstream, app, ring] = counts.map(|count| bytes(self.count(count)));
        format!("{upstream} for Deepgram, {app} for the application, {ring} kept for recovery")
    }

    fn keepalives(&self) -> String {
        let sent = self.count(Count::Keepalives);
        match self.count(Count::AppKeepalives) {
            0 => sent.to_string(),
            own => format!("{sent}, and {own} of the application's own, which were not passed on"),
        }
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
    let settled = [Count::BytesFinalized, Count::BytesGated, Count::BytesLost, Count::BytesUnknown];
    let settled @ [finalized, gated, lost, unknown] = settled.map(|count| counts[count]);
    let received = counts[Count::BytesReceived];
    let in_flight = settled.into_iter().fold(received, u64::saturating_sub);
    [received, finalized, in_flight, gated, lost, unknown]
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
        let counts = Object { name: "vad", books: self };
        map.serialize_entry("vad", &self.gate.as_ref().map(|gate| Vad { gate, counts }))?;
        map.end()
    }
}

/// The gate's own members, and its counts.
#[derive(Serialize)]
struct Vad<'a> {
    #[serde(flatten)]
    gate: &'a Gate,
    #[serde(flatten)]
    counts: Object<'a>,
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
        let gate = map.get("vad").and_then(|gate| Gate::deserialize(gate).ok());
        Ok(Self { counts, times, gate })
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
        figures.books.gate = Some(Gate::default());
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
        figures.books.times = [5, 3, 2, 6, 1, 4].map(Some);
        let json = serde_json::to_value(&figures).unwrap();
        assert_eq!(json["audio"]["lost_ms"], 1);
        let read: Figures = serde_json::from_value(json).unwrap();
        assert_eq!((read.accepted_ms(), read.books.times), (Some(5), figures.books.times));
    }

    /// A gate that is set to this, with so much audio in each of its times.
    fn gate(mode: &'static str, gate_state: &'static str, times: [u64; 5]) -> Gate {
        let [speech_ms, held_ms, would_hold_ms, open_ms, unopened_ms] = times.map(Some);
        let (mode, gate_state, failed) = (mode.into(), gate_state.into(), false);
        Gate { mode, gate_state, failed, speech_ms, held_ms, would_hold_ms, open_ms, unopened_ms }
    }

    #[test]
    fn a_gate_is_told_with_what_it_does_and_what_it_has_saved() {
        let silent = gate("active", "silence", [9_000, 61_000, 5_000, 0, 0]);
        let open = gate("shadow", "speech", [9_000, 61_000, 5_000, 7_500, 0]);
        let never = gate("active", "silence", [0, 9_000, 0, 0, 660_000]);
        let failed = Gate { failed: true, ..open.clone() };
        let off = gate("off", "silence", [9_000, 61_000, 0, 0, 0]);
        let told =
            [&silent, &open, &never, &failed, &off].map(|it| (it.in_words(), it.saving_ms()));
        let expected = [
            ("active: silence", 61_000),
            ("shadow: speech, open for 7.5s", 5_000),
            ("active: no speech yet in 11m00s", 9_000),
            ("shadow: failed, everything is sent", 5_000),
            ("off", 61_000),
        ];
        assert_eq!(told, expected.map(|(words, saving)| (words.to_owned(), Some(saving))));
        let mut figures = Figures::default();
        assert!(figures.rows().iter().all(|(name, _)| *name != "gate"), "there is none");
        figures.set(Count::VadOpens, 3);
        figures.set(Count::VadFinalizes, 1);
        figures.books.gate = Some(silent);
        let so_far = "1m01s held back, 5.0s would have been in shadow; 9.0s of speech; opened 3 times, 1 Finalize";
        assert_eq!(figures.rows().last(), Some(&("", so_far.to_owned())));
    }

    #[test]
    fn keepalives_of_the_applications_own_are_told_if_there_are_any() {
        let keepalives = |own| {
            let mut figures = Figures::default();
            figures.set(Count::Keepalives, 7);
            figures.set(Count::AppKeepalives, own);
            figures.rows().into_iter().find(|(name, _)| *name == "keepalives").unwrap().1
        };
        assert_eq!(keepalives(0), "7");
        assert!(keepalives(3).starts_with("7, and 3 of the application's own"));
    }

    #[test]
    fn a_session_without_a_gate_has_null_as_in_finished() {
        let json = serde_json::to_value(Figures::default()).unwrap();
        assert_eq!(json["vad"], Value::Null);
        assert_eq!(serde_json::from_value::<Figures>(json).unwrap(), Figures::default());
    }
}
