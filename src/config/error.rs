//! All mistakes in a configuration, reported at once.

use std::fmt;
use std::path::PathBuf;

/// Why a configuration was refused. `Display` gives one problem per line, in the file's order.
#[derive(Debug)]
pub struct Error {
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// The problems: the file's by line, then the environment's, then the command line's.
    pub problems: Vec<Problem>,
    /// Further problems that are not listed, see [`Error::PROBLEMS_MAX`].
    pub omitted: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was made.
    pub place: Place,
    /// The dotted path of the key; empty if it concerns no key.
    pub key: String,
    /// What is wrong and what to do, in a sentence without the key.
    pub message: String,
}

/// Where a mistake was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file, at this line, counted from 1; `None` if the file as a whole is wrong.
    File(Option<usize>),
    /// In the environment variable of this name.
    Variable(String),
    CommandLine,
}

impl Error {
    /// Maximum number of problems listed. Looking up a line parses the file again, so the list is
    /// bounded; nobody fixes more than this in one go.
    pub const PROBLEMS_MAX: usize = 50;
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            self.write_place(f, &problem.place)?;
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            f.write_str(&problem.message)?;
        }
        if self.omitted > 0 {
            write!(f, "\nand {} more problems", self.omitted)?;
        }
        Ok(())
    }
}

impl Error {
    fn write_place(&self, f: &mut fmt::Formatter<'_>, place: &Place) -> fmt::Result {
        match place {
            Place::File(line) => {
                let file = self.file.as_deref().unwrap_or("configuration".as_ref());
                write!(f, "{}:", file.display())?;
                line.map_or(Ok(()), |line| write!(f, "{line}:"))?;
                f.write_str(" ")
            }
            Place::Variable(name) => write!(f, "{name}: "),
            Place::CommandLine => f.write_str("--set: "),
        }
    }
}

impl std::error::Error for Error {}
