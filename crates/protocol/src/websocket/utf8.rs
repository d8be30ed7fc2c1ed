//! UTF-8 that comes in pieces, which may cut characters.

/// Checks a text piece by piece, so that the first bad byte is noticed when it comes.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The first bytes of a character whose rest has not come.
    begun: [u8; 3],
    begun_length: usize,
}

impl Utf8 {
    /// Whether the text can still become UTF-8 with this piece.
    pub(super) fn accepts(&mut self, mut piece: &[u8]) -> bool {
        while self.begun_length > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return true };
            piece = rest;
            if !self.accepts_next(byte) {
                return false;
            }
        }
        let Err(error) = str::from_utf8(piece) else { return true };
        let tail = &piece[error.valid_up_to()..];
        if error.error_len().is_none() {
            self.begun[..tail.len()].copy_from_slice(tail);
            self.begun_length = tail.len();
        }
        error.error_len().is_none()
    }

    /// Whether the text may end here.
    pub(super) fn is_whole(&self) -> bool {
        self.begun_length == 0
    }

    /// The next byte of the character that was begun.
    fn accepts_next(&mut self, byte: u8) -> bool {
        let length = self.begun_length;
        let mut character = [0; 4];
        character[..length].copy_from_slice(&self.begun[..length]);
        character[length] = byte;
        match str::from_utf8(&character[..=length]) {
            Ok(_) => self.begun_length = 0,
            Err(error) if error.error_len().is_some() => return false,
            // At most three bytes can be a character's beginning.
            Err(_) => {
                self.begun[length] = byte;
                self.begun_length += 1;
            }
        }
        true
    }
}
