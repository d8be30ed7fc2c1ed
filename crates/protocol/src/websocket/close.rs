//! What a close frame says.

use super::breach::Breach;

/// A client's close frame, as it stood on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Close {
    /// Its code; `None` when it was empty.
    pub code: Option<u16>,
    /// Its reason, of at most 123 bytes.
    pub reason: String,
}

/// Whether a code may stand in a close frame: 1004 to 1006 and 1015 only describe how a connection
/// ended, and what is not registered has no meaning below 3000.
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Reads a close frame's payload.
pub(super) fn parse(payload: &[u8]) -> Result<Close, Breach> {
    let (code, reason) = match *payload {
        [] => return Ok(Close::default()),
        [_] => return Err(Breach::HalfCloseCode),
        [high, low, ref reason @ ..] => (u16::from_be_bytes([high, low]), reason),
    };
    if !may_be_sent(code) {
        return Err(Breach::CloseCode(code));
    }
    let reason = str::from_utf8(reason).map_err(|_| Breach::CloseReason)?;
    Ok(Close { code: Some(code), reason: reason.to_owned() })
}
