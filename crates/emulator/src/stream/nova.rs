//! `/v1/listen`: results by segment, and two timers.

mod message;
mod query;
mod text;
mod transcript;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::outbox::Outbox;
use super::{Faults, Output, Phase, Stream, Terms, TextKind};
use crate::audio::{Format, Meter};
use crate::backlog::{Backlog, Job};
use crate::position::Reader;
use crate::query::BadQuery;
use crate::record::End;
use crate::settings::{Settings, Undecodable};
use message::Writer;
use query::Parameters;
use text::ClientText;
use transcript::{Emission, Lane, Rules, Standing};

/// Timer A's close reason on the wire.
const IDLE_REASON: &str = "Deepgram did not receive audio data or a text message within the \
    timeout window. See https://dpgr.am/net0001";

/// Timer B's close reason on the wire.
const RESPONSE_REASON: &str = "Deepgram did not provide a response message within the timeout \
    window. See https://dpgr.am/net0000";

/// Begins a stream.
pub(super) fn open(query: &str, terms: Terms) -> Result<Box<dyn Stream>, BadQuery> {
    let refuse_unknown = terms.settings.unknowns.unknown_parameters_refused;
    Ok(Box::new(Nova::new(Parameters::parse(query, refuse_unknown)?, terms)))
}

/// The state of one stream.
#[derive(Debug)]
struct Nova {
    format: Format,
    settings: Arc<Settings>,
    writer: Writer,
    rules: Rules,
    lanes: Vec<Lane>,
    meter: Meter,
    digest: Option<Sha256>,
    reader: Option<Reader>,
    backlog: Backlog<Command>,
    outbox: Outbox<Output>,
    /// What the window at hand gave rise to, by channel; kept for its memory.
    emissions: Vec<(u32, Emission)>,
    opened: Instant,
    /// When the client last did something that timer A counts.
    active: Instant,
    /// When timer B runs out; `None` once it has been satisfied.
    response_due: Option<Instant>,
    phase: Phase,
    takes_keyterms: bool,
    faults: Faults,
}

/// What is done in its turn after the audio before it.
#[derive(Debug)]
enum Command {
    Finalize { channel: Option<u32> },
    CloseStream,
}

impl Nova {
    fn new(parameters: Parameters, terms: Terms) -> Self {
        let Terms { settings, request_id, now } = terms;
        let format = parameters.format;
        let response_due =
            (!settings.response_timeout.is_zero()).then(|| now + settings.response_timeout);
        Self {
            format,
            rules: Rules::new(&parameters, &settings),
            lanes: (0..parameters.lanes()).map(|_| Lane::default()).collect(),
            meter: Meter::new(format, parameters.multichannel),
            digest: settings.hash_audio.then(Sha256::new),
            reader: settings.position_code.then(Reader::default),
            backlog: Backlog::new(format, settings.pacing, settings.backlog, now),
            outbox: Outbox::default(),
            emissions: Vec::new(),
            opened: now,
            active: now,
            response_due,
            phase: Phase::Open,
            takes_keyterms: parameters.is_nova_3(),
            faults: Faults::default(),
            writer: Writer::new(parameters, &settings, request_id),
            settings,
        }
    }

    fn counts_as_activity(&self, kind: TextKind) -> bool {
        match kind {
            TextKind::KeepAlive | TextKind::CloseStream => true,
            TextKind::Finalize => self.settings.unknowns.finalize_resets_idle,
            TextKind::Other => self.settings.unknowns.text_resets_idle,
        }
    }

    fn close_stream(&mut self) {
        if !self.faults.ignores_close_stream {
            self.phase = Phase::Draining;
            self.backlog.push_command(Command::CloseStream);
        }
    }

    fn work(&mut self, now: Instant) {
        while self.phase != Phase::Ended
            && let Some(job) = self.backlog.next(now)
        {
            match job {
                Job::Audio(audio) => self.hear(now, &audio),
                Job::Command(Command::Finalize { channel }) => self.finalize(now, channel),
                Job::Command(Command::CloseStream) => self.finish(now),
            }
        }
    }

    fn hear(&mut self, now: Instant, audio: &[u8]) {
        match self.settings.undecodable {
            Some(Undecodable::Close) => return self.refuse_audio(now),
            Some(Undecodable::EmptyMetadata) => return self.finish(now),
            Some(Undecodable::Silence) | None => {}
        }
        if let Some(digest) = &mut self.digest {
            digest.update(audio);
        }
        if let Some(reader) = &mut self.reader {
            reader.feed(audio);
        }
        let Self { meter, lanes, rules, emissions, .. } = self;
        meter.feed(audio, |samples, levels| hear_window(lanes, rules, samples, levels, emissions));
        self.announce(now + self.settings.result_latency);
    }

    fn finalize(&mut self, now: Instant, channel: Option<u32>) {
        let empty_too = self.settings.finalize_answers_empty;
        self.flush(Standing::Finalized, channel, empty_too);
        self.announce(now + self.settings.finalize_latency);
    }

    /// Ends the stream as CloseStream asks for it.
    fn finish(&mut self, now: Instant) {
        self.flush(Standing::Flushed, None, false);
        let due = now + self.settings.result_latency;
        self.announce(due);
        let digest = self.digest.take().map(|digest| hex(&digest.finalize()));
        self.outbox.push(due, Output::Text(self.writer.metadata(self.heard(), digest)));
        self.end(due, 1000, String::new(), End::CloseStream);
    }

    fn time_out(&mut self, now: Instant, metadata: bool, reason: &str, end: End) {
        if self.settings.unknowns.timeout_flushes {
            self.flush(Standing::Flushed, None, false);
            self.announce(now);
        }
        if metadata {
            self.outbox.push(now, Output::Text(self.writer.metadata(self.heard(), None)));
        }
        self.end(now + self.settings.close_gap, 1011, reason.to_owned(), end);
    }

    fn refuse_audio(&mut self, now: Instant) {
        let reason = self.settings.unknowns.undecodable_reason.clone();
        self.end(now, 1008, reason, End::Undecodable);
    }

    fn end(&mut self, due: Instant, code: u16, reason: String, end: End) {
        self.phase = Phase::Ended;
        self.outbox.push(due, Output::Close { code: Some(code), reason, end });
    }

    fn flush(&mut self, standing: Standing, channel: Option<u32>, empty_too: bool) {
        let Self { meter, lanes, rules, emissions, .. } = self;
        meter.flush(|samples, levels| hear_window(lanes, rules, samples, levels, emissions));
        for (index, lane) in (0..).zip(lanes).filter(|(i, _)| channel.is_none_or(|c| c == *i)) {
            lane.flush(standing, empty_too, &mut |emission| emissions.push((index, emission)));
        }
    }

    /// Puts what was worked out into words.
    fn announce(&mut self, due: Instant) {
        for (channel, emission) in self.emissions.drain(..) {
            let (text, settles) = match &emission {
                Emission::Result(segment) => {
                    let settles = segment.standing.is_final().then_some(segment.end);
                    (self.writer.results(channel, segment), settles)
                }
                Emission::SpeechStarted { at } => (self.writer.speech_started(channel, *at), None),
                Emission::UtteranceEnd { last_word_end } => {
                    (self.writer.utterance_end(channel, *last_word_end), None)
                }
            };
            let unknown =
                self.writer.unknown().map(|text| Output::Transcript { text, settles: None });
            for output in unknown.into_iter().chain([Output::Transcript { text, settles }]) {
                self.outbox.push(due, output);
            }
        }
    }

    /// Samples worked through.
    fn heard(&self) -> u64 {
        if self.settings.undecodable.is_some() { 0 } else { self.lanes[0].position() }
    }

    fn is_silent(&self) -> bool {
        self.faults.muted || self.settings.undecodable == Some(Undecodable::Silence)
    }

    /// A client whose socket we leave unread cannot be blamed for being idle.
    fn idle_due(&self) -> Option<Instant> {
        let runs = self.wants_input() && !self.settings.idle_timeout.is_zero();
        runs.then(|| self.active + self.settings.idle_timeout)
    }
}

impl Stream for Nova {
    fn format(&self) -> Format {
        self.format
    }

    fn handle_binary(&mut self, now: Instant, audio: Bytes) -> bool {
        // The old form of CloseStream.
        let is_end = audio.is_empty();
        if self.phase != Phase::Open {
            return is_end;
        }
        self.active = now;
        if is_end {
            self.close_stream();
        } else {
            self.backlog.push(Job::Audio(audio));
            if self.settings.unknowns.response_timer_restarts && self.response_due.is_none() {
                self.response_due = Some(now + self.settings.response_timeout);
            }
        }
        self.work(now);
        is_end
    }

    fn handle_text(&mut self, now: Instant, text: &str) -> TextKind {
        let read = ClientText::read(text, self.takes_keyterms);
        let kind = read.kind();
        if self.phase != Phase::Open {
            return kind;
        }
        if self.counts_as_activity(kind) {
            self.active = now;
        }
        match read {
            ClientText::KeepAlive | ClientText::Sync | ClientText::Configure => {}
            ClientText::Finalize { channel } => {
                self.backlog.push_command(Command::Finalize { channel });
            }
            ClientText::CloseStream => self.close_stream(),
            ClientText::KeytermsUnsupported => {
                self.outbox.push(now, Output::Text(self.writer.keyterms_not_supported()));
            }
            ClientText::Unreadable(cause) => {
                self.outbox.push(now, Output::Text(self.writer.schema_error(&cause, text)));
            }
        }
        self.work(now);
        kind
    }

    fn handle_ping(&mut self, now: Instant) {
        if self.settings.unknowns.ping_resets_idle {
            self.active = now;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.work(now);
        if self.phase != Phase::Open {
            return;
        }
        if self.idle_due().is_some_and(|due| due <= now) {
            self.time_out(now, true, IDLE_REASON, End::IdleTimeout);
        } else if self.response_due.is_some_and(|due| due <= now) {
            let metadata = self.settings.unknowns.response_timeout_metadata;
            self.time_out(now, metadata, RESPONSE_REASON, End::ResponseTimeout);
        } else if self.settings.unknowns.session_end(self.opened).is_some_and(|due| due <= now) {
            self.finish(now);
        }
    }

    fn poll_output(&mut self, now: Instant) -> Option<Output> {
        loop {
            let output = self.outbox.pop(now)?;
            match &output {
                Output::Transcript { settles, .. } if self.is_silent() => {
                    if let (Some(end), Some(reader)) = (settles, &mut self.reader) {
                        reader.settle(*end, |_| {});
                    }
                }
                Output::Transcript { .. } | Output::Text(_) => {
                    self.response_due = None;
                    return Some(output);
                }
                Output::Audio(_) | Output::Close { .. } => return Some(output),
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let timers =
            [self.idle_due(), self.response_due, self.settings.unknowns.session_end(self.opened)];
        let open = timers.into_iter().filter(|_| self.phase == Phase::Open);
        open.chain([self.outbox.deadline(), self.backlog.deadline()]).flatten().min()
    }

    fn wants_input(&self) -> bool {
        !self.backlog.is_full() && !self.outbox.is_full()
    }

    fn reader(&mut self) -> Option<&mut Reader> {
        self.reader.as_mut()
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }
}

fn hear_window(
    lanes: &mut [Lane],
    rules: &Rules,
    samples: u64,
    levels: &[f32],
    emissions: &mut Vec<(u32, Emission)>,
) {
    for ((index, lane), &level) in (0..).zip(lanes).zip(levels) {
        lane.hear(rules, samples, level, &mut |emission| emissions.push((index, emission)));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
