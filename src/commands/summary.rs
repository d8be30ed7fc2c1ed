//! The closing summary as a table.

use std::fmt::{self, Display};
use std::time::Duration;

use client::Summary;

use crate::admin::quantity;

/// Shows a summary as lines of name and value.
pub(super) struct Table<'a>(pub(super) &'a Summary);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { audio, finalizes, messages, .. } = self.0;
        row(f, "session", &self.0.session_id)?;
        row(f, "outcome", &self.0.outcome)?;
        if let Some(death) = &self.0.death {
            let client::Death { reason, trigger, class, detail } = death;
            row(f, "death", format_args!("{reason} ({class}), detected by {trigger}: {detail}"))?;
        }
        let seconds = Duration::from_millis(self.0.duration_ms).as_secs_f64();
        let connections = quantity::counted(self.0.connections, "connection");
        row(f, "duration", format_args!("{seconds:.1} s, {connections}"))?;
        row(f, "audio", audio_bytes(audio))?;
        if self.0.recoveries > 0 {
            row(f, "recovered", quantity::counted(self.0.recoveries, "time"))?;
        }
        row(f, "lost", time_or_unmeasured(self.0.lost_ms))?;
        row(f, "unknown", time_or_unmeasured(self.0.unknown_ms))?;
        row(f, "keepalives", self.0.keepalives)?;
        row(
            f,
            "finalizes",
            format_args!(
                "{} sent, {} timed out, {} failed, {} skipped",
                finalizes.sent, finalizes.timeouts, finalizes.errors, finalizes.skipped_dead
            ),
        )?;
        row(f, "messages", format_args!("{}, {} final", messages.received, messages.finals))
    }
}

fn audio_bytes(audio: &client::AudioSummary) -> String {
    format!(
        "{}, {} bytes: {} sent, {} dropped, {} gated",
        quantity::counted(audio.frames, "frame"),
        audio.bytes_received,
        audio.bytes_sent,
        audio.bytes_dropped,
        audio.bytes_gated
    )
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "  {name:<12}{value}")
}

/// Milliseconds of audio, if the encoding tells time.
fn time_or_unmeasured(ms: Option<u64>) -> String {
    match ms {
        Some(ms) => format!("{ms} ms of audio"),
        None => "not measured: the encoding has no known duration".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::Death;

    #[test]
    fn a_death_is_shown_with_who_must_act() {
        let death = Death {
            reason: "net_0001_idle".into(),
            trigger: "read".into(),
            class: "provider".into(),
            detail: "1011".into(),
        };
        let summary = Summary { outcome: "dead".into(), death: Some(death), ..Summary::default() };
        let table = Table(&summary).to_string();
        assert!(table.contains("death       net_0001_idle (provider), detected by read: 1011\n"));
    }

    #[test]
    fn a_session_that_lived_shows_no_death() {
        let summary = Summary { outcome: "finished".into(), keepalives: 4, ..Summary::default() };
        let table = Table(&summary).to_string();
        assert!(!table.contains("death"));
        assert!(table.contains("keepalives  4\n"));
        assert!(!table.contains("recovered"));
    }

    #[test]
    fn a_session_that_recovered_says_so() {
        let summary = Summary { outcome: "finished".into(), recoveries: 2, ..Summary::default() };
        assert!(Table(&summary).to_string().contains("recovered   2 times\n"));
    }
}
