//! Goes through JSON text from value to value, without making anything of them.

use super::marks::Marks;

/// A place in JSON text.
///
/// It takes the text for JSON and looks no closer than it must. In other text it may go anywhere, but
/// forward and never past the end. `None` is that it cannot go on.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let mut cursor = Self { text, at: 0 };
        cursor.pass_blanks();
        cursor
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// What the next value begins with.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn is_at_number(&self) -> bool {
        matches!(self.peek(), Some(b'0'..=b'9' | b'-'))
    }

    /// Goes to the value behind a colon, if that is next.
    pub(super) fn pass_colon(&mut self) -> bool {
        self.pass_blanks();
        let is_next = self.take(b':');
        self.pass_blanks();
        is_next
    }

    /// The quotes and brackets from here on.
    pub(super) fn marks(&self) -> Marks<'a> {
        Marks::new(self.text, self.at)
    }

    /// Goes to a place further on.
    pub(super) fn go_to(&mut self, place: usize) {
        self.at = place;
    }

    /// Goes into an object or an array, if that is next.
    pub(super) fn enter(&mut self, bracket: u8) -> bool {
        self.take(bracket)
    }

    /// The next member's name, and goes to its value; or, at the end of the object, `Some(None)`, and
    /// goes behind it.
    ///
    /// Names are compared as they are written. That Deepgram escapes letters in one is not to be
    /// expected; such a member is one that nobody knows.
    pub(super) fn key(&mut self) -> Option<Option<&'a [u8]>> {
        self.pass_comma();
        if self.take(b'}') {
            return Some(None);
        }
        let name = self.string()?;
        self.pass_colon().then_some(())?;
        Some(Some(name))
    }

    /// Goes to the next element, if there is one, or else behind the array.
    pub(super) fn element(&mut self) -> Option<bool> {
        self.pass_comma();
        self.peek()?;
        Some(!self.take(b']'))
    }

    /// Goes to what is behind a comma, if there is one.
    pub(super) fn pass_comma(&mut self) {
        self.pass_blanks();
        if self.take(b',') {
            self.pass_blanks();
        }
    }

    /// What is between the quotes of the string that is next, as it is written.
    #[inline]
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"').then_some(())?;
        let from = self.at;
        loop {
            let rest = self.text.get(self.at..)?;
            self.at += rest.iter().position(|it| matches!(it, b'"' | b'\\'))?;
            if self.take(b'"') {
                return Some(&self.text[from..self.at - 1]);
            }
            // An escape and what it escapes, of which only a quote matters.
            self.at += 2;
        }
    }

    /// Goes behind the value that is next.
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' | b'[' => self.skip_nested(),
            _ => self.skip_scalar(),
        }
    }

    fn skip_nested(&mut self) -> Option<()> {
        let mut marks = self.marks();
        let mut depth = 0_usize;
        loop {
            let (place, byte) = marks.next()?;
            match byte {
                b'"' => drop(marks.end_of_string()?),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at = place + 1;
                return Some(());
            }
        }
    }

    fn skip_scalar(&mut self) -> Option<()> {
        let is_within =
            |byte: &u8| !matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
        let length = self.text[self.at..].iter().take_while(|it| is_within(it)).count();
        self.at += length;
        (length > 0).then_some(())
    }

    fn pass_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }
}
