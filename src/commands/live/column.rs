//! The columns of a table of sessions, for `sessions` and `top`.

use clap::ValueEnum;

use super::Session;
use crate::admin::quantity;
use crate::commands::plain;
use session::counts::Count;

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
}

impl SortKey {
    /// Every key, in the order of the columns.
    pub(in crate::commands) const ALL: [Self; 6] =
        [Self::Age, Self::SendAge, Self::ReceiveAge, Self::Lag, Self::Queue, Self::Keepalives];

    /// As in a query.
    pub(in crate::commands) fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::SendAge => "send_age",
            Self::ReceiveAge => "receive_age",
            Self::Lag => "lag",
            Self::Queue => "queue",
            Self::Keepalives => "keepalives",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Column {
    Id,
    State,
    Age,
    SendAge,
    ReceiveAge,
    Lag,
    Queue,
    Keepalives,
    Audio,
    Finalizes,
}

impl Column {
    /// Every column, from left to right.
    pub(in crate::commands) const ALL: [Self; 10] = [
        Self::Id,
        Self::State,
        Self::Age,
        Self::SendAge,
        Self::ReceiveAge,
        Self::Lag,
        Self::Queue,
        Self::Keepalives,
        Self::Audio,
        Self::Finalizes,
    ];

    pub(in crate::commands) fn title(self) -> &'static str {
        match self {
            Self::Id => "SESSION",
            Self::State => "STATE",
            Self::Age => "AGE",
            Self::SendAge => "SENT",
            Self::ReceiveAge => "RECEIVED",
            Self::Lag => "LAG",
            Self::Queue => "QUEUE",
            Self::Keepalives => "KEEPALIVES",
            Self::Audio => "AUDIO",
            Self::Finalizes => "FINALIZES",
        }
    }

    /// The sort key for this column, if any.
    pub(in crate::commands) fn sort_key(self) -> Option<SortKey> {
        Some(match self {
            Self::Age => SortKey::Age,
            Self::SendAge => SortKey::SendAge,
            Self::ReceiveAge => SortKey::ReceiveAge,
            Self::Lag => SortKey::Lag,
            Self::Queue => SortKey::Queue,
            Self::Keepalives => SortKey::Keepalives,
            Self::Id | Self::State | Self::Audio | Self::Finalizes => return None,
        })
    }

    /// Quantities are right-aligned, so that their digits line up.
    pub(in crate::commands) fn is_quantity(self) -> bool {
        !matches!(self, Self::Id | Self::State | Self::Finalizes)
    }

    /// A session's value, made safe for a terminal.
    pub(in crate::commands) fn cell(self, session: &Session) -> String {
        match self {
            Self::Id => plain::line(&session.session_id),
            Self::State => state(session),
            Self::Age => quantity::time(session.figures.age_ms),
            Self::SendAge => quantity::time_or_dash(session.figures.send_age_ms),
            Self::ReceiveAge => quantity::time_or_dash(session.figures.receive_age_ms),
            Self::Lag => quantity::time_or_dash(session.figures.transcript_lag_ms),
            Self::Queue => quantity::bytes(session.figures.queued_bytes()),
            Self::Keepalives => session.figures.count(Count::Keepalives).to_string(),
            Self::Audio => quantity::time_or_dash(session.figures.accepted_ms()),
            Self::Finalizes => finalizes(session),
        }
    }
}

/// Its state, and what is wrong with it.
fn state(session: &Session) -> String {
    let state = plain::line(&session.state);
    match &session.death {
        Some(death) => format!("{state}: {}", plain::line(&death.reason)),
        None if session.stalled => format!("{state}, stalled"),
        None => state,
    }
}

fn finalizes(session: &Session) -> String {
    let count = |count| session.figures.count(count);
    let sent = count(Count::FinalizesSent);
    match count(Count::FinalizeErrors).saturating_add(count(Count::FinalizeTimeouts)) {
        0 => sent.to_string(),
        failed => format!("{sent}, {failed} failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sessions;
    use super::*;

    fn row(session: &Session) -> Vec<String> {
        Column::ALL.map(|column| column.cell(session)).to_vec()
    }

    #[test]
    fn a_row_tells_a_session_in_a_line() {
        let [well, dead] = &*sessions().sessions else { panic!() };
        assert_eq!(
            row(well),
            [
                "call-7",
                "open",
                "12m34s",
                "1.2s",
                "0.3s",
                "0.8s",
                "3.12 KiB",
                "128",
                "40.0s",
                "12, 3 failed"
            ]
        );
        assert_eq!(row(dead)[1..4], ["dead: net_0001_idle", "31.0s", "12.0s"]);
        assert_eq!(row(dead)[4..], ["-", "-", "0 B", "2", "-", "0"]);
    }

    #[test]
    fn the_words_of_the_command_line_are_those_of_the_query() {
        for key in SortKey::ALL {
            assert_eq!(key.to_possible_value().unwrap().get_name(), key.as_str());
            assert_eq!(Column::ALL.iter().filter(|it| it.sort_key() == Some(key)).count(), 1);
        }
    }
}
