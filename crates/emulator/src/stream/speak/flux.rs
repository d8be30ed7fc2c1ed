//! `/v2/speak`, Flux TTS: turns that a Flush ends, an idle timer, and errors that are always the
//! end.

mod message;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Deserialize;

use super::{JOBS_MAX, check_speed, close, form, session_end};
use crate::audio::Format;
use crate::position::Reader;
use crate::query::{BadQuery, Query};
use crate::record::End;
use crate::settings::Settings;
use crate::stream::voice::{Form, Piece, Voice};
use crate::stream::{Faults, Output, Stream, Terms, TextKind};
use message::{Speech, Writer};

const RATES: [u32; 6] = [8_000, 16_000, 24_000, 32_000, 44_100, 48_000];

/// Begins a stream. Parameters that are not known are refused, as documented.
pub(in crate::stream) fn open(query: &str, terms: Terms) -> Result<Box<dyn Stream>, BadQuery> {
    let query = Query::read(query);
    query.refuse_unknown(&KNOWN)?;
    query.flag("mip_opt_out")?;
    let model = query.last("model");
    let model = model.ok_or_else(|| BadQuery::parameter("missing field `model`"))?;
    if !model.starts_with("flux-") {
        return Err(BadQuery::request("No such model/version combination found."));
    }
    Ok(Box::new(FluxTts::new(model, form(&query, &RATES)?, terms)))
}

/// The state of one stream.
#[derive(Debug)]
struct FluxTts {
    settings: Arc<Settings>,
    form: Form,
    writer: Writer,
    voice: Voice<Mark>,
    /// Messages that wait for nothing.
    replies: VecDeque<Output>,
    /// The turn that takes text.
    turn: Option<Speech>,
    /// Turns begun so far.
    turns: u64,
    opened: Instant,
    /// When the client's last frame came.
    active: Instant,
    ended: bool,
    faults: Faults,
}

/// What stands between pieces of audio.
#[derive(Clone, Debug)]
enum Mark {
    Started {
        speech_id: String,
    },
    /// The end of a turn.
    Spoken(Speech),
    Close,
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum ClientText {
    Speak { text: String },
    Flush,
    Interrupt { playback_offset: Option<u64> },
    Configure { speed: Option<f32> },
    Close,
}

impl FluxTts {
    fn new(model: &str, form: Form, terms: Terms) -> Self {
        let Terms { settings, request_id, now } = terms;
        let writer = Writer::new(settings.field_noise);
        let connected = Output::Text(writer.connected(&request_id, model));
        Self {
            form,
            writer,
            voice: Voice::new(form, &settings, now),
            replies: VecDeque::from([connected]),
            turn: None,
            turns: 0,
            opened: now,
            active: now,
            ended: false,
            faults: Faults::default(),
            settings,
        }
    }

    /// Says a text at once: where a turn ends is the client's business, where a sentence does is
    /// the server's.
    fn speak(&mut self, now: Instant, text: &str) {
        if text.chars().count() > self.settings.speak.text_chars_max {
            return self.fail(1008, "DATA-0001", "The text has too many characters.");
        }
        if self.turn.is_none() {
            self.turns += 1;
            let speech_id = format!("dg_sp_{:012x}", self.turns);
            self.voice.mark(Mark::Started { speech_id: speech_id.clone() });
            self.turn = Some(Speech { speech_id, ..Speech::default() });
        }
        let samples = self.voice.say(now, text);
        if let Some(turn) = &mut self.turn {
            turn.audio_duration_ms += self.form.duration(samples).as_millis() as u64;
            turn.input_character_count += text.chars().count() as u64;
        }
    }

    fn flush(&mut self) {
        let Some(turn) = self.turn.take() else { return self.warn_of_no_turn() };
        self.replies.push_back(Output::Text(self.writer.flushed(&turn.speech_id)));
        self.voice.mark(Mark::Spoken(turn));
    }

    /// Ends the turn that takes text. Turns that wait before it are lost with it.
    fn interrupt(&mut self, playback_offset: Option<u64>) {
        let Some(turn) = self.turn.take() else { return self.warn_of_no_turn() };
        self.voice.give_up();
        let sent = self.form.duration(self.voice.sent()).as_millis() as u64;
        let played = playback_offset.unwrap_or(sent);
        self.replies.push_back(Output::Text(self.writer.interrupted(played, &turn)));
    }

    fn configure(&mut self, speed: Option<f32>) {
        let reply = match speed.map(|speed| (speed, check_speed(speed))) {
            Some((speed, Err(description))) => self.writer.refused(speed, &description),
            Some((speed, Ok(()))) => {
                self.voice.set_speed(speed);
                self.writer.configured(Some(speed))
            }
            None => self.writer.configured(None),
        };
        self.replies.push_back(Output::Text(reply));
    }

    fn close(&mut self) {
        if self.faults.ignores_close_stream {
            return;
        }
        self.ended = true;
        if let Some(turn) = self.turn.take() {
            self.voice.mark(Mark::Spoken(turn));
        }
        self.voice.mark(Mark::Close);
    }

    fn warn_of_no_turn(&mut self) {
        let warning = self.writer.warning("NO_ACTIVE_SPEECH", "There is no active speech.");
        self.replies.push_back(Output::Text(warning));
    }

    fn fail(&mut self, code: u16, reason: &str, description: &str) {
        self.end(close(code, reason, End::BadMessage), reason, description);
    }

    fn end(&mut self, last: Output, reason: &str, description: &str) {
        self.ended = true;
        self.voice.give_up();
        let error = Output::Text(self.writer.error(reason, description));
        self.replies.extend([error, last]);
    }

    fn take_piece(&mut self, now: Instant) -> Option<Output> {
        loop {
            match self.voice.next(now)? {
                Piece::Mark(Mark::Close) => {
                    self.replies.push_back(close(1000, "", End::CloseStream));
                    return Some(Output::Text(self.writer.session_metadata()));
                }
                _ if self.faults.muted => {}
                Piece::Audio(audio) => return Some(Output::Audio(audio)),
                Piece::Mark(Mark::Started { speech_id }) => {
                    return Some(Output::Text(self.writer.speech_started(&speech_id)));
                }
                Piece::Mark(Mark::Spoken(turn)) => {
                    return Some(Output::Text(self.writer.speech_metadata(&turn)));
                }
            }
        }
    }

    fn idle_due(&self) -> Option<Instant> {
        let longest = self.settings.speak.idle_timeout;
        (!longest.is_zero() && self.wants_input()).then(|| self.active + longest)
    }
}

impl Stream for FluxTts {
    fn format(&self) -> Format {
        Format::new(None, None, 1)
    }

    fn handle_binary(&mut self, _now: Instant, _audio: Bytes) -> bool {
        if !self.ended {
            self.fail(1003, "MESSAGE-0000", "Binary messages are not supported.");
        }
        false
    }

    fn handle_text(&mut self, now: Instant, text: &str) -> TextKind {
        let read: Result<ClientText, _> = serde_json::from_str(text);
        let kind = match &read {
            Ok(ClientText::Close) => TextKind::CloseStream,
            _ => TextKind::Other,
        };
        if self.ended {
            return kind;
        }
        self.active = now;
        match read {
            Ok(ClientText::Speak { text }) => self.speak(now, &text),
            Ok(ClientText::Flush) => self.flush(),
            Ok(ClientText::Interrupt { playback_offset }) => self.interrupt(playback_offset),
            Ok(ClientText::Configure { speed }) => self.configure(speed),
            Ok(ClientText::Close) => self.close(),
            Err(error) => self.fail(1008, "DATA-0000", &error.to_string()),
        }
        kind
    }

    fn handle_ping(&mut self, now: Instant) {
        self.active = now;
    }

    fn handle_pong(&mut self, now: Instant) {
        self.active = now;
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.ended {
            return;
        }
        if self.idle_due().is_some_and(|due| due <= now) {
            let last = close(1011, "NET-0004", End::IdleTimeout);
            self.end(last, "NET-0004", "The client was inactive for too long.");
        } else if session_end(&self.settings, self.opened).is_some_and(|due| due <= now) {
            let last = close(1011, "NET-0003", End::SessionMax);
            self.end(last, "NET-0003", "The session has reached its maximum length.");
        }
    }

    fn poll_output(&mut self, now: Instant) -> Option<Output> {
        self.replies.pop_front().or_else(|| self.take_piece(now))
    }

    fn next_deadline(&self) -> Option<Instant> {
        let timers = [self.idle_due(), session_end(&self.settings, self.opened)];
        let open = timers.into_iter().filter(|_| !self.ended);
        open.flatten().chain(self.voice.deadline()).min()
    }

    fn wants_input(&self) -> bool {
        self.voice.waiting() + self.replies.len() < JOBS_MAX
    }

    fn reader(&mut self) -> Option<&mut Reader> {
        None
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }
}

const KNOWN: [&str; 7] =
    ["model", "encoding", "sample_rate", "speed", "mip_opt_out", "tag", "token"];

#[cfg(test)]
mod tests;
