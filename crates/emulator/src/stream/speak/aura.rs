//! `/v1/speak`, Aura: text is collected, a Flush says it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::minute::Minute;
use super::{JOBS_MAX, close, form, session_end};
use crate::audio::Format;
use crate::json::Pen;
use crate::position::Reader;
use crate::query::{BadQuery, Query};
use crate::record::End;
use crate::settings::Settings;
use crate::stream::voice::{Form, Piece, Voice};
use crate::stream::{Faults, Output, Stream, Terms, TextKind};

const RATES: [u32; 5] = [8_000, 16_000, 24_000, 32_000, 48_000];

const MODEL: &str = "aura-asteria-en";
const MODEL_UUID: &str = "ecb76e9d-f2db-4127-8060-79b05590d22f";

/// Begins a stream.
pub(in crate::stream) fn open(query: &str, terms: Terms) -> Result<Box<dyn Stream>, BadQuery> {
    let query = Query::read(query);
    if terms.settings.unknowns.unknown_parameters_refused {
        query.refuse_unknown(&KNOWN)?;
    }
    query.flag("mip_opt_out")?;
    let model = query.last("model").unwrap_or(MODEL);
    if !model.starts_with("aura") {
        return Err(BadQuery::request("No such model/version combination found."));
    }
    Ok(Box::new(Aura::new(model, form(&query, &RATES)?, terms)))
}

/// The state of one stream.
#[derive(Debug)]
struct Aura {
    settings: Arc<Settings>,
    pen: Pen,
    voice: Voice<Mark>,
    /// Messages that wait for nothing.
    replies: VecDeque<Output>,
    /// What was not flushed yet.
    text: String,
    chars: Minute,
    flushes: Minute,
    sequence_id: u64,
    opened: Instant,
    ended: bool,
    faults: Faults,
}

/// What follows the audio before it.
#[derive(Clone, Copy, Debug)]
enum Mark {
    Flushed,
    Close,
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum ClientText {
    Speak { text: String },
    Flush,
    Clear,
    Close,
}

impl Aura {
    fn new(model: &str, form: Form, terms: Terms) -> Self {
        let Terms { settings, request_id, now } = terms;
        let pen = Pen::new(settings.field_noise, &["additional_model_uuids"]);
        let metadata = pen.write(&Metadata {
            kind: "Metadata",
            request_id: &request_id,
            model_name: model,
            model_version: "2024-11-19.0",
            model_uuid: MODEL_UUID,
            additional_model_uuids: [],
        });
        Self {
            pen,
            voice: Voice::new(form, &settings, now),
            replies: VecDeque::from([Output::Text(metadata)]),
            text: String::new(),
            chars: Minute::default(),
            flushes: Minute::default(),
            sequence_id: 0,
            opened: now,
            ended: false,
            faults: Faults::default(),
            settings,
        }
    }

    fn speak(&mut self, now: Instant, text: &str) {
        let limits = &self.settings.speak;
        let length = text.chars().count();
        let fits = length <= limits.text_chars_max
            && self.chars.use_up(now, length, limits.chars_per_minute_max);
        if fits {
            self.text.push_str(text);
        } else {
            self.end(close(1008, "DATA-0001", End::BadMessage));
        }
    }

    fn flush(&mut self, now: Instant) {
        if self.flushes.use_up(now, 1, self.settings.speak.flushes_per_minute_max) {
            self.say(now);
            return self.voice.mark(Mark::Flushed);
        }
        let warning = Warning {
            kind: "Warning",
            description: "Too many Flush messages within 60 seconds; this one was ignored.",
            code: "FLUSH_LIMIT_EXCEEDED",
        };
        self.replies.push_back(Output::Text(self.pen.write(&warning)));
    }

    fn clear(&mut self) {
        self.text.clear();
        self.voice.give_up();
        let cleared = self.numbered("Cleared");
        self.replies.push_back(cleared);
    }

    fn close(&mut self, now: Instant) {
        if self.faults.ignores_close_stream {
            return;
        }
        if self.settings.speak.close_drains {
            self.say(now);
            self.ended = true;
            self.voice.mark(Mark::Close);
        } else {
            self.end(close(1000, "", End::CloseStream));
        }
    }

    fn say(&mut self, now: Instant) {
        let text = std::mem::take(&mut self.text);
        self.voice.say(now, &text);
    }

    fn numbered(&mut self, kind: &'static str) -> Output {
        let sequence_id = self.sequence_id;
        self.sequence_id += 1;
        Output::Text(self.pen.write(&Numbered { kind, sequence_id }))
    }

    /// Nothing is said after the last message.
    fn end(&mut self, last: Output) {
        self.ended = true;
        self.voice.give_up();
        self.replies.push_back(last);
    }

    fn take_piece(&mut self, now: Instant) -> Option<Output> {
        loop {
            match self.voice.next(now)? {
                Piece::Mark(Mark::Close) => return Some(close(1000, "", End::CloseStream)),
                _ if self.faults.muted => {}
                Piece::Audio(audio) => return Some(Output::Audio(audio)),
                Piece::Mark(Mark::Flushed) => return Some(self.numbered("Flushed")),
            }
        }
    }
}

impl Stream for Aura {
    fn format(&self) -> Format {
        Format::new(None, None, 1)
    }

    fn handle_binary(&mut self, _now: Instant, _audio: Bytes) -> bool {
        if !self.ended {
            self.end(close(1003, "MESSAGE-0000", End::BadMessage));
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
        match read {
            Ok(ClientText::Speak { text }) => self.speak(now, &text),
            Ok(ClientText::Flush) => self.flush(now),
            Ok(ClientText::Clear) => self.clear(),
            Ok(ClientText::Close) => self.close(now),
            Err(_) => self.end(close(1008, "DATA-0000", End::BadMessage)),
        }
        kind
    }

    fn handle_ping(&mut self, _now: Instant) {}

    fn handle_timeout(&mut self, now: Instant) {
        let is_old = session_end(&self.settings, self.opened).is_some_and(|due| due <= now);
        if is_old && !self.ended {
            self.end(close(1011, "NET-0003", End::SessionMax));
        }
    }

    fn poll_output(&mut self, now: Instant) -> Option<Output> {
        self.replies.pop_front().or_else(|| self.take_piece(now))
    }

    fn next_deadline(&self) -> Option<Instant> {
        let session = session_end(&self.settings, self.opened).filter(|_| !self.ended);
        session.into_iter().chain(self.voice.deadline()).min()
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

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: &'a str,
    model_name: &'a str,
    model_version: &'static str,
    model_uuid: &'static str,
    additional_model_uuids: [&'static str; 0],
}

/// Flushed and Cleared.
#[derive(Serialize)]
struct Numbered {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_id: u64,
}

#[derive(Serialize)]
struct Warning {
    #[serde(rename = "type")]
    kind: &'static str,
    description: &'static str,
    code: &'static str,
}

const KNOWN: [&str; 7] =
    ["model", "encoding", "sample_rate", "speed", "mip_opt_out", "tag", "token"];

#[cfg(test)]
mod tests;
