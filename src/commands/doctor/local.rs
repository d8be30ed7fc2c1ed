//! What can be checked without a network: the key, file descriptors, the applications' socket and port.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Socket, Type};

use super::report::{Check, Row};
use crate::config::Config;
use crate::config::key::{ApiKey, KeyError, KeyStore};
use crate::daemon;

/// Whether there is a key, and where it comes from.
pub(super) fn key(config: &Config, keys: Result<&KeyStore, &KeyError>, since: Instant) -> Row {
    let took = elapsed(since);
    match keys {
        Ok(keys) => match keys.source() {
            Some(source) => Row::ok(Check::Key, took, format!("from {source}")),
            None => Row::ok(Check::Key, took, "upstream.auth is none: no key is sent"),
        },
        Err(error) => Row::failed(Check::Key, took, error.to_string(), key_advice(config, error)),
    }
}

fn key_advice(config: &Config, error: &KeyError) -> String {
    let file = config.upstream.api_key_file.as_deref().map(Path::display);
    match (error, file) {
        (KeyError::Missing, _) => {
            "mount the secret and set upstream.api_key_file, or set DEEPGRAM_API_KEY in the \
             sidecar's container (not the application's)"
                .into()
        }
        (KeyError::Unreadable(_), Some(file)) => format!(
            "mount the secret so that {file} is a file, readable by user {}; a key in a secret is \
             a file below the mount's path",
            rustix::process::geteuid().as_raw()
        ),
        (_, Some(file)) => format!("write the key alone into {file}, without quotes"),
        (_, None) => "set DEEPGRAM_API_KEY to the key alone, without quotes".into(),
    }
}

/// Whether the kernel allows as many descriptors as `ipc.max_sessions` may need. `run` raises the
/// soft limit itself, so the hard one counts.
pub(super) fn descriptors(config: &Config) -> Row {
    let since = clock::now();
    let sessions = daemon::sessions_max(config);
    let needed = daemon::descriptors_for(sessions);
    let limit = getrlimit(Resource::Nofile).maximum;
    let said = limit.map_or_else(|| "no limit".to_owned(), |it| format!("hard limit {it}"));
    let limit = limit.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX));
    let fitting = daemon::sessions_within(limit, config);
    let detail = format!("{said}; {sessions} sessions need {needed}");
    if fitting >= sessions {
        return Row::ok(Check::Descriptors, elapsed(since), detail);
    }
    let advice = format!(
        "raise the container's nofile limit (ulimit -Hn) to {needed}, or set ipc.max_sessions to \
         {fitting}, which is all that the daemon allows"
    );
    Row::failed(Check::Descriptors, elapsed(since), detail, advice)
}

/// Whether the daemon can bind its socket, or has done so.
pub(super) fn socket(config: &Config) -> Row {
    let since = clock::now();
    let path = &config.ipc.socket;
    match bindable(path) {
        Ok(detail) => Row::ok(Check::Socket, elapsed(since), detail),
        Err((detail, advice)) => Row::failed(Check::Socket, elapsed(since), detail, advice),
    }
}

/// Whether the daemon can bind the applications' port, or has done so, and read its token. `None` where
/// `ipc.tcp_listen` sets none.
pub(super) fn port(config: &Config) -> Option<Row> {
    let since = clock::now();
    let addr = config.ipc.tcp_listen?;
    let found = token(config).and_then(|()| match bound(addr) {
        Ok(()) => Ok(format!("{addr} can be bound")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_served(&config.ipc.socket) => {
            Ok(format!("the daemon is listening on {addr}"))
        }
        Err(error) => Err((
            format!("{addr} cannot be bound: {error}"),
            "set another ipc.tcp_listen: containers of a pod share their ports".into(),
        )),
    });
    let took = elapsed(since);
    Some(match found {
        Ok(detail) => Row::ok(Check::Port, took, detail),
        Err((detail, advice)) => Row::failed(Check::Port, took, detail, advice),
    })
}

fn token(config: &Config) -> Result<(), (String, String)> {
    let Some(file) = &config.ipc.tcp_token_file else { return Ok(()) };
    ApiKey::read_token(file).map(drop).map_err(|error| {
        let advice = format!(
            "mount a secret so that {} is a file that holds the token alone, readable by user {}",
            file.display(),
            rustix::process::geteuid().as_raw()
        );
        (error.to_string(), advice)
    })
}

/// Binds without listening, so that no application can come in.
fn bound(addr: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())
}

/// What was seen, or that and what to do.
fn bindable(path: &Path) -> Result<String, (String, String)> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err((
            format!("{} exists and is not a socket", path.display()),
            "remove it, or set another ipc.socket".into(),
        )),
        Ok(_) if listens(path) => Ok(format!("a daemon is listening on {}", path.display())),
        _ => writable(path),
    }
}

/// Whether a daemon has the socket, and so the port as well.
fn is_served(path: &Path) -> bool {
    path.exists() && listens(path)
}

/// Of a file that is there: a full backlog or a missing permission means that something listens, too.
fn listens(path: &Path) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    !UnixStream::connect(path).is_err_and(refused)
}

/// Creates a file where the socket would be, or where its directory would be, and removes it:
/// permission bits say little about read-only mounts and other users' volumes.
fn writable(path: &Path) -> Result<String, (String, String)> {
    let folder = existing(path);
    let trial = folder.join(format!(".deepgram-sidecar-doctor-{}", std::process::id()));
    let tried = OpenOptions::new().write(true).create_new(true).open(&trial);
    match tried {
        Ok(_) => {
            // What cannot be removed is an empty file; the next start of the pod has none.
            let _ = fs::remove_file(&trial);
            Ok(format!("{} can be created", path.display()))
        }
        Err(error) => Err((
            format!("{} cannot be created: {}: {error}", path.display(), folder.display()),
            format!(
                "mount a volume (emptyDir) for the directory of ipc.socket, writable by user {}, \
                 in this container and in the application's",
                rustix::process::geteuid().as_raw()
            ),
        )),
    }
}

/// The nearest directory above the path that is there; the daemon creates those below.
fn existing(path: &Path) -> PathBuf {
    let found = path.ancestors().skip(1).find(|folder| folder.exists());
    found.unwrap_or(Path::new("/")).to_owned()
}

pub(super) fn elapsed(since: Instant) -> Duration {
    clock::now().duration_since(since)
}
