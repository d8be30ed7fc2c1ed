//! Deepgram's API key: where it comes from, how it is kept, how it is replaced.
//!
//! It never appears in `Debug` output, errors or the configuration; only [`ApiKey::expose`] reveals
//! it, to the one place that writes the request's header.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::{Auth, Upstream};

/// The environment variable with the key, if there is no file.
pub const KEY_VARIABLE: &str = "DEEPGRAM_API_KEY";

/// Maximum key length, in bytes. Deepgram's have 40; a self-hosted one's token may be longer.
const KEY_BYTES_MAX: usize = 4096;

/// A Deepgram API key: 1 to 4096 visible ASCII characters. Cheap to clone, wiped when the last
/// clone is dropped.
#[derive(Clone)]
pub struct ApiKey(Arc<SecretString>);

impl ApiKey {
    /// Parses a key; surrounding white space is ignored.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let key = text.trim();
        if key.is_empty() {
            return Err(KeyError::Empty);
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        // It goes into a header, where a space or a line break would end it.
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::NotPrintable);
        }
        Ok(Self(Arc::new(key.into())))
    }

    /// Reads `ipc.tcp_token_file`: a token is kept like a key, and looks like one.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn read_token(path: &Path) -> Result<Self, TokenError> {
        read_file(path).map(|(token, _)| token).map_err(TokenError)
    }

    /// The key itself, for the `Authorization` header, and for keeping it out of what is printed.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Why there is no usable key. Never contains any part of it.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Neither file nor variable was given.
    #[error(
        "no API key: set {KEY_VARIABLE} or upstream.api_key_file (or upstream.auth: none, for a \
         self-hosted Deepgram that needs no key)"
    )]
    Missing,
    /// The key file cannot be read.
    #[error("cannot read the API key: {0}; check that the file exists and is readable")]
    Unreadable(String),
    /// Only white space.
    #[error("the API key is empty; it must contain the key and nothing else")]
    Empty,
    /// Longer than any key.
    #[error(
        "the API key is longer than {KEY_BYTES_MAX} bytes; it must be the key and nothing else"
    )]
    TooLong,
    /// Not valid in a header.
    #[error(
        "the API key contains spaces, line breaks or non-ASCII characters; it must be the key and \
         nothing else"
    )]
    NotPrintable,
}

/// Why `ipc.tcp_token_file` has no usable token, with the key's name. Never contains any part of it.
#[derive(Debug)]
pub struct TokenError(KeyError);

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ipc.tcp_token_file: ")?;
        match &self.0 {
            KeyError::Missing => unreachable!("a file has been named"),
            KeyError::Unreadable(why) => {
                write!(
                    f,
                    "cannot read the token: {why}; check that the file exists and is readable"
                )
            }
            KeyError::Empty => {
                f.write_str("the token is empty; the file must contain the token and nothing else")
            }
            KeyError::TooLong => write!(
                f,
                "the token is longer than {KEY_BYTES_MAX} bytes; the file must contain the token and \
                 nothing else"
            ),
            KeyError::NotPrintable => f.write_str(
                "the token contains spaces, line breaks or non-ASCII characters; the file must \
                 contain the token and nothing else",
            ),
        }
    }
}

/// Where the key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The environment variable [`KEY_VARIABLE`]; it never changes.
    Variable,
    /// A file, which may change at any time.
    File(PathBuf),
}

impl KeySource {
    /// The source from `upstream` and the environment; `None` if there is none, or none is needed.
    /// A file takes precedence over the variable.
    pub fn find(upstream: &Upstream, environment: &[(String, String)]) -> Option<Self> {
        match &upstream.api_key_file {
            _ if upstream.auth == Auth::None => None,
            Some(file) => Some(Self::File(file.clone())),
            None => variable(environment).map(|_| Self::Variable),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str(KEY_VARIABLE),
            Self::File(file) => write!(f, "{}", file.display()),
        }
    }
}

/// Holds the current key. Share it in an [`Arc`].
#[derive(Debug)]
pub struct KeyStore {
    source: Option<KeySource>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    key: Option<ApiKey>,
    /// The file's state when the key was read; `None` without a file.
    stamp: Option<Stamp>,
}

/// What [`KeyStore::refresh`] found.
#[derive(Debug)]
pub enum Refresh {
    /// The key has not changed.
    Unchanged,
    /// There is a new key for the next dial.
    Replaced,
    /// The file changed but has no usable key; the old one stays. Reported at every refresh until
    /// the file is fixed.
    Failed(KeyError),
}

impl KeyStore {
    /// Reads the key.
    ///
    /// # Errors
    /// If `upstream.auth` requires a key and there is no usable one.
    pub fn load(upstream: &Upstream, environment: &[(String, String)]) -> Result<Self, KeyError> {
        let source = KeySource::find(upstream, environment);
        let held = match &source {
            Some(KeySource::File(file)) => {
                let (key, stamp) = read_file(file)?;
                Held { key: Some(key), stamp: Some(stamp) }
            }
            Some(KeySource::Variable) => {
                let text = variable(environment).ok_or(KeyError::Missing)?;
                Held { key: Some(ApiKey::parse(text)?), stamp: None }
            }
            None if upstream.auth == Auth::None => Held { key: None, stamp: None },
            None => return Err(KeyError::Missing),
        };
        Ok(Self { source, held: Mutex::new(held) })
    }

    /// The key to dial with now; `None` if `upstream.auth` is `none`.
    pub fn current(&self) -> Option<ApiKey> {
        self.lock().key.clone()
    }

    /// Where the key comes from; `None` if none is needed.
    pub fn source(&self) -> Option<&KeySource> {
        self.source.as_ref()
    }

    /// Rereads the file if it has changed, including through a swapped symbolic link. Blocks on the
    /// disk; without a change that is a single `stat`.
    pub fn refresh(&self) -> Refresh {
        let Some(KeySource::File(file)) = &self.source else { return Refresh::Unchanged };
        let known = self.lock().stamp;
        match changed(file, known) {
            Ok(None) => Refresh::Unchanged,
            Ok(Some((key, stamp))) => self.replace(key, stamp),
            Err(error) => Refresh::Failed(error),
        }
    }

    fn replace(&self, key: ApiKey, stamp: Stamp) -> Refresh {
        let mut held = self.lock();
        held.stamp = Some(stamp);
        if held.key.as_ref().is_some_and(|old| old.expose() == key.expose()) {
            return Refresh::Unchanged;
        }
        held.key = Some(key);
        Refresh::Replaced
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // No code panics while holding this lock, and the data is consistent after every line.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Identifies a state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    /// Also changes if a file is written twice within one tick of `modified`, or a copy preserves it.
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(of: &Metadata) -> Self {
        Self {
            device: of.dev(),
            inode: of.ino(),
            bytes: of.size(),
            modified: (of.mtime(), of.mtime_nsec()),
            changed: (of.ctime(), of.ctime_nsec()),
        }
    }
}

fn variable(environment: &[(String, String)]) -> Option<&str> {
    let found = environment.iter().find(|(name, _)| name == KEY_VARIABLE);
    found.map(|(_, text)| text.as_str()).filter(|text| !text.is_empty())
}

fn changed(file: &Path, known: Option<Stamp>) -> Result<Option<(ApiKey, Stamp)>, KeyError> {
    let now = Stamp::from(&fs::metadata(file).map_err(|error| unreadable(file, &error))?);
    if known == Some(now) { Ok(None) } else { read_file(file).map(Some) }
}

fn read_file(path: &Path) -> Result<(ApiKey, Stamp), KeyError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    // Of the open file, so that the stamp matches the bytes even while a link is swapped.
    let stamp = Stamp::from(&file.metadata().map_err(|error| unreadable(path, &error))?);
    // One byte more than a key and its line end, preallocated so that growing leaves no copy of
    // the key behind.
    let limit = KEY_BYTES_MAX + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * limit));
    let read = file.take(limit as u64).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(path, &error))?;
    let text = str::from_utf8(&bytes).map_err(|_| KeyError::NotPrintable)?;
    Ok((ApiKey::parse(text)?, stamp))
}

fn unreadable(path: &Path, error: &io::Error) -> KeyError {
    KeyError::Unreadable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
