//! The closing summary as a table.

use std::fmt::{self, Display};
use std::time::Duration;

use client::Summary;
use session::audio::AudioFormat;

use crate::admin::quantity;

/// Shows a summary as lines of name and value. With the audio's format, shares are of all audio.
pub(super) struct Table<'a>(pub(super) &'a Summary, pub(super) Option<AudioFormat>);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { audio, finalizes, messages, .. } = self.0;
        row(f, "session", &self.0.session_id)?;
        row(f, "outcome", &self.0.outcome)?;
        if let Some(death) = &self.0.death {
            let client::Death { reason, trigger, class, detail } = death;
            row(f, "death", format_args!("{reason} ({class}), detected by {trigger}: {detail}"))?;
        }
        let connections = quantity::counted(self.0.connections, "connection");
        row(f, "duration", format_args!("{}, {connections}", seconds(self.0.duration_ms)))?;
        row(f, "audio", audio_bytes(audio))?;
        if self.0.recoveries > 0 {
            row(f, "recovered", quantity::counted(self.0.recoveries, "time"))?;
        }
        row(f, "lost", time_or_unmeasured(self.0.lost_ms))?;
        row(f, "unknown", time_or_unmeasured(self.0.unknown_ms))?;
        if let Some(vad) = &self.0.vad {
            let all = self.1.map(|it| it.duration(audio.bytes_received));
            row(f, "vad gate", gate(vad, all))?;
        }
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

fn gate(vad: &client::VadSummary, all: Option<Duration>) -> String {
    let client::VadSummary { mode, opens, finalizes, speech_ms, held_ms, would_hold_ms, failed } =
        vad;
    let opened = quantity::counted(*opens, "time");
    let mut text = format!("{mode}, opened {opened}: {} of speech", seconds(*speech_ms));
    if *held_ms > 0 || mode == "active" {
        text += &format!(", {} held back", share(*held_ms, all));
    }
    if *would_hold_ms > 0 || mode == "shadow" {
        text += &format!(", {} would have been held back", share(*would_hold_ms, all));
    }
    text += &format!(", {}", quantity::counted(*finalizes, "finalize"));
    if *failed {
        text += "; its detector failed, so the rest was sent";
    }
    text
}

fn share(ms: u64, all: Option<Duration>) -> String {
    let Some(all) = all.filter(|it| !it.is_zero()) else { return seconds(ms) };
    let percent = ms as f64 / all.as_secs_f64() / 10.0;
    format!("{} of {:.1} s ({percent:.1} %)", seconds(ms), all.as_secs_f64())
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", Duration::from_millis(ms).as_secs_f64())
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
        let table = Table(&summary, None).to_string();
        assert!(table.contains("death       net_0001_idle (provider), detected by read: 1011\n"));
    }

    #[test]
    fn a_session_that_lived_shows_no_death() {
        let summary = Summary { outcome: "finished".into(), keepalives: 4, ..Summary::default() };
        let table = Table(&summary, None).to_string();
        assert!(!table.contains("death"));
        assert!(table.contains("keepalives  4\n"));
        assert!(!table.contains("recovered"));
    }

    #[test]
    fn what_the_gate_held_is_shown_if_there_was_one() {
        assert!(!Table(&Summary::default(), None).to_string().contains("vad gate"));
        let row = |vad| {
            let audio = client::AudioSummary { bytes_received: 1_600_000, ..Default::default() };
            let summary = Summary { vad: Some(vad), audio, ..Summary::default() };
            let format = AudioFormat::new("linear16", 8_000, 1);
            let table = Table(&summary, format).to_string();
            table.lines().find(|line| line.starts_with("  vad gate")).unwrap().to_owned()
        };
        let vad = client::VadSummary {
            mode: "active".into(),
            opens: 1,
            finalizes: 2,
            speech_ms: 30_100,
            held_ms: 42_000,
            ..client::VadSummary::default()
        };
        assert_eq!(
            row(vad.clone()),
            "  vad gate    active, opened 1 time: 30.1 s of speech, 42.0 s of 100.0 s (42.0 %) \
             held back, 2 finalizes"
        );
        let failed = client::VadSummary { failed: true, ..vad };
        assert!(row(failed).ends_with("; its detector failed, so the rest was sent"));
        let shadow = client::VadSummary {
            mode: "shadow".into(),
            would_hold_ms: 9_000,
            ..client::VadSummary::default()
        };
        assert_eq!(
            row(shadow),
            "  vad gate    shadow, opened 0 times: 0.0 s of speech, 9.0 s of 100.0 s (9.0 %) would \
             have been held back, 0 finalizes"
        );
    }

    #[test]
    fn a_session_that_recovered_says_so() {
        let summary = Summary { outcome: "finished".into(), recoveries: 2, ..Summary::default() };
        assert!(Table(&summary, None).to_string().contains("recovered   2 times\n"));
    }
}
