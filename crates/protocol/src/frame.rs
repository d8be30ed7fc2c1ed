//! Bytes to frames and back: `type u8, length u32 big-endian, payload`. Pure; fuzzed.
//!
//! It knows frame types and lengths, not the meaning of payloads.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Length of a frame's header.
pub const HEADER_BYTES: usize = 5;

/// Types of frames from the application to the sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the contract's table defines each type under this very name")]
pub enum AppFrameType {
    Open = 0x01,
    Audio = 0x02,
    Finalize = 0x03,
    Finish = 0x04,
    Text = 0x05,
    Update = 0x06,
    Prelude = 0x07,
}

impl AppFrameType {
    /// The type that a byte stands for.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Open,
            0x02 => Self::Audio,
            0x03 => Self::Finalize,
            0x04 => Self::Finish,
            0x05 => Self::Text,
            0x06 => Self::Update,
            0x07 => Self::Prelude,
            _ => return None,
        })
    }
}

/// Types of frames from the sidecar to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the contract's table defines each type under this very name")]
pub enum SidecarFrameType {
    Opened = 0x81,
    Message = 0x82,
    Event = 0x83,
    Finished = 0x84,
    Error = 0x8F,
}

impl SidecarFrameType {
    /// The type that a byte stands for.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x81 => Self::Opened,
            0x82 => Self::Message,
            0x83 => Self::Event,
            0x84 => Self::Finished,
            0x8F => Self::Error,
            _ => return None,
        })
    }
}

/// A frame's header, not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type byte.
    pub kind: u8,
    /// The payload's length in bytes.
    pub length: u32,
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type byte.
    pub kind: u8,
    /// The payload.
    pub payload: Bytes,
}

/// Cuts frames out of a growing buffer.
#[derive(Debug, Default)]
pub struct Decoder {
    /// A header that was checked before its payload had arrived.
    accepted: Option<Header>,
}

impl Decoder {
    /// Takes the next complete frame off the front of `buffer`; `None` means more bytes are needed.
    ///
    /// `judge` sees each header exactly once, before its payload is allocated, and its refusal is
    /// final: the buffer is left after the header.
    pub fn decode<E>(
        &mut self,
        buffer: &mut BytesMut,
        judge: impl FnOnce(Header) -> Result<(), E>,
    ) -> Result<Option<Frame>, E> {
        let header = match self.accepted {
            Some(header) => header,
            None if buffer.len() < HEADER_BYTES => return Ok(None),
            None => {
                let header = Header { kind: buffer.get_u8(), length: buffer.get_u32() };
                judge(header)?;
                *self.accepted.insert(header)
            }
        };
        let length = header.length as usize;
        if buffer.len() < length {
            return Ok(None);
        }
        self.accepted = None;
        Ok(Some(Frame { kind: header.kind, payload: buffer.split_to(length).freeze() }))
    }

    /// Whether a frame is incomplete.
    pub fn is_inside_frame(&self, buffer: &BytesMut) -> bool {
        self.accepted.is_some() || !buffer.is_empty()
    }

    /// Whether a header was taken whose payload has not arrived yet.
    pub fn has_header(&self) -> bool {
        self.accepted.is_some()
    }

    /// How many bytes the current frame still needs; 0 between frames.
    pub fn bytes_missing(&self, buffer: &BytesMut) -> usize {
        self.accepted.map_or(0, |header| (header.length as usize).saturating_sub(buffer.len()))
    }
}

/// Appends a frame to `buffer`.
///
/// # Panics
/// If the payload is over 4 GiB; all our payloads are far smaller.
pub fn encode(kind: u8, payload: &[u8], buffer: &mut BytesMut) {
    let length = u32::try_from(payload.len()).expect("payloads are bounded by a few MiB");
    buffer.reserve(HEADER_BYTES + payload.len());
    buffer.put_u8(kind);
    buffer.put_u32(length);
    buffer.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accept(_: Header) -> Result<(), ()> {
        Ok(())
    }

    #[test]
    fn a_refused_length_takes_no_memory() {
        let mut buffer = BytesMut::from(&[0x02, 0xff, 0xff, 0xff, 0xff][..]);
        let capacity = buffer.capacity();
        let refused = Decoder::default().decode(&mut buffer, |header| {
            assert_eq!(header.length, u32::MAX);
            Err("too large")
        });
        assert_eq!(refused, Err("too large"));
        assert!(buffer.capacity() <= capacity);
    }

    #[test]
    fn a_header_is_judged_once_however_its_payload_trickles() {
        let mut decoder = Decoder::default();
        let mut buffer = BytesMut::new();
        let mut judged = 0;
        for byte in [0x05, 0, 0, 0, 2, b'{', b'}'] {
            buffer.put_u8(byte);
            let frame = decoder.decode(&mut buffer, |_| {
                judged += 1;
                Ok::<(), ()>(())
            });
            if let Some(frame) = frame.unwrap() {
                assert_eq!(&frame.payload[..], b"{}");
            }
        }
        assert_eq!(judged, 1);
        assert!(!decoder.is_inside_frame(&buffer));
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..12),
            cuts in prop::collection::vec(1_usize..400, 1..60),
        ) {
            let mut wire = BytesMut::new();
            for (kind, payload) in &frames {
                encode(*kind, payload, &mut wire);
            }
            let mut decoder = Decoder::default();
            let mut buffer = BytesMut::new();
            let mut seen = Vec::new();
            for cut in cuts.iter().cycle() {
                if wire.is_empty() {
                    break;
                }
                buffer.extend_from_slice(&wire.split_to((*cut).min(wire.len())));
                while let Some(frame) = decoder.decode(&mut buffer, accept).unwrap() {
                    seen.push((frame.kind, frame.payload.to_vec()));
                }
            }
            prop_assert_eq!(seen, frames);
            prop_assert!(!decoder.is_inside_frame(&buffer));
        }
    }
}
