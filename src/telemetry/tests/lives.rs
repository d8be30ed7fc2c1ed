//! Gauges over a session's life, and the totals that scrapes bring up to date.

use std::sync::atomic::Ordering::Relaxed;

use super::*;
use session::counts::Count;
use session::fact::{ParkCause, SessionParked, TranscriptStalled};
use session::gate::{GateSnapshot, GateState, VadMode};

/// A second of 16 kHz linear16.
const SECOND: u64 = 32_000;

#[test]
fn a_session_is_active_in_one_state_at_a_time() {
    let telemetry = Telemetry::default();
    let session = live("s");
    let mut handle = None;
    let opened = [
        ("sessions_opened_total{dialect=native,sdk=none}", 1.0),
        ("sessions_active{state=connecting}", 1.0),
        ("session_series", 1.0),
    ];
    assert_moved(&telemetry, &opened, || handle = Some(telemetry.session(session.clone())));
    let handle = handle.unwrap();
    let to_open =
        [("sessions_active{state=connecting}", -1.0), ("sessions_active{state=open}", 1.0)];
    assert_moved(&telemetry, &to_open, || {
        handle.state_changed(session.set_state(State::Open), State::Open);
    });
    handle.record(&session_ended());
    assert_moved(&telemetry, &[("sessions_active{state=open}", -1.0)], || {
        handle.state_changed(session.set_state(State::Ended), State::Ended);
    });
    assert_moved(&telemetry, &[], || drop(handle));
}

#[test]
fn a_session_is_counted_with_what_its_application_speaks() {
    for sdk in Sdk::ALL {
        let telemetry = Telemetry::default();
        let opened = format!("sessions_opened_total{{dialect=compatible,sdk={}}}", sdk.as_str());
        let mut handle = None;
        let moved = moved(&telemetry, || handle = Some(telemetry.session(live_with("s", sdk))));
        let opens = moved.into_iter().filter(|(name, _)| name.starts_with("sessions_opened"));
        assert_eq!(opens.collect::<Vec<_>>(), [(opened, 1.0)]);
    }
}

#[test]
fn a_cancelled_session_leaves_no_gauge_behind() {
    let telemetry = Telemetry::default();
    let session = telemetry.session(live("s"));
    session.record(&Fact::Connected(connected()));
    let silent = Duration::from_secs(20);
    session.record(&Fact::TranscriptStalled(TranscriptStalled { silent }));
    let expected = [
        ("sessions_cancelled_total", 1.0),
        ("sessions_active{state=connecting}", -1.0),
        ("upstream_connections_active", -1.0),
        ("stalled_sessions", -1.0),
        ("session_series", -1.0),
    ];
    assert_moved(&telemetry, &expected, || drop(session));
}

#[test]
fn a_connection_is_counted_down_once_whatever_ends_it() {
    let parked = Fact::SessionParked(SessionParked {
        idle: Duration::from_millis(1),
        cause: ParkCause::Shed,
    });
    for ends in [
        vec![died(Reason::ProviderError), session_ended()],
        vec![closed(), session_ended()],
        vec![closed(), parked, session_ended()],
    ] {
        let telemetry = Telemetry::default();
        let session = telemetry.session(live("s"));
        session.record(&Fact::Connected(connected()));
        assert_eq!(series(&telemetry)["upstream_connections_active"], 1.0);
        ends.iter().for_each(|fact| session.record(fact));
        assert_eq!(series(&telemetry)["upstream_connections_active"], 0.0);
        drop(session);
        assert_eq!(series(&telemetry)["upstream_connections_active"], 0.0);
    }
}

#[test]
fn a_scrape_brings_totals_up_to_date_and_counts_nothing_twice() {
    let telemetry = Telemetry::default();
    let session = live("s");
    let handle = telemetry.session(session.clone());
    let counters = &session.counters;
    let expected = [
        ("audio_frames_received_total", 30.0),
        ("audio_received_bytes_total", 96_000.0),
        ("audio_sent_bytes_total", 64_000.0),
        ("audio_seconds_total", 2.0),
        ("audio_ledger_seconds_total{account=accepted}", 3.0),
        ("audio_ledger_seconds_total{account=finalized}", 1.0),
        ("audio_ledger_seconds_total{account=lost}", 0.5),
        ("audio_ledger_seconds_total{account=gated}", 0.25),
        ("audio_in_flight_seconds", 1.25),
        ("vad_opens_total", 3.0),
        ("vad_finalizes_total", 2.0),
        ("vad_audio_seconds_total{gate_state=silence}", 0.5),
        ("vad_audio_seconds_total{gate_state=speech}", 1.5),
        ("vad_audio_seconds_total{gate_state=hangover}", 1.0),
        ("vad_would_gate_seconds_total", 0.125),
        ("prelude_audio_seconds_total", 4.0),
        ("finalize_requests_total", 7.0),
        ("finalize_inflight", 2.0),
        ("upstream_bytes_total{direction=sent}", 70_000.0),
        ("upstream_bytes_total{direction=received}", 9_000.0),
        ("upstream_messages_total{direction=sent,type=audio}", 20.0),
        ("upstream_messages_total{direction=sent,type=keepalive}", 4.0),
        ("upstream_messages_total{direction=sent,type=finalize}", 5.0),
        ("upstream_messages_total{direction=sent,type=text}", 6.0),
        ("upstream_messages_total{direction=sent,type=close_stream}", 1.0),
        ("upstream_messages_total{direction=sent,type=ping}", 8.0),
        ("app_keepalives_total", 9.0),
        ("upstream_messages_total{direction=received,type=binary}", 9.0),
        ("upstream_voice_bytes_total{endpoint=/v1/listen}", 28_800.0),
        ("queue_bytes{queue=to_upstream}", 100.0),
        ("queue_bytes{queue=to_app}", 200.0),
        ("queue_session_max_bytes{queue=to_upstream}", 100.0),
        ("queue_session_max_bytes{queue=to_app}", 200.0),
    ];
    assert_moved(&telemetry, &expected, || {
        counters.set(Count::Frames, 30);
        counters.set(Count::BytesReceived, 3 * SECOND);
        counters.set(Count::BytesSent, 2 * SECOND);
        counters.set(Count::BytesFinalized, SECOND);
        counters.set(Count::BytesLost, SECOND / 2);
        counters.set(Count::BytesGated, SECOND / 4);
        counters.set(Count::VadOpens, 3);
        counters.set(Count::VadFinalizes, 2);
        counters.set(Count::VadSilenceBytes, SECOND / 2);
        counters.set(Count::VadSpeechBytes, 3 * SECOND / 2);
        counters.set(Count::VadHangoverBytes, SECOND);
        counters.set(Count::BytesWouldGate, SECOND / 8);
        counters.set(Count::PreludeBytes, 4 * SECOND);
        counters.set(Count::FinalizesRequested, 7);
        counters.set(Count::FinalizesInFlight, 2);
        counters.set(Count::WireBytesSent, 70_000);
        counters.set(Count::WireBytesReceived, 9_000);
        counters.set(Count::FramesSent, 20);
        counters.set(Count::Keepalives, 4);
        counters.set(Count::FinalizesSent, 5);
        counters.set(Count::TextsSent, 6);
        counters.set(Count::CloseStreamsSent, 1);
        counters.set(Count::PingsSent, 8);
        counters.set(Count::AppKeepalives, 9);
        counters.set(Count::BinaryMessages, 9);
        counters.set(Count::BinaryBytes, 28_800);
        counters.set(Count::UpstreamQueueBytes, 100);
        counters.set(Count::AppQueueBytes, 200);
    });
    assert_moved(&telemetry, &[], || {});
    assert_moved(&telemetry, &[("audio_frames_received_total", 2.0)], || {
        counters.set(Count::Frames, 32);
    });
    // Its end adds what came since the last scrape, and nothing that was added before.
    counters.set(Count::Frames, 40);
    handle.record(&session_ended());
    drop(handle);
    assert_eq!(series(&telemetry)["audio_frames_received_total"], 40.0);
    assert_eq!(series(&telemetry)["audio_ledger_seconds_total{account=accepted}"], 3.0);
}

#[test]
fn a_session_whose_encoding_tells_no_time_has_bytes_and_no_seconds() {
    let telemetry = Telemetry::default();
    let id = SessionId::parse("s").unwrap();
    let session = LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new());
    let _handle = telemetry.session(session.clone());
    assert_moved(&telemetry, &[("audio_received_bytes_total", 5.0)], || {
        session.counters.set(Count::BytesReceived, 5);
    });
}

#[test]
fn the_most_silent_connection_is_shown_while_it_owes_a_keepalive() {
    let telemetry = Telemetry::default();
    let sessions: Vec<_> = [("a", 7), ("b", 3)]
        .into_iter()
        .map(|(id, silent)| {
            let opened_at = clock::now() - Duration::from_secs(100);
            let id = SessionId::parse(id).unwrap();
            let live = LiveSession::new(id, Endpoint::V1Listen, None, opened_at, Vec::new());
            live.counters.set(Count::LastSendMs, 1000 * (100 - silent));
            live.counters.is_connected.store(true, Relaxed);
            let handle = telemetry.session(live.clone());
            (live, handle)
        })
        .collect();
    let send_age_max = || series(&telemetry)["send_age_max_seconds"];
    assert!((7.0..8.0).contains(&send_age_max()));
    sessions[0].0.set_state(State::Closing);
    assert!((3.0..4.0).contains(&send_age_max()), "CloseStream ends the promise");
    sessions[1].0.counters.is_connected.store(false, Relaxed);
    assert_eq!(send_age_max(), 0.0);
}

#[test]
fn what_a_connection_is_waited_for_is_shown_before_it_is_dead() {
    let opened_at = clock::now() - Duration::from_secs(100);
    let telemetry = Telemetry::default();
    let id = SessionId::parse("a").unwrap();
    let live = LiveSession::new(id, Endpoint::V1Listen, None, opened_at, Vec::new());
    live.counters.is_connected.store(true, Relaxed);
    let _handle = telemetry.session(live.clone());
    for (count, name) in [
        (Count::PingPendingMs, "upstream_ping_pending_max_seconds"),
        (Count::WriteBlockedMs, "upstream_write_blocked_max_seconds"),
    ] {
        let shown = || series(&telemetry)[name];
        assert_eq!(shown(), 0.0, "nothing is waited for");
        live.counters.set(count, 97_000);
        assert!((3.0..4.0).contains(&shown()), "{name}");
        live.counters.set(count, 0);
        assert_eq!(shown(), 0.0);
    }
}

/// A live session whose gate is set to this, with so many seconds of audio in these counts.
fn gated(
    telemetry: &Telemetry,
    id: &str,
    mode: VadMode,
    [open, unopened]: [u64; 2],
) -> (Arc<LiveSession>, SessionTelemetry) {
    let session = live(id);
    let gate = GateSnapshot { mode, state: GateState::Silence, has_failed: false };
    session.counters.set_gate(Some(gate));
    session.counters.set(Count::VadOpenBytes, open * SECOND);
    session.counters.set(Count::VadUnopenedBytes, unopened * SECOND);
    let handle = telemetry.session(session.clone());
    (session, handle)
}

#[test]
fn gates_are_shown_by_mode_with_the_longest_open_and_never_opened() {
    let telemetry = Telemetry::default();
    let _none = telemetry.session(live("no-gate"));
    let _off = gated(&telemetry, "off", VadMode::Off, [0, 0]);
    let active = [("a", [20, 0]), ("b", [70, 0]), ("c", [0, 50])]
        .map(|(id, seconds)| gated(&telemetry, id, VadMode::Active, seconds));
    let _shadow = gated(&telemetry, "shadow", VadMode::Shadow, [300, 0]);
    let shown = || {
        let series = series(&telemetry);
        ["vad_sessions", "vad_open_max_seconds", "vad_unopened_max_seconds"].map(|name| {
            let of = |mode| series.get(&format!("{name}{{mode={mode}}}")).copied();
            ["off", "shadow", "active"].map(of)
        })
    };
    let none = None;
    let expected = [
        [Some(1.0), Some(1.0), Some(3.0)],
        [none, Some(300.0), Some(70.0)],
        [none, Some(0.0), Some(50.0)],
    ];
    assert_eq!(shown(), expected);
    // What has failed sends everything, and will for ever: there is nothing to look at any more.
    let failed = active[1].0.counters.gate().map(|it| GateSnapshot { has_failed: true, ..it });
    active[1].0.counters.set_gate(failed);
    active[2].0.set_state(State::Ended);
    let expected = [
        [Some(1.0), Some(1.0), Some(2.0)],
        [none, Some(300.0), Some(20.0)],
        [none, Some(0.0), Some(0.0)],
    ];
    assert_eq!(shown(), expected);
}
