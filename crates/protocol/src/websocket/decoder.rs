//! Bytes to messages.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};

use super::breach::Breach;
use super::close::{self, Close};
use super::header::{self, Control, Header, Opcode};
use super::utf8::Utf8;
use super::{Kind, mask};

/// Most fragments of one message: a fragment may be empty, so the message's length is no bound. It
/// is twice of what the Autobahn suite sends at most.
pub const FRAGMENTS_MAX: u32 = 1 << 17;

/// An assembled message's buffer that has grown beyond this is not kept for the next one.
const ASSEMBLY_BYTES_KEPT: usize = 16 << 10;

/// What a client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A complete message.
    Message {
        /// What it carries.
        kind: Kind,
        /// All of it; UTF-8 when it is text.
        payload: Bytes,
    },
    /// A Ping, which asks for a Pong with the same payload. It may stand inside of a message.
    Ping(Bytes),
    /// A Pong, asked for or not.
    Pong(Bytes),
    /// The last thing that it says.
    Close(Close),
}

/// Cuts messages out of a growing buffer.
///
/// A message in one frame stays where it was read, and is handed out from there. Fragments move to a
/// buffer of their own as their bytes come, so what is held is at most the message's limit, twice
/// while that buffer grows, and what `buffer` holds.
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: usize,
    stage: Stage,
    /// A message whose last fragment has not come.
    fragmented: Option<Fragmented>,
    /// Its bytes so far.
    assembly: BytesMut,
    /// Of the text that is being read.
    utf8: Utf8,
}

#[derive(Debug)]
enum Stage {
    Header,
    Payload(Payload),
    /// After a Close or a breach: what comes is thrown away.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Fragmented {
    kind: Kind,
    fragments: u32,
}

/// The payload of a frame whose header was accepted.
#[derive(Clone, Copy, Debug)]
struct Payload {
    part: Part,
    key: [u8; 4],
    length: usize,
    /// How much of it has been unmasked, and checked if it is text.
    read: usize,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Control(Control),
    Whole(Kind),
    Fragment { kind: Kind, is_last: bool },
}

impl Decoder {
    /// A decoder that refuses messages above a number of bytes, counted over all fragments.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            stage: Stage::Header,
            fragmented: None,
            assembly: BytesMut::new(),
            utf8: Utf8::default(),
        }
    }

    /// The most bytes of a message.
    pub fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// Takes the next event off the front of `buffer`; `None` means more bytes are needed.
    ///
    /// Each header is judged before its payload is waited for. A text is checked as it comes, and a
    /// fragment's bytes are taken, so it is worth calling with an incomplete frame. After a Close or
    /// a breach, all that comes is thrown away.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, Breach> {
        let decoded = self.advance(buffer);
        if matches!(decoded, Err(_) | Ok(Some(Event::Close(_)))) {
            self.stage = Stage::Over;
            self.fragmented = None;
            self.assembly = BytesMut::new();
            buffer.clear();
        }
        decoded
    }

    /// How many bytes the current frame's payload still needs; 0 between frames.
    pub fn bytes_missing(&self, buffer: &BytesMut) -> usize {
        match &self.stage {
            Stage::Payload(Payload { part: Part::Fragment { .. }, length, read, .. }) => {
                (length - read).saturating_sub(buffer.len())
            }
            Stage::Payload(payload) => payload.length.saturating_sub(buffer.len()),
            Stage::Header | Stage::Over => 0,
        }
    }

    /// Whether a message or a frame is incomplete.
    pub fn is_inside_message(&self, buffer: &BytesMut) -> bool {
        match self.stage {
            Stage::Header => self.fragmented.is_some() || !buffer.is_empty(),
            Stage::Payload(_) => true,
            Stage::Over => false,
        }
    }

    /// Gives back what it keeps for the next fragments, unless it is inside a message.
    pub fn rest(&mut self) {
        if self.fragmented.is_none() {
            self.assembly = BytesMut::new();
        }
    }

    fn advance(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, Breach> {
        loop {
            let payload = match self.stage {
                Stage::Header => {
                    let Some(header) = header::parse(buffer)? else { return Ok(None) };
                    let payload = self.accept(&header)?;
                    buffer.advance(header.bytes);
                    payload
                }
                Stage::Payload(payload) => payload,
                Stage::Over => {
                    buffer.clear();
                    return Ok(None);
                }
            };
            let payload = self.read(payload, buffer)?;
            if payload.read < payload.length {
                self.stage = Stage::Payload(payload);
                return Ok(None);
            }
            self.stage = Stage::Header;
            let event = self.finish(payload, buffer)?;
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Judges a header by what came before.
    fn accept(&mut self, header: &Header) -> Result<Payload, Breach> {
        let part = match (header.opcode, self.fragmented) {
            (Opcode::Control(control), _) => Part::Control(control),
            (Opcode::Continuation, None) => return Err(Breach::NothingToContinue),
            (Opcode::Continuation, Some(message)) => self.begin_fragment(message, header)?,
            (Opcode::Data(_), Some(_)) => return Err(Breach::MessageInMessage),
            (Opcode::Data(kind), None) if header.is_final => Part::Whole(kind),
            (Opcode::Data(kind), None) => {
                self.begin_fragment(Fragmented { kind, fragments: 0 }, header)?
            }
        };
        let room = self.message_bytes_max - self.assembly.len();
        let length = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
        if length > room && !matches!(part, Part::Control(_)) {
            return Err(Breach::LongMessage);
        }
        Ok(Payload { part, key: header.key, length, read: 0 })
    }

    fn begin_fragment(&mut self, message: Fragmented, header: &Header) -> Result<Part, Breach> {
        let Fragmented { kind, fragments } = message;
        if fragments == FRAGMENTS_MAX {
            return Err(Breach::ManyFragments);
        }
        self.fragmented = Some(Fragmented { kind, fragments: fragments + 1 });
        Ok(Part::Fragment { kind, is_last: header.is_final })
    }

    /// Reads what has come of a payload. A fragment's bytes leave the buffer, others stay in it.
    fn read(&mut self, mut payload: Payload, buffer: &mut BytesMut) -> Result<Payload, Breach> {
        let is_fragment = matches!(payload.part, Part::Fragment { .. });
        let start = if is_fragment { 0 } else { payload.read };
        let length = (payload.length - payload.read).min(buffer.len() - start);
        let come = &mut buffer[start..start + length];
        mask::apply(payload.key, payload.read, come);
        let is_text = match payload.part {
            Part::Whole(kind) | Part::Fragment { kind, .. } => kind == Kind::Text,
            Part::Control(_) => false,
        };
        if is_text && !self.utf8.accepts(come) {
            return Err(Breach::Text);
        }
        if is_fragment {
            self.assembly.extend_from_slice(come);
            buffer.advance(length);
        }
        payload.read += length;
        Ok(payload)
    }

    /// What a frame means whose payload is complete.
    fn finish(&mut self, payload: Payload, buffer: &mut BytesMut) -> Result<Option<Event>, Breach> {
        let (kind, payload) = match payload.part {
            Part::Fragment { is_last: false, .. } => return Ok(None),
            Part::Control(control) => {
                return self::control(control, buffer.split_to(payload.length)).map(Some);
            }
            Part::Fragment { kind, is_last: true } => (kind, self.take_assembly()),
            Part::Whole(kind) => (kind, buffer.split_to(payload.length).freeze()),
        };
        if !self.utf8.is_whole() {
            return Err(Breach::Text);
        }
        Ok(Some(Event::Message { kind, payload }))
    }

    fn take_assembly(&mut self) -> Bytes {
        self.fragmented = None;
        if self.assembly.capacity() > ASSEMBLY_BYTES_KEPT {
            mem::take(&mut self.assembly).freeze()
        } else {
            self.assembly.split().freeze()
        }
    }
}

fn control(control: Control, payload: BytesMut) -> Result<Event, Breach> {
    match control {
        Control::Close => close::parse(&payload).map(Event::Close),
        Control::Ping => Ok(Event::Ping(payload.freeze())),
        Control::Pong => Ok(Event::Pong(payload.freeze())),
    }
}
