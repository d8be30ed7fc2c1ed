//! Every frame that carries the session's words, byte for byte as applications have always had it.
//! `frames.jsonl` is the contract: a line of it may gain members, but loses or changes one with the
//! protocol's version alone.

use super::*;
use session::death::{Death, Reason, Trigger};
use session::dial::DialReason;
use session::summary::{
    AudioSummary, DeathSummary, FinalizeSummary, MessageSummary, Outcome, Summary, VadSummary,
};
use session::{ConnectRefusal, LossCause, ReconnectReason};

const FRAMES: &str = include_str!("frames.jsonl");

/// A text that JSON has to escape.
const DETAIL: &str = "1011 \"oops\"\n\u{e9}";

#[test]
fn every_frame_is_what_it_has_always_been() {
    let frames = [opened(), events(), refusals(), summaries()].concat();
    let session = live();
    let mut lines = FRAMES.lines();
    for frame in &frames {
        let mut buffer = BytesMut::new();
        write(frame, &session, &mut buffer);
        let payload = std::str::from_utf8(&buffer[5..]).unwrap();
        assert_eq!(Some(payload), lines.next(), "{frame:?}");
    }
    assert_eq!(lines.next(), None, "a line without a frame");
}

fn opened() -> Vec<AppFrame> {
    [None, Some("id".to_owned())].map(|request_id| AppFrame::Opened { request_id }).into()
}

fn events() -> Vec<AppFrame> {
    let mut events: Vec<_> = Reason::ALL.into_iter().flat_map(deaths).collect();
    let dropped = |cause| Event::AudioDropped { frames: 3, bytes: 9600, cause };
    events.extend(LossCause::ALL.map(dropped));
    events.extend([
        Event::Stalled { silent_ms: 20_000 },
        Event::Parked { idle_ms: 600_000 },
        Event::Resumed { idle_ms: 900_000 },
        Event::Draining { deadline_ms: 25_000 },
        Event::PreludeDone { prelude_ms: 8_000 },
    ]);
    let reasons = Reason::ALL.into_iter().map(ReconnectReason::Death);
    let reasons = reasons.chain(DialReason::ALL.into_iter().map(ReconnectReason::Dial));
    let reconnecting = |reason| Event::Reconnecting { attempt: 2, delay_ms: 1500, reason };
    events.extend(reasons.map(reconnecting));
    events.extend([false, true].map(recovered));
    events.into_iter().map(|event| AppFrame::Event { at_ms: 7, event }).collect()
}

fn recovered(speakers_restarted: bool) -> Event {
    let (gap_ms, replayed_ms, lost_ms) = (1700, 2500, 300);
    Event::Recovered { connection: 2, gap_ms, replayed_ms, lost_ms, speakers_restarted }
}

fn deaths(reason: Reason) -> impl Iterator<Item = Event> {
    let death = move |trigger: &Trigger| Death {
        reason,
        trigger: *trigger,
        class: reason.class(),
        detail: DETAIL.to_owned(),
        send_age_ms: 1500,
        receive_age_ms: 2500,
        connection: 1,
        final_ms: Some(1200),
    };
    let dead = move |trigger: &Trigger| Event::Dead { death: death(trigger), recovering: false };
    reason.triggers().iter().map(dead)
}

fn refusals() -> Vec<AppFrame> {
    let mut refusals: Vec<_> =
        ErrorCode::ALL.into_iter().map(|code| Refusal::new(code, DETAIL)).collect();
    refusals.push(Refusal::of_member(ErrorCode::InvalidOpen, "params.model", "is missing"));
    refusals.push(connect_refusal(ConnectRefusal::default()));
    refusals.extend(DialReason::ALL.into_iter().map(|reason| {
        connect_refusal(ConnectRefusal {
            answer: None,
            reason: Some(reason),
            status: Some(429),
            detail: Some(DETAIL.to_owned()),
            request_id: Some("id".to_owned()),
            retry_after: Some(std::time::Duration::from_secs(2)),
        })
    }));
    refusals.into_iter().map(|refusal| AppFrame::Error(Box::new(refusal))).collect()
}

fn connect_refusal(connect: ConnectRefusal) -> Refusal {
    let refusal = Refusal::new(ErrorCode::ConnectFailed, "no connection");
    Refusal { connect: Some(Box::new(connect)), ..refusal }
}

fn summaries() -> Vec<AppFrame> {
    let death = DeathSummary {
        reason: Reason::ProviderError,
        trigger: Trigger::Read,
        class: Reason::ProviderError.class(),
        detail: DETAIL.to_owned(),
    };
    let deaths = [None, Some(death)].into_iter().cycle();
    let summaries = Outcome::ALL.into_iter().zip(deaths).map(summary);
    summaries
        .chain(VadMode::ALL.map(gated))
        .map(|summary| AppFrame::Finished { summary: Box::new(summary), close: None })
        .collect()
}

fn gated(mode: VadMode) -> Summary {
    let vad = VadSummary {
        mode,
        opens: 40,
        finalizes: 38,
        speech_ms: 90_000,
        held_ms: 120_000,
        would_hold_ms: 30_000,
        failed: mode == VadMode::Off,
    };
    Summary { vad: Some(vad), ..summary((Outcome::Finished, None)) }
}

fn summary((outcome, death): (Outcome, Option<DeathSummary>)) -> Summary {
    Summary {
        session_id: SessionId::parse("call-7").unwrap(),
        outcome,
        cut: death.is_some(),
        death,
        duration_ms: 310_000,
        connections: 1,
        audio: AudioSummary {
            frames: 30,
            bytes_received: 96_000,
            bytes_sent: 64_000,
            frames_dropped: 10,
            bytes_dropped: 32_000,
            bytes_gated: 0,
        },
        keepalives: 11,
        finalizes: FinalizeSummary { sent: 7, errors: 1, timeouts: 2, skipped_dead: 3 },
        messages: MessageSummary { received: 164, finals: 82 },
        recoveries: 0,
        lost_ms: Some(1000),
        unknown_ms: Some(0),
        vad: None,
    }
}
