//! Standard output of the commands, whose reader may leave early.

use std::fmt::Display;
use std::io::{self, Write};

/// Writing to standard output failed. The cause is the error's source.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub struct OutputError(#[from] io::Error);

impl OutputError {
    /// Whether the reader of our output has exited, as `head` does: not an error.
    pub fn is_reader_gone(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Writes a line. Never with `println!`, which panics without a reader.
///
/// # Errors
/// If it cannot be written.
pub fn print_line(line: impl Display) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

/// Whether a command ended because nobody reads its output any more: there is nobody to tell.
pub fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<OutputError>().is_some_and(OutputError::is_reader_gone)
}
