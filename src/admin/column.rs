//! The columns of a table of sessions: on the page, and in `sessions` and `top`.

use clap::ValueEnum;

use super::figures::{Figures, Gate};
use super::quantity::{bytes, time_or_dash};
use session::Endpoint;
use session::counts::Count;

/// Every column, from left to right.
pub(crate) const COLUMNS: [Column; 14] = [
    Column { title: "session", content: Content::Words(|row| row.session_id.into()) },
    Column { title: "state", content: Content::Words(|row| row.condition()) },
    sorted("age", SortKey::Age, time_or_dash, |it| Some(it.age_ms)),
    sorted("sent", SortKey::SendAge, time_or_dash, |it| it.send_age_ms),
    sorted("received", SortKey::ReceiveAge, time_or_dash, |it| it.receive_age_ms),
    sorted("lag", SortKey::Lag, time_or_dash, |it| it.transcript_lag_ms),
    sorted("queue", SortKey::Queue, bytes_or_dash, |it| Some(it.queued_bytes())),
    sorted("keepalives", SortKey::Keepalives, number, |it| Some(it.count(Count::Keepalives))),
    Column { title: "audio", content: quantity(None, time_or_dash, Figures::accepted_ms) },
    Column { title: "finalizes", content: Content::Words(|row| finalizes(row.figures)) },
    Column { title: "sdk", content: Content::Words(|row| row.sdk.unwrap_or("-").into()) },
    Column { title: "gate", content: Content::Words(|row| gate(row.figures)) },
    sorted("open", SortKey::GateOpen, time_or_dash, Figures::gate_open_ms),
    sorted("saving", SortKey::Saving, time_or_dash, |it| it.gate()?.saving_ms()),
];

/// At this send age a connection is close to Deepgram's limit of 10 s.
const NEAR_MISS_MS: u64 = 8_000;

/// What sessions are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SortKey {
    /// Time since OPEN.
    Age,
    /// Time since the last send to Deepgram.
    SendAge,
    /// Time since the last receive from Deepgram.
    ReceiveAge,
    /// How far the transcript is behind the audio.
    Lag,
    /// Bytes waiting.
    Queue,
    /// Keepalives sent.
    Keepalives,
    /// Audio that has passed since the VAD gate opened.
    GateOpen,
    /// Audio that the VAD gate has held back; in shadow, would have.
    Saving,
}

/// What the columns read of a session.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) session_id: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) state: &'a str,
    /// The reason of the first death of a connection.
    pub(crate) death: Option<&'a str>,
    pub(crate) is_stalled: bool,
    /// `None` in the native dialect.
    pub(crate) sdk: Option<&'a str>,
    pub(crate) figures: &'a Figures,
}

/// How much attention a session needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Calm,
    /// It has no connection that answers, or its keepalive is late: Deepgram closes after 10 s.
    Warning,
    /// Dead or stalled.
    Alarm,
}

pub(crate) struct Column {
    /// In lower case.
    pub(crate) title: &'static str,
    content: Content,
}

/// What a column has of a session.
enum Content {
    Words(fn(&Row<'_>) -> String),
    Quantity {
        sort: Option<SortKey>,
        show: fn(Option<u64>) -> String,
        read: fn(&Figures) -> Option<u64>,
    },
}

const fn sorted(
    title: &'static str,
    sort: SortKey,
    show: fn(Option<u64>) -> String,
    read: fn(&Figures) -> Option<u64>,
) -> Column {
    Column { title, content: quantity(Some(sort), show, read) }
}

const fn quantity(
    sort: Option<SortKey>,
    show: fn(Option<u64>) -> String,
    read: fn(&Figures) -> Option<u64>,
) -> Content {
    Content::Quantity { sort, show, read }
}

impl Column {
    /// The sort key for this column, if any.
    pub(crate) fn sort_key(&self) -> Option<SortKey> {
        match self.content {
            Content::Words(_) => None,
            Content::Quantity { sort, .. } => sort,
        }
    }

    /// Quantities are right-aligned, so that their digits line up.
    pub(crate) fn is_quantity(&self) -> bool {
        matches!(self.content, Content::Quantity { .. })
    }

    /// A session's value. Its words may be anybody's.
    pub(crate) fn cell(&self, row: &Row<'_>) -> String {
        match self.content {
            Content::Words(words) => words(row),
            Content::Quantity { show, read, .. } => show(read(row.figures)),
        }
    }
}

impl SortKey {
    /// Every key, in the order of the columns.
    pub(crate) const ALL: [Self; 8] = [
        Self::Age,
        Self::SendAge,
        Self::ReceiveAge,
        Self::Lag,
        Self::Queue,
        Self::Keepalives,
        Self::GateOpen,
        Self::Saving,
    ];

    /// As in a query.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::SendAge => "send_age",
            Self::ReceiveAge => "receive_age",
            Self::Lag => "lag",
            Self::Queue => "queue",
            Self::Keepalives => "keepalives",
            Self::GateOpen => "gate_open",
            Self::Saving => "saving",
        }
    }

    /// A session's value: its column's.
    pub(crate) fn of(self, figures: &Figures) -> Option<u64> {
        COLUMNS.iter().find_map(|column| match column.content {
            Content::Quantity { sort, read, .. } if sort == Some(self) => read(figures),
            _ => None,
        })
    }
}

impl Row<'_> {
    /// Its state, and what is or was wrong with it. A death that another connection has made up for
    /// is no longer what a session suffers from.
    pub(crate) fn condition(&self) -> String {
        let state = self.state;
        let recoveries = self.figures.count(Count::Recoveries);
        match self.death {
            Some(reason) if state == "dead" || recoveries == 0 => format!("{state}: {reason}"),
            _ if self.is_stalled => format!("{state}, stalled"),
            Some(_) => format!("{state}, {recoveries} recovered"),
            None => state.into(),
        }
    }

    pub(crate) fn tone(&self) -> Tone {
        let is_held = ["open", "finalizing", "closing"].contains(&self.state);
        let endpoint = Endpoint::ALL.into_iter().find(|it| it.as_str() == self.endpoint);
        let is_kept = endpoint.is_none_or(|it| it.traits().keepalive.is_some());
        let is_late = is_held && is_kept && self.figures.send_age_ms >= Some(NEAR_MISS_MS);
        if self.state == "dead" || self.is_stalled {
            Tone::Alarm
        } else if self.state == "reconnecting" || is_late {
            Tone::Warning
        } else {
            Tone::Calm
        }
    }
}

/// What an application speaks, and with what.
pub(crate) fn spoken(dialect: &str, sdk: Option<&str>, user_agent: Option<&str>) -> String {
    match (sdk, user_agent) {
        (None, _) => dialect.into(),
        (Some(sdk), None) => format!("{dialect}, {sdk}"),
        (Some(sdk), Some(user_agent)) => format!("{dialect}, {sdk} ({user_agent})"),
    }
}

fn bytes_or_dash(value: Option<u64>) -> String {
    value.map_or_else(|| "-".into(), bytes)
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

fn gate(figures: &Figures) -> String {
    figures.gate().map_or_else(|| "-".into(), Gate::condition)
}

fn finalizes(figures: &Figures) -> String {
    let sent = figures.count(Count::FinalizesSent);
    let [errors, timeouts] =
        [Count::FinalizeErrors, Count::FinalizeTimeouts].map(|it| figures.count(it));
    match errors.saturating_add(timeouts) {
        0 => sent.to_string(),
        failed => format!("{sent}, {failed} failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(send_age_ms: u64) -> Figures {
        let mut figures = Figures::default();
        figures.send_age_ms = Some(send_age_ms);
        figures
    }

    #[test]
    fn each_sort_key_is_one_column_and_one_word() {
        for key in SortKey::ALL {
            assert_eq!(key.to_possible_value().unwrap().get_name(), key.as_str());
            assert_eq!(COLUMNS.iter().filter(|it| it.sort_key() == Some(key)).count(), 1);
        }
    }

    #[test]
    fn a_session_is_sorted_by_what_its_column_shows() {
        let mut figures = figures(7);
        figures.age_ms = 5;
        figures.set(Count::UpstreamQueueBytes, 2);
        figures.set(Count::AppQueueBytes, 1);
        let values = SortKey::ALL.map(|key| key.of(&figures));
        assert_eq!(values, [Some(5), Some(7), None, None, Some(3), Some(0), None, None]);
    }

    fn row(figures: &Figures) -> Row<'_> {
        let (session_id, endpoint, state) = ("s", "/v1/listen", "open");
        Row { session_id, endpoint, state, death: None, is_stalled: false, sdk: None, figures }
    }

    #[test]
    fn a_death_is_told_until_it_is_recovered_from() {
        let condition = |state: &str, recoveries| {
            let mut figures = Figures::default();
            figures.set(Count::Recoveries, recoveries);
            let death = Some("ping_timeout");
            Row { state, death, ..row(&figures) }.condition()
        };
        assert_eq!(condition("reconnecting", 0), "reconnecting: ping_timeout");
        assert_eq!(condition("open", 1), "open, 1 recovered");
        assert_eq!(condition("reconnecting", 2), "reconnecting, 2 recovered");
        assert_eq!(condition("dead", 2), "dead: ping_timeout");
    }

    #[test]
    fn the_dead_alarm_and_a_late_keepalive_warns() {
        let tone = |state: &str, send_age_ms, is_stalled| {
            Row { state, is_stalled, ..row(&figures(send_age_ms)) }.tone()
        };
        assert_eq!(tone("open", 7_999, false), Tone::Calm);
        assert_eq!(tone("open", 8_000, false), Tone::Warning);
        assert_eq!(tone("parked", 600_000, false), Tone::Calm, "nothing is held");
        assert_eq!(tone("reconnecting", 0, false), Tone::Warning);
        assert_eq!(tone("open", 0, true), Tone::Alarm);
        assert_eq!(tone("dead", 0, false), Tone::Alarm);
        let idle = figures(60_000);
        let voice = Row { endpoint: "/v1/speak", ..row(&idle) };
        assert_eq!(voice.tone(), Tone::Calm, "nothing is due there");
    }
}
