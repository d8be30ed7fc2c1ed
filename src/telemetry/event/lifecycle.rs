//! The start and end of a session.

use serde::Serialize;
use tracing::Level;

use super::connection::death_level;
use super::{Emit, line};
use crate::json;
use crate::live::Entry;
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::Dropped;
use session::State;
use session::death::Class;
use session::fact::{AppStalled, ConnectionDied, SessionEnded, SessionParked, SessionResumed};
use session::millis;
use session::summary::{Outcome, Summary};

/// A session was accepted.
#[derive(Debug)]
pub(in crate::telemetry) struct SessionOpened {
    /// Whether it has its own series.
    pub(in crate::telemetry) is_listed: bool,
}

impl Emit for SessionOpened {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.session.opened.inc();
        if !self.is_listed {
            telemetry.metrics.session.series_refused.inc();
        }
        telemetry.set_state(State::Ended, State::Connecting);
        tracing::info!(name: "session_open", "session accepted");
    }
}

impl Emit for SessionParked {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.session.parked.inc();
        tracing::info!(name: "session_parked", idle_ms = millis(self.idle), "session parked: idle for too long");
    }
}

impl Emit for SessionResumed {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.session.resumed.inc();
        tracing::info!(name: "session_resumed", idle_ms = millis(self.idle), "session resumed by new audio");
    }
}

impl Emit for AppStalled {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.app.stalls.inc();
        tracing::warn!(
            name: "app_stalled",
            "the application did not read its socket for session.app_stall_timeout"
        );
    }
}

/// A session ended, with what its summary does not contain.
#[derive(Debug)]
pub(in crate::telemetry) struct SessionClosed<'a> {
    pub(in crate::telemetry) ended: &'a SessionEnded,
    pub(in crate::telemetry) first_death: Option<&'a ConnectionDied>,
    /// Deepgram's `dg-request-id` of the latest connection; their support asks for it.
    pub(in crate::telemetry) request_id: Option<&'a str>,
}

impl Emit for SessionClosed<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        self.count(telemetry);
        let members = self.members();
        line!(self.level(), name: "session_end", members, "session ended");
    }
}

impl SessionClosed<'_> {
    fn count(&self, telemetry: &Telemetry) {
        let summary = &self.ended.summary;
        let session = &telemetry.metrics.session;
        session.ended[summary.outcome].inc();
        if let Some(cause) = self.ended.cause {
            session.aborted[cause].inc();
        }
        session.duration[summary.outcome].observe(summary.duration_ms as f64 / 1000.0);
        session.send_gap_max[summary.outcome].observe_duration(self.ended.send_gap_max);
        session.keepalives.observe(summary.keepalives as f64);
        let finalize_errors = summary.finalizes.errors + summary.finalizes.timeouts;
        session.finalize_errors.observe(finalize_errors as f64);
        if let Some(audio) = self.ended.audio {
            session.audio.observe_duration(audio);
        }
        if let Some(drained_for) = self.ended.drained_for {
            session.drain.observe_duration(drained_for);
        }
        let audio = &telemetry.metrics.audio;
        let drops = self.ended.drops;
        audio.dropped[Dropped::EmptyAudio].inc_by(drops.empty_frames);
        audio.dropped[Dropped::Text].inc_by(drops.texts);
        audio.dropped[Dropped::Update].inc_by(drops.updates);
        audio.dropped[Dropped::Message].inc_by(drops.messages);
    }

    /// A session that went well needs no action; a refused dial has its own log line.
    fn level(&self) -> Level {
        let summary = &self.ended.summary;
        match &summary.death {
            Some(death) => death_level(death.class),
            None if summary.outcome == Outcome::ConnectFailed || summary.cut => Level::WARN,
            None => Level::INFO,
        }
    }

    /// The members of the wide log line, as the text of a JSON object.
    fn members(&self) -> String {
        let summary = &self.ended.summary;
        let members = Members {
            summary,
            cause: self.ended.cause.map(|cause| cause.as_str()),
            reason: summary.death.as_ref().map(|death| death.reason.as_str()),
            trigger: summary.death.as_ref().map(|death| death.trigger.as_str()),
            class: summary.death.as_ref().map(|death| death.class.as_str()),
            stage: self.first_death.map(|died| died.stage.as_str()),
            send_age_ms: self.first_death.map(|died| died.death.send_age_ms),
            receive_age_ms: self.first_death.map(|died| died.death.receive_age_ms),
            send_gap_max_ms: millis(self.ended.send_gap_max),
            audio_ms: self.ended.audio.map(millis),
            drain_ms: self.ended.drained_for.map(millis),
            finalizes_requested: self.ended.finalizes_requested,
            dg_request_id: self.request_id,
        };
        let mut members = serde_json::to_value(members).expect("all members are plain values");
        // The session's span adds it to every line.
        members.as_object_mut().and_then(|members| members.shift_remove("session_id"));
        members.to_string()
    }
}

/// The FINISHED summary's members under their own names, plus more.
#[derive(Serialize)]
struct Members<'a> {
    #[serde(flatten, serialize_with = "json::members")]
    summary: &'a Summary,
    cause: Option<&'static str>,
    reason: Option<&'static str>,
    trigger: Option<&'static str>,
    class: Option<&'static str>,
    stage: Option<&'static str>,
    send_age_ms: Option<u64>,
    receive_age_ms: Option<u64>,
    send_gap_max_ms: u64,
    audio_ms: Option<u64>,
    drain_ms: Option<u64>,
    finalizes_requested: u64,
    dg_request_id: Option<&'a str>,
}

/// A connection died: what happened before, to explain it.
#[derive(Debug)]
pub(in crate::telemetry) struct FlightRecorded<'a> {
    pub(in crate::telemetry) events: &'a [Entry],
    pub(in crate::telemetry) class: Class,
}

impl Emit for FlightRecorded<'_> {
    fn emit(&self, _telemetry: &Telemetry) {
        let events = serde_json::json!({ "events": self.events });
        let members = events.to_string();
        line!(
            death_level(self.class),
            name: "flight_recorder",
            members,
            "events before the connection died, oldest first"
        );
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
