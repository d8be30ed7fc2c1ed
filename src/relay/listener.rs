//! The socket file and the accept loop.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reception::{Peer, Reception};
use crate::telemetry::event::{AcceptFailed, Emit};
use crate::upstream::dial::Dial;

/// Connections that the kernel keeps for us between two accepts.
const BACKLOG: i32 = 1024;

/// Wait after a failed accept: want of descriptors does not go away by asking again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon serves it.
    #[error("{} is served by a running process; stop that one, or set another ipc.socket", .0.display())]
    InUse(PathBuf),
    /// What is there is not a socket, so it is not ours to delete.
    #[error("{} exists and is not a socket; remove it, or set another ipc.socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on ipc.socket {}: {error}", path.display())]
    Io {
        /// The socket file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A bound socket file; dropping it unlinks the file, if that is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Tells our file from a successor's. The change time too: a freed inode number is used again.
type Identity = (u64, u64, i64, i64);

fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

impl SocketFile {
    /// Binds the file with its mode. A file that a killed process left is replaced; one that is
    /// served, or is no socket, is left alone.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(path: &Path, mode: u32) -> Result<(UnixListener, Self), BindError> {
        let failed = |error| BindError::Io { path: path.to_owned(), error };
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(failed)?;
        // Two daemons that start together must not both find the old file stale. The folder itself
        // is the lock, so nothing is left behind.
        let lock = File::open(folder).map_err(failed)?;
        lock.lock().map_err(failed)?;
        remove_stale(path)?;
        let listener = listen(path, mode).map_err(failed)?;
        let identity = identity(path).map_err(failed)?;
        Ok((listener, Self { path: path.to_owned(), identity }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // A file that cannot be removed is stale from now on; the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::Io { path: path.to_owned(), error };
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match probe(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A full backlog or a missing permission: somebody is there.
        Ok(_) | Err(_) => Err(BindError::InUse(path.to_owned())),
    }
}

/// Whether anybody serves the socket. Not blocking: a daemon whose backlog is full is alive too.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// The mode is set between bind and listen: before listen nobody can connect, whatever the umask.
fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

/// Accepts applications until `stop`; their tasks are `tasks`' and end with `stop` too.
pub async fn accept<D: Dial>(
    listener: UnixListener,
    reception: Arc<Reception<D>>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                // Boxed: each future around it would make room for it twice.
                let connection = Box::pin(serve(reception.clone(), stream));
                tasks.spawn(stop.clone().run_until_cancelled_owned(connection));
            }
            Err(error) => {
                AcceptFailed { error: &error }.emit(&reception.telemetry);
                // Mostly descriptors have run out, and silent connections must lock nobody out.
                reception.unopened.evict_oldest();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve<D: Dial>(reception: Arc<Reception<D>>, stream: UnixStream) {
    let credentials = stream.peer_cred().ok();
    let peer = credentials.map(|it| Peer { uid: it.uid(), gid: it.gid() });
    reception.serve(stream, peer).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("deeper/sidecar.sock")
    }

    #[tokio::test]
    async fn the_file_has_its_mode_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let (_listener, file) = SocketFile::bind(&path(&folder), 0o620).unwrap();
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o620);
        drop(file);
        assert!(!path(&folder).exists());
    }

    #[tokio::test]
    async fn a_file_that_nobody_serves_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (listener, file) = SocketFile::bind(&path(&folder), 0o660).unwrap();
        drop(listener);
        std::mem::forget(file);
        assert!(path(&folder).exists());
        let again = SocketFile::bind(&path(&folder), 0o660);
        assert!(again.is_ok());
    }

    #[tokio::test]
    async fn a_live_one_is_never_stolen() {
        let folder = tempfile::tempdir().unwrap();
        let _live = SocketFile::bind(&path(&folder), 0o660).unwrap();
        let second = SocketFile::bind(&path(&folder), 0o660);
        assert!(matches!(second, Err(BindError::InUse(_))));
        assert!(std::os::unix::net::UnixStream::connect(path(&folder)).is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_never_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("precious");
        fs::write(&file, "data").unwrap();
        let refused = SocketFile::bind(&file, 0o660);
        assert!(matches!(refused, Err(BindError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "data");
    }

    #[tokio::test]
    async fn a_successors_file_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (listener, old) = SocketFile::bind(&path(&folder), 0o660).unwrap();
        drop(listener);
        let (_listener, _new) = SocketFile::bind(&path(&folder), 0o660).unwrap();
        drop(old);
        assert!(path(&folder).exists());
    }
}
