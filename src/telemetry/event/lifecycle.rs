//! The start and end of a session.

use tracing::Level;

use super::Emit;
use super::connection::death_level;
use super::line::{LogLine, Measure};
use crate::live::{Entry, Speaker};
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::{Dropped, Spoken};
use session::State;
use session::death::Class;
use session::drain::{Flush, Receipt};
use session::fact::{
    AppStalled, ConnectionDied, ParkCause, SessionEnded, SessionParked, SessionResumed,
};
use session::members::{Members, Visitor};
use session::summary::Outcome;

/// A session was accepted.
#[derive(Debug)]
pub(in crate::telemetry) struct SessionOpened<'a> {
    /// Whether it has its own series.
    pub(in crate::telemetry) is_listed: bool,
    pub(in crate::telemetry) speaker: &'a Speaker,
}

impl Emit for SessionOpened<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.session.opened[Spoken::of(self.speaker)].inc();
        if !self.is_listed {
            telemetry.metrics.session.series_refused.inc();
        }
        telemetry.set_state(State::Ended, State::Connecting);
        let user_agent = self.speaker.user_agent();
        tracing::info!(name: "session_open", user_agent, "session accepted");
    }
}

impl Measure for SessionParked {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.session.parked[self.cause].inc();
        LogLine::info(match self.cause {
            ParkCause::Idle => "session parked: idle for too long",
            ParkCause::Shed => "session parked: idle, and another session needed its connection",
            ParkCause::Dead => {
                "session parked: idle connections died; the next audio opens another"
            }
        })
    }
}

impl Measure for SessionResumed {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.session.resumed.inc();
        LogLine::info("session resumed by new audio")
    }
}

impl Measure for AppStalled {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.app.stalls.inc();
        LogLine::warn("the application did not read its socket in time, or answered no Ping")
    }
}

impl Measure for SessionEnded {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        count_end(self, telemetry);
        let summary = &self.summary;
        // A session that went well needs no action, even if a connection of it did not; a refused dial
        // has its own log line.
        let is_recovered = summary.recoveries > 0 && summary.outcome != Outcome::Dead;
        let level = match summary.death.as_ref().filter(|_| !is_recovered) {
            Some(death) => death_level(death.class),
            None if summary.outcome == Outcome::ConnectFailed || summary.cut => Level::WARN,
            None => Level::INFO,
        };
        LogLine::at(level, "session ended")
    }
}

fn count_end(ended: &SessionEnded, telemetry: &Telemetry) {
    let summary = &ended.summary;
    let session = &telemetry.metrics.session;
    session.ended[summary.outcome].inc();
    if let Some(cause) = ended.cause {
        session.aborted[cause].inc();
    }
    session.duration[summary.outcome].observe(summary.duration_ms as f64 / 1000.0);
    session.send_gap_max[summary.outcome].observe_duration(ended.send_gap_max);
    session.keepalives.observe(summary.keepalives as f64);
    let finalize_errors = summary.finalizes.errors + summary.finalizes.timeouts;
    session.finalize_errors.observe(finalize_errors as f64);
    session.recoveries.observe(f64::from(summary.recoveries));
    if let Some(audio) = ended.audio {
        session.audio.observe_duration(audio);
    }
    if let Some(drained) = ended.drained {
        session.drain.observe_duration(drained.lasted);
        session.unflushed.inc_by(drained.unflushed.unwrap_or_default().as_secs_f64());
    }
    let audio = &telemetry.metrics.audio;
    let drops = ended.drops;
    audio.dropped[Dropped::EmptyAudio].inc_by(drops.empty_frames);
    audio.dropped[Dropped::Text].inc_by(drops.texts);
    audio.dropped[Dropped::Update].inc_by(drops.updates);
    audio.dropped[Dropped::Prelude].inc_by(drops.preludes);
    audio.dropped[Dropped::Message].inc_by(drops.messages);
}

/// A session that shutdown has ended is over, and so is its application's connection. Emit it within
/// the session's span.
#[derive(Debug)]
pub struct SessionReceipt<'a> {
    pub receipt: &'a Receipt,
}

impl Emit for SessionReceipt<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        let Receipt { drained, last_frame, .. } = self.receipt;
        telemetry.metrics.session.receipts[(drained.flush, *last_frame)].inc();
        let line = match drained.flush {
            Flush::Flushed => LogLine::info("session ended by shutdown"),
            Flush::Incomplete | Flush::Cut => {
                LogLine::warn("session ended by shutdown without all of its text")
            }
        };
        line.write_whole("session_receipt", self.receipt);
    }
}

/// The members of the wide log line: the session's end, and what its summary does not contain.
#[derive(Debug)]
pub(in crate::telemetry) struct SessionClosed<'a> {
    pub(in crate::telemetry) ended: &'a SessionEnded,
    pub(in crate::telemetry) first_death: Option<&'a ConnectionDied>,
    /// Deepgram's `dg-request-id` of the latest connection; their support asks for it.
    pub(in crate::telemetry) request_id: Option<&'a str>,
}

impl Members for SessionClosed<'_> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        self.ended.visit(&mut Visitor::new(&mut |key, member| {
            // The session's span adds it to every line.
            if key != "session_id" {
                visitor.member(key, member);
            }
        }));
        let death = self.ended.summary.death.as_ref();
        visitor.word_if_any(death.map(|death| death.reason));
        visitor.word_if_any(death.map(|death| death.trigger));
        visitor.word_if_any(death.map(|death| death.class));
        let first = self.first_death;
        visitor.word_if_any(first.map(|died| died.stage));
        visitor.member("send_age_ms", first.map(|died| died.death.send_age_ms));
        visitor.member("receive_age_ms", first.map(|died| died.death.receive_age_ms));
        visitor.member("request_id", self.request_id);
    }
}

/// A connection died: what happened before, to explain it.
#[derive(Debug)]
pub(in crate::telemetry) struct FlightRecorded<'a> {
    pub(in crate::telemetry) events: &'a [Entry],
    pub(in crate::telemetry) class: Class,
}

impl Emit for FlightRecorded<'_> {
    fn emit(&self, _telemetry: &Telemetry) {
        let message = "events before the connection died, oldest first";
        let events = || serde_json::json!({ "events": self.events }).to_string();
        LogLine::at(death_level(self.class), message).write_json("flight_recorder", events);
    }
}

/// A session's task ended without a summary: a forced exit, or a bug.
#[derive(Debug)]
pub(in crate::telemetry) struct SessionCancelled {
    pub(in crate::telemetry) state: State,
    pub(in crate::telemetry) duration_ms: u64,
}

impl Emit for SessionCancelled {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.session.cancelled.inc();
        tracing::warn!(
            name: "session_cancelled",
            state = self.state.as_str(),
            duration_ms = self.duration_ms,
            "the session's task ended without a summary"
        );
    }
}
