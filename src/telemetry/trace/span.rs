//! Facts as spans: one function from a fact to its description.
//!
//! No transcript, key term, API key or query ever appears here.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::trace::SpanKind;
use opentelemetry::{KeyValue, Value};

use crate::telemetry::label::FinalizeError;
use session::dial::DialPhases;
use session::drain::Drained;
use session::fact::{
    AudioLost, Connected, ConnectionClosed, ConnectionDied, DialFailed, Fact, FinalizeAnswered,
    FinalizeTimedOut, GapLevel, KeepaliveGap, LateEvidence, PreludeEnd, PreludeEnded, Recovered,
    RecoveryFailed, StallEnded, VadFailed,
};
use session::{Segment, Vocabulary, millis};

/// An ended span. Times are since OPEN.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) kind: SpanKind,
    pub(super) start: Duration,
    pub(super) end: Duration,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) failure: Option<Failure>,
}

/// Why a span is an error.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    /// `error.type`: one of a closed set.
    pub(super) kind: &'static str,
    /// Human-readable.
    pub(super) detail: Cow<'static, str>,
}

impl Failure {
    pub(super) fn new(kind: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// The span for a fact, ended at `at`; `None` if other spans cover it or it happens too often.
pub(super) fn of(fact: &Fact, at: Duration) -> Option<Described> {
    match fact {
        Fact::DialFailed(fact) => Some(dial_failed(fact, at)),
        Fact::Connected(fact) => Some(connected(fact, at)),
        Fact::KeepaliveGap(fact) => Some(keepalive_gap(fact, at)),
        Fact::FinalizeAnswered(fact) => Some(finalize_answered(fact, at)),
        Fact::FinalizeTimedOut(fact) => Some(finalize_timed_out(fact, at)),
        Fact::FinalizeFailed(fact) => {
            let (error, detail) = (FinalizeError::WriteFailed, "Finalize could not be written");
            Some(finalize_failed(at, Duration::ZERO, fact.count, error, detail))
        }
        Fact::ConnectionClosed(fact) => Some(connection_closed(fact, at)),
        Fact::ConnectionDied(fact) => Some(connection_died(fact, at)),
        Fact::LateEvidence(fact) => Some(late_evidence(fact, at)),
        Fact::TimerLate(fact) => {
            let name = "stt.timer_late";
            Some(
                Described::internal(name, at, fact.lateness).failed(name, "the sidecar was paused"),
            )
        }
        Fact::TranscriptStalled(fact) => {
            Some(Described::internal("stt.stall.begin", at, fact.silent))
        }
        Fact::StallEnded(fact) => Some(stall_ended(fact, at)),
        Fact::Recovered(fact) => Some(recovered(fact, at)),
        Fact::RecoveryFailed(fact) => Some(recovery_failed(fact, at)),
        Fact::VadFailed(fact) => Some(vad_failed(fact, at)),
        Fact::PreludeEnded(fact) => Some(prelude_ended(fact, at)),
        Fact::AudioLost(fact) => Some(audio_lost(fact, at)),
        Fact::AppStalled(_) => Some(Described::internal("stt.app_stalled", at, Duration::ZERO)),
        Fact::KeepaliveSent(_)
        | Fact::KeepaliveBlocked(_)
        | Fact::FinalizeSkipped(_)
        | Fact::StreamClosing(_)
        | Fact::UpstreamError(_)
        | Fact::CloseReceived(_)
        | Fact::SessionParked(_)
        | Fact::SessionResumed(_)
        | Fact::RecoveryUnavailable(_)
        | Fact::ResultsElsewhere(_)
        | Fact::Reconnecting(_)
        | Fact::VadNotAvailable(_)
        | Fact::VadModeChanged(_)
        | Fact::VadOpened(_)
        | Fact::VadClosed(_)
        | Fact::PreludeSent(_)
        | Fact::BinaryDropped(_)
        | Fact::SessionEnded(_) => None,
    }
}

/// A segment of a session's life: differences, not totals.
pub(super) fn segment(segment: &Segment, at: Duration) -> Described {
    let audio = segment.audio.map(|format| format.duration(segment.bytes_sent));
    Described::internal("stt.segment", at, segment.duration)
        .with("stt.audio.received_bytes", count(segment.bytes_received))
        .with("stt.audio.sent_bytes", count(segment.bytes_sent))
        .with_some("stt.audio.sent_ms", audio.map(millis_value))
        .with("stt.keepalives", count(segment.keepalives))
        .with("stt.messages", count(segment.messages))
        .with("stt.finals", count(segment.finals))
        .with("stt.send_gap_max_ms", millis_value(segment.send_gap_max))
        .with_some("stt.lag_ms", segment.lag.map(millis_value))
}

/// A time without a connection.
pub(super) fn parked(since: Duration, until: Duration) -> Described {
    Described::internal("stt.session.parked", until, until.saturating_sub(since))
}

/// From OPEN until the first connection is up, or to giving up.
pub(super) fn open(until: Duration) -> Described {
    Described::internal("stt.session.open", until, until)
}

/// From CloseStream to Deepgram's last message.
pub(super) fn close(since: Duration, until: Duration) -> Described {
    Described::internal("stt.session.close", until, until.saturating_sub(since))
}

/// From the start of shutdown to the session's end.
pub(super) fn drain(at: Duration, drained: Drained) -> Described {
    Described::internal("stt.session.drain", at, drained.lasted)
        .with_word("stt.drain", drained.flush)
        .with_some("stt.drain.unflushed_ms", drained.unflushed.map(millis_value))
}

fn dial_failed(fact: &DialFailed, at: Duration) -> Described {
    let failure = &fact.failure;
    let span = Described::client("deepgram.connect", at, fact.duration)
        .with("deepgram.connect.attempt", count(fact.attempt.into()))
        .with_word("deepgram.connect", failure.reason)
        .with_some("deepgram.connect.retry_in_ms", fact.retry_in.map(millis_value))
        .with("deepgram.connect.queued_ms", millis_value(failure.queued))
        .with("deepgram.connect.withheld", failure.withheld)
        .with_some("deepgram.connect.retry_after_ms", failure.retry_after.map(millis_value))
        .with_some("http.response.status_code", failure.status.map(|it| i64::from(it).into()))
        .with_text("deepgram.request_id", failure.request_id.as_deref());
    span.failed(failure.reason.as_str(), failure.detail.clone())
}

fn connected(fact: &Connected, at: Duration) -> Described {
    let DialPhases { queued, dns, tcp, tls, upgrade } = fact.phases;
    // A plain connection has no TLS phase.
    let tls = (!tls.is_zero()).then(|| millis_value(tls));
    Described::client("deepgram.connect", at, fact.phases.total())
        .with("deepgram.connect.attempt", count(fact.attempt.into()))
        .with("deepgram.connection.number", count(fact.connection.into()))
        .with("deepgram.connect.queued_ms", millis_value(queued))
        .with("deepgram.connect.dns_ms", millis_value(dns))
        .with("deepgram.connect.tcp_ms", millis_value(tcp))
        .with_some("deepgram.connect.tls_ms", tls)
        .with("deepgram.connect.upgrade_ms", millis_value(upgrade))
        .with("http.response.status_code", 101)
        .with_some("stt.audio.buffered_ms", fact.buffered.map(millis_value))
        .with_text("deepgram.request_id", fact.request_id.as_deref())
}

fn connection(at: Duration, age: Duration, number: u32) -> Described {
    Described::client("deepgram.connection", at, age)
        .with("deepgram.connection.number", count(number.into()))
}

fn connection_closed(fact: &ConnectionClosed, at: Duration) -> Described {
    connection(at, fact.age, fact.connection).with_word("deepgram.connection", fact.end)
}

fn connection_died(fact: &ConnectionDied, at: Duration) -> Described {
    let death = &fact.death;
    connection(at, fact.age, death.connection)
        .with("deepgram.connection.end", "died")
        .with_word("deepgram.death", death.reason)
        .with_word("deepgram.death", death.trigger)
        .with_word("deepgram.death", death.class)
        .with_word("deepgram.death", fact.stage)
        .with("deepgram.death.send_age_ms", count(death.send_age_ms))
        .with("deepgram.death.receive_age_ms", count(death.receive_age_ms))
        .failed(death.reason.as_str(), death.detail.clone())
}

fn late_evidence(fact: &LateEvidence, at: Duration) -> Described {
    Described::internal("deepgram.late_evidence", at, Duration::ZERO)
        .with_word("deepgram.death", fact.reason)
        .with_word("deepgram.death", fact.trigger)
        .with("deepgram.death.detail", fact.detail.clone())
}

fn keepalive_gap(fact: &KeepaliveGap, at: Duration) -> Described {
    let span = Described::internal("deepgram.keepalive_gap", at, fact.gap)
        .with_word("deepgram.keepalive", fact.level);
    match fact.level {
        GapLevel::NearMiss => span,
        GapLevel::Breach => {
            span.failed("breach", "nothing was sent for as long as Deepgram's idle timeout")
        }
    }
}

fn finalize(at: Duration, lasted: Duration, finalizes: u64, outcome: &'static str) -> Described {
    Described::client("deepgram.finalize", at, lasted)
        .with("stt.finalizes", count(finalizes))
        .with("deepgram.finalize.outcome", outcome)
}

fn finalize_answered(fact: &FinalizeAnswered, at: Duration) -> Described {
    finalize(at, fact.latency, fact.count, "answered")
}

fn finalize_timed_out(fact: &FinalizeTimedOut, at: Duration) -> Described {
    let (error, detail) = (FinalizeError::Timeout, "Finalize was not answered");
    finalize_failed(at, fact.waited, fact.count, error, detail)
}

fn finalize_failed(
    at: Duration,
    lasted: Duration,
    finalizes: u64,
    error: FinalizeError,
    detail: &'static str,
) -> Described {
    finalize(at, lasted, finalizes, "failed")
        .with_word("deepgram.finalize", error)
        .failed(error.as_str(), detail)
}

fn stall_ended(fact: &StallEnded, at: Duration) -> Described {
    Described::internal("stt.stall", at, fact.silent).with_word("stt.stall", fact.outcome)
}

/// From a death to the answer of another connection.
fn recovered(fact: &Recovered, at: Duration) -> Described {
    Described::internal("deepgram.reconnect", at, fact.took)
        .with("deepgram.connection.number", count(fact.connection.into()))
        .with("deepgram.reconnect.attempts", count(fact.attempts.into()))
        .with("deepgram.reconnect.gap_ms", millis_value(fact.gap))
        .with("deepgram.reconnect.replayed_ms", millis_value(fact.replayed))
        .with("deepgram.reconnect.lost_ms", millis_value(fact.lost))
}

/// From a death to giving up.
fn recovery_failed(fact: &RecoveryFailed, at: Duration) -> Described {
    Described::internal("deepgram.reconnect", at, fact.lasted)
        .with("deepgram.reconnect.attempts", count(fact.attempts.into()))
        .failed(fact.reason.as_str(), "no other connection could be opened")
}

fn vad_failed(fact: &VadFailed, at: Duration) -> Described {
    Described::internal("stt.vad_failed", at, Duration::ZERO)
        .with_word("stt.vad", fact.mode)
        .failed("stt.vad_failed", "the speech detector has failed")
}

/// From OPEN until live audio goes to the connection that knows the prelude, or never will.
fn prelude_ended(fact: &PreludeEnded, at: Duration) -> Described {
    let span = Described::internal("stt.prelude", at, fact.took)
        .with_word("stt.prelude", fact.end)
        .with("stt.prelude.audio_ms", millis_value(fact.prelude));
    match fact.end {
        PreludeEnd::Moved | PreludeEnd::MovedEarly | PreludeEnd::SessionEnded => span,
        PreludeEnd::Lost => span.failed("lost", "the connection that knows the prelude was lost"),
    }
}

fn audio_lost(fact: &AudioLost, at: Duration) -> Described {
    Described::internal("stt.audio_lost", at, Duration::ZERO)
        .with("stt.audio.lost_frames", count(fact.frames))
        .with("stt.audio.lost_bytes", count(fact.bytes))
        .with("stt.audio.lost_ms", millis_value(fact.duration))
        .with_word("stt.audio", fact.cause)
        .failed(fact.cause.as_str(), "audio was lost")
}

impl Described {
    /// An internal span that ended at `at`. If it started before OPEN, because two clocks round
    /// differently, it starts at OPEN.
    fn internal(name: &'static str, at: Duration, lasted: Duration) -> Self {
        let start = at.saturating_sub(lasted);
        let kind = SpanKind::Internal;
        Self { name, kind, start, end: at, attributes: Vec::new(), failure: None }
    }

    /// One that waited for Deepgram.
    fn client(name: &'static str, at: Duration, lasted: Duration) -> Self {
        Self { kind: SpanKind::Client, ..Self::internal(name, at, lasted) }
    }

    fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(key, value));
        self
    }

    fn with_word(mut self, prefix: &'static str, word: impl Vocabulary) -> Self {
        self.attributes.push(word_under(prefix, word));
        self
    }

    fn with_some(self, key: &'static str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    fn with_text(self, key: &'static str, text: Option<&str>) -> Self {
        self.with_some(key, text.map(|text| text.to_owned().into()))
    }

    /// Makes it an error.
    pub(super) fn failed(
        mut self,
        kind: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.failure = Some(Failure::new(kind, detail));
        self
    }
}

/// A word of a vocabulary, as an attribute whose name ends in the vocabulary's key.
pub(super) fn word_under<V: Vocabulary>(prefix: &'static str, word: V) -> KeyValue {
    KeyValue::new(format!("{prefix}.{}", V::KEY), word.word())
}

/// OTLP has no unsigned integers.
pub(super) fn count(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

pub(super) fn millis_value(duration: Duration) -> Value {
    count(millis(duration))
}
