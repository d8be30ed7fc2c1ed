//! `/v2/listen`, Flux: turns instead of results, an idle timer that Pings feed, and errors that are
//! always the end.

mod message;
mod options;
mod query;
mod text;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::outbox::Outbox;
use super::turn::{Info, Rules, Turns};
use super::{Faults, Output, Phase, Stream, Terms, TextKind};
use crate::audio::{Format, Meter};
use crate::backlog::{Backlog, Job};
use crate::position::Reader;
use crate::query::BadQuery;
use crate::record::End;
use crate::settings::{Settings, Undecodable};
use message::{Draft, Writer};
use options::{Configure, Options, Refusal};
use query::Parameters;
use text::ClientText;

/// Begins a stream.
pub(super) fn open(query: &str, terms: Terms) -> Result<Box<dyn Stream>, BadQuery> {
    Ok(Box::new(Flux::new(Parameters::parse(query, &terms.settings)?, terms)))
}

/// The state of one stream.
#[derive(Debug)]
struct Flux {
    settings: Arc<Settings>,
    format: Format,
    options: Options,
    writer: Writer,
    rules: Rules,
    turns: Turns,
    meter: Meter,
    reader: Option<Reader>,
    backlog: Backlog<Command>,
    outbox: Outbox<Item>,
    /// What the audio at hand gave rise to; kept for its memory.
    infos: Vec<Info>,
    opened: Instant,
    /// When the client's last frame came that the idle timer counts.
    active: Instant,
    /// When its last message came.
    spoken_to: Instant,
    /// Configures that wait for their answer.
    pending: usize,
    phase: Phase,
    faults: Faults,
}

/// What is done in its turn after the audio before it.
#[derive(Debug)]
enum Command {
    Configure(Configure),
    ForceEndTurn,
    CloseStream,
}

/// A message that is to be sent.
#[derive(Debug)]
enum Item {
    /// A turn; a mute server keeps it back. It makes final what lies before `settles`.
    Turn {
        info: Info,
        settles: Option<u64>,
    },
    /// Kept back likewise.
    Noise(String),
    /// The answer to a Configure that was waited for.
    Answer(Draft),
    Other(Draft),
    End(End),
}

impl Flux {
    fn new(parameters: Parameters, terms: Terms) -> Self {
        let Terms { settings, request_id, now } = terms;
        let format = parameters.format;
        let mut outbox = Outbox::default();
        outbox.push(now, Item::Other(Draft::Connected));
        Self {
            format,
            writer: Writer::new(&parameters, &settings, request_id),
            rules: Rules::new(format, parameters.options.thresholds, &settings),
            options: parameters.options,
            turns: Turns::default(),
            meter: Meter::new(format, false),
            reader: settings.position_code.then(Reader::default),
            backlog: Backlog::new(format, settings.pacing, settings.backlog, now),
            outbox,
            infos: Vec::new(),
            opened: now,
            active: now,
            spoken_to: now,
            pending: 0,
            phase: Phase::Open,
            faults: Faults::default(),
            settings,
        }
    }

    fn close_stream(&mut self) {
        if !self.faults.ignores_close_stream {
            self.phase = Phase::Draining;
            self.backlog.push_command(Command::CloseStream);
        }
    }

    /// Takes a Configure in, unless too many wait.
    fn receive(&mut self, now: Instant, configure: Configure) {
        if self.pending < self.settings.flux.pending_configures_max {
            self.pending += 1;
            return self.backlog.push_command(Command::Configure(configure));
        }
        let description = "Too many pending Configure messages.".to_owned();
        let refusal = Draft::ConfigureFailure(Refusal { code: None, description });
        self.outbox.push(now, Item::Other(refusal));
    }

    fn work(&mut self, now: Instant) {
        while self.phase != Phase::Ended
            && let Some(job) = self.backlog.next(now)
        {
            match job {
                Job::Audio(audio) => self.hear(now, &audio),
                Job::Command(Command::Configure(configure)) => {
                    let answer = Item::Answer(self.configure(configure));
                    self.outbox.push(now + self.settings.flux.configure_latency, answer);
                }
                Job::Command(Command::ForceEndTurn) => self.force_end_turn(now),
                Job::Command(Command::CloseStream) => self.finish(now),
            }
        }
    }

    fn hear(&mut self, now: Instant, audio: &[u8]) {
        match self.settings.undecodable {
            Some(Undecodable::Close | Undecodable::EmptyMetadata) => {
                let code = self.settings.flux.undecodable_code.clone();
                let description = "The audio could not be decoded.".to_owned();
                return self.fail(now, code, description, End::Undecodable);
            }
            Some(Undecodable::Silence) => return,
            None => {}
        }
        if let Some(reader) = &mut self.reader {
            reader.feed(audio);
        }
        let Self { meter, turns, rules, infos, .. } = self;
        meter.feed(audio, |samples, levels| {
            turns.hear(rules, samples, levels[0], &mut |info| infos.push(info));
        });
        self.announce(now, Info::settles);
    }

    fn configure(&mut self, configure: Configure) -> Draft {
        match self.options.changed(configure, &self.settings.flux) {
            Ok(options) => {
                self.rules.set_thresholds(options.thresholds);
                self.options = options.clone();
                Draft::ConfigureSuccess(options)
            }
            Err(refusal) => Draft::ConfigureFailure(refusal),
        }
    }

    fn force_end_turn(&mut self, now: Instant) {
        self.flush();
        let Self { turns, rules, infos, .. } = self;
        let ended = turns.force_end(rules, &mut |info| infos.push(info));
        self.announce(now, Info::settles);
        if !ended {
            let code = "FORCE_END_TURN_NO_ACTIVE_TURN";
            let warning = Draft::Warning { code, description: "There is no active turn to end." };
            self.outbox.push(now, Item::Other(warning));
        }
    }

    /// Ends the stream as CloseStream asks for it: nothing follows the last Update, which is the
    /// last word on an open turn.
    fn finish(&mut self, now: Instant) {
        self.flush();
        self.announce(now, Info::settles);
        let Self { turns, rules, infos, .. } = self;
        turns.close(rules, &mut |info| infos.push(info));
        self.announce(now, |info| Some(info.end));
        self.end(now, End::CloseStream);
    }

    fn flush(&mut self) {
        let Self { meter, turns, rules, infos, .. } = self;
        meter.flush(|samples, levels| {
            turns.hear(rules, samples, levels[0], &mut |info| infos.push(info));
        });
    }

    /// Sends what was worked out; `settles` tells up to where a turn is final.
    fn announce(&mut self, now: Instant, settles: impl Fn(&Info) -> Option<u64>) {
        let due = now + self.settings.result_latency;
        for info in self.infos.drain(..) {
            if let Some(text) = self.writer.unknown() {
                self.outbox.push(due, Item::Noise(text));
            }
            let settles = settles(&info);
            self.outbox.push(due, Item::Turn { info, settles });
        }
    }

    fn fail(&mut self, now: Instant, code: String, description: String, end: End) {
        self.outbox.push(now, Item::Other(Draft::Error { code, description }));
        self.end(now, end);
    }

    fn end(&mut self, now: Instant, end: End) {
        self.phase = Phase::Ended;
        self.outbox.push(now, Item::End(end));
    }

    /// A client whose socket we leave unread cannot be blamed for being idle.
    fn idle_due(&self) -> Option<Instant> {
        let flux = &self.settings.flux;
        let idle = (!flux.idle_timeout.is_zero()).then(|| self.active + flux.idle_timeout);
        let pinged = (!flux.ping_only_max.is_zero()).then(|| self.spoken_to + flux.ping_only_max);
        [idle, pinged].into_iter().flatten().min().filter(|_| self.wants_input())
    }
}

impl Stream for Flux {
    fn format(&self) -> Format {
        self.format
    }

    fn handle_binary(&mut self, now: Instant, audio: Bytes) -> bool {
        let is_end = audio.is_empty() && self.settings.flux.empty_binary_closes;
        if self.phase != Phase::Open {
            return is_end;
        }
        (self.active, self.spoken_to) = (now, now);
        if is_end {
            self.close_stream();
        } else if !audio.is_empty() {
            self.backlog.push(Job::Audio(audio));
        }
        self.work(now);
        is_end
    }

    fn handle_text(&mut self, now: Instant, text: &str) -> TextKind {
        let (read, kind) = ClientText::read(text);
        if self.phase != Phase::Open {
            return kind;
        }
        (self.active, self.spoken_to) = (now, now);
        match read {
            ClientText::CloseStream => self.close_stream(),
            ClientText::Configure(configure) => self.receive(now, configure),
            ClientText::ForceEndTurn => self.backlog.push_command(Command::ForceEndTurn),
            ClientText::Unparsable(cause) => {
                let description = format!("Could not deserialize last text message: {cause}");
                let code = "UNPARSABLE_CLIENT_MESSAGE".to_owned();
                self.fail(now, code, description, End::BadMessage);
            }
        }
        self.work(now);
        kind
    }

    fn handle_ping(&mut self, now: Instant) {
        if self.settings.flux.ping_resets_idle {
            self.active = now;
        }
    }

    fn handle_pong(&mut self, now: Instant) {
        if self.settings.flux.pong_resets_idle {
            self.active = now;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.work(now);
        if self.phase != Phase::Open {
            return;
        }
        if self.idle_due().is_some_and(|due| due <= now) {
            let description = "The client was inactive for too long.".to_owned();
            self.fail(now, "INACTIVE_CLIENT".to_owned(), description, End::IdleTimeout);
        } else if self.settings.unknowns.session_end(self.opened).is_some_and(|due| due <= now) {
            self.finish(now);
        }
    }

    fn poll_output(&mut self, now: Instant) -> Option<Output> {
        loop {
            match self.outbox.pop(now)? {
                Item::Turn { settles, .. } if self.faults.muted => {
                    if let (Some(end), Some(reader)) = (settles, &mut self.reader) {
                        reader.settle(end, |_| {});
                    }
                }
                Item::Noise(_) if self.faults.muted => {}
                Item::Noise(text) => return Some(Output::Transcript { text, settles: None }),
                Item::Turn { info, settles } => {
                    let text = self.writer.write(Draft::Turn(info));
                    return Some(Output::Transcript { text, settles });
                }
                Item::Answer(draft) => {
                    self.pending -= 1;
                    return Some(Output::Text(self.writer.write(draft)));
                }
                Item::Other(draft) => return Some(Output::Text(self.writer.write(draft))),
                Item::End(end) => {
                    return Some(Output::Close { code: None, reason: String::new(), end });
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let timers = [self.idle_due(), self.settings.unknowns.session_end(self.opened)];
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

#[cfg(test)]
mod tests;
