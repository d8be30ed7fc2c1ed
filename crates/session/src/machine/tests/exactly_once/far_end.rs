//! Deepgram: results for what it gets, by connection.

use super::application::sample_at;
use super::stage::Stage;
use super::*;
use crate::close::DgCode;
use crate::death::Reason;

/// One connection's far end: everything that it got, and how far its results are.
pub(super) struct FarEnd {
    pub(super) id: ConnectionId,
    audio: Vec<u8>,
    /// How much of that goes ahead of the live audio.
    lead: usize,
    /// By channel, in bytes.
    ends: Vec<usize>,
    closing: bool,
    /// Finalizes to be answered.
    finalizes: u64,
}

impl FarEnd {
    fn new(id: ConnectionId, channels: u32) -> Self {
        let ends = vec![0; channels as usize];
        Self { id, audio: Vec::new(), lead: 0, ends, closing: false, finalizes: 0 }
    }
}

impl Stage {
    fn far(&mut self, id: ConnectionId) -> Option<&mut FarEnd> {
        self.fars.iter_mut().find(|it| it.id == id)
    }

    pub(super) fn deepgram(&mut self) {
        let is_away = self.away_until.is_some_and(|until| self.now < until);
        while let Some(place) = self.dials.iter().position(|(_, at)| *at <= self.now) {
            let (id, _) = self.dials.remove(place);
            let input = if is_away {
                UpstreamInput::DialFailed(DialFailure::before_answer(DialReason::Tcp, "away"))
            } else {
                self.fars.push(FarEnd::new(id, self.plan.channels));
                UpstreamInput::Connected { request_id: None, phases: DialPhases::default() }
            };
            self.upstream(id, input);
        }
        let ids: Vec<_> = self.fars.iter().map(|it| it.id).collect();
        for id in ids {
            self.take_sent(id);
            self.answer(id);
        }
    }

    /// The kernel takes what was sent, now and then, and Deepgram gets it; one that is mute as well.
    fn take_sent(&mut self, id: ConnectionId) {
        if self.far(id).is_none() || self.plan.random.below(3) == 0 {
            return;
        }
        let mut written = Written::default();
        let sent = self.sent.extract_if(.., |(to, _)| *to == id).collect::<Vec<_>>();
        let far = self.far(id).expect("it was looked at just now");
        for (_, outgoing) in sent {
            written.add(&outgoing);
            match outgoing {
                Outgoing::Audio(audio) | Outgoing::Replay { audio, .. } => {
                    far.audio.extend_from_slice(&audio);
                }
                Outgoing::Lead(lead) => {
                    assert_eq!(far.audio.len(), far.lead, "it goes ahead");
                    far.audio.extend_from_slice(&lead);
                    far.lead += lead.len();
                }
                Outgoing::Finalize { .. } => far.finalizes += 1,
                Outgoing::CloseStream => far.closing = true,
                _ => {}
            }
        }
        let pings = written.pings;
        // Its results may come before it is known that all was written.
        if self.plan.random.below(4) == 0 {
            self.answer(id);
        }
        if written != Written::default() && self.far(id).is_some() {
            self.upstream(id, UpstreamInput::Written(written));
        }
        if pings > 0 && self.far(id).is_some() {
            self.upstream(id, UpstreamInput::Pong);
        }
    }

    /// Results for every window that is complete, channel by channel; all the rest at the end.
    fn answer(&mut self, id: ConnectionId) {
        let (window, lag) = (self.format.bytes(self.plan.window), self.format.bytes(self.plan.lag));
        let Some(far) = self.far(id) else { return };
        let mut due = Vec::new();
        let heard = far.audio.len() - far.audio.len() % SAMPLE_BYTES;
        let is_flush = far.closing || far.finalizes > 0;
        for (channel, end) in far.ends.iter_mut().enumerate() {
            // One channel is behind the other.
            let behind = lag as usize * (1 + channel);
            while is_flush && *end < heard || *end + window as usize + behind <= heard {
                let to = if is_flush { heard } else { *end + window as usize };
                due.push((channel as u32, *end, to));
                *end = to;
            }
        }
        let from_finalize = std::mem::take(&mut far.finalizes) > 0;
        let (closing, length) = (far.closing, far.audio.len() as u64);
        for (channel, from, to) in due {
            self.result(id, channel, from, to, from_finalize);
        }
        if closing && self.far(id).is_some() {
            self.fars.retain(|it| it.id != id);
            let processed = Some(self.format.duration(length));
            self.upstream(id, message(MessageKind::Metadata { processed }, Bytes::new()));
            self.upstream(id, closed(1000));
        }
    }

    fn result(&mut self, id: ConnectionId, channel: u32, from: usize, to: usize, flush: bool) {
        let (channels, format) = (self.plan.channels, self.format);
        let Some(far) = self.far(id) else { return };
        // The message says what the audio says: stretches of the session, and where on the connection.
        let is_lead = to <= far.lead && !flush;
        let mut text = channel.to_string() + if is_lead { " lead" } else { "" };
        let mut at = from.max(far.lead);
        while at < to {
            let first = sample_at(&far.audio, at);
            let is_next = |place: &usize| {
                sample_at(&far.audio, *place) == first + (place - at) / SAMPLE_BYTES
            };
            let count = (at..to).step_by(SAMPLE_BYTES).take_while(is_next).count();
            text += &format!(" {first} {count} {at}");
            at += count * SAMPLE_BYTES;
        }
        let text = text.into_bytes().into();
        let kind = MessageKind::Results {
            start: format.duration(from as u64),
            is_final: true,
            from_finalize: flush,
            end: format.duration(to as u64),
            channel,
            channels,
        };
        self.upstream(id, message(kind, text));
    }
}

fn message(kind: MessageKind, text: Bytes) -> UpstreamInput {
    UpstreamInput::Message { text, kind }
}

pub(super) fn reset() -> UpstreamInput {
    let (reason, trigger) = (Reason::ConnectionReset, Trigger::Read);
    UpstreamInput::Failed { reason, trigger, detail: String::new() }
}

pub(super) fn closed(code: u16) -> UpstreamInput {
    let reason = reason_of_close(Some(code), "");
    let (detail, dg_code) = (String::new(), DgCode::None);
    let frame = CloseFrame { code: Some(code), text: String::new() };
    UpstreamInput::Closed { frame, reason, dg_code, detail, says_why: true }
}
