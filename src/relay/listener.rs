//! The socket file, the loopback port and the accept loop.

use std::fs::{self, File, Permissions};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reception::{Door, Peer, Reception};
use crate::ipc::app::AppStream;
use crate::telemetry::event::{AcceptFailed, AcceptResumed, Emit};
use crate::upstream::dial::Dial;

/// The listen backlog.
const BACKLOG: i32 = 1024;

/// Wait after a failed accept: retrying immediately does not help if file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long an application waits for a place before a silent one loses its own.
const EVICT_AFTER: Duration = Duration::from_millis(50);

/// Why the socket cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon is listening on it.
    #[error("another process is listening on {}; stop it, or set another ipc.socket", .0.display())]
    InUse(PathBuf),
    /// Something other than a socket, which must not be deleted.
    #[error("{} exists and is not a socket; remove it, or set another ipc.socket", .0.display())]
    NotASocket(PathBuf),
    /// A system error.
    #[error("cannot listen on ipc.socket {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// A bound socket file; dropping it unlinks the file, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Identifies our file. Includes the change time, because inode numbers are reused.
type Identity = (u64, u64, i64, i64);

fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

impl SocketFile {
    /// Binds the file with its mode. A stale file is replaced; one that another process listens on,
    /// or that is not a socket, is left alone.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(path: &Path, mode: u32) -> Result<(UnixListener, Self), BindError> {
        let failed = |error| BindError::Io { path: path.to_owned(), error };
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(failed)?;
        // Two daemons starting together must not both find the old file stale. The directory itself
        // is the lock, so nothing is left behind.
        let lock = File::open(folder).map_err(failed)?;
        lock.lock().map_err(failed)?;
        remove_stale(path)?;
        let listener = listen(path, mode).map_err(failed)?;
        let identity = identity(path).map_err(failed)?;
        Ok((listener, Self { path: path.to_owned(), identity }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // A file that cannot be removed becomes stale; the next start replaces it.
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
        // A full backlog or a missing permission: something is listening.
        Ok(_) | Err(_) => Err(BindError::InUse(path.to_owned())),
    }
}

/// Whether anything listens on the socket. Non-blocking: a daemon with a full backlog is alive too.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// The mode is set between bind and listen: before listen nothing can connect, whatever the umask.
fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

/// Places for connections of applications, whichever way they come in.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

impl Places {
    /// So many at a time.
    pub fn new(connections_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))))
    }
}

/// Where applications come in.
pub trait Listener {
    type Stream: AppStream;

    /// The next connection, and what is known of who is at its other end.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Door)>> + Send;
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Door)> {
        let (stream, _) = self.accept().await?;
        let credentials = stream.peer_cred().ok();
        let peer = credentials.map(|it| Peer { uid: it.uid(), gid: it.gid() });
        Ok((stream, Door::Socket(peer)))
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Door)> {
        let (stream, _) = self.accept().await?;
        // Captions are short, and each is wanted at once. A socket that has failed already is its own
        // reader's to notice.
        let _ = stream.set_nodelay(true);
        Ok((stream, Door::Port))
    }
}

/// Listens on the loopback port.
///
/// # Errors
/// The system's, with the key that it is about.
pub fn listen_on_port(addr: SocketAddr) -> io::Result<TcpListener> {
    let bound = || {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG.unsigned_abs())
    };
    bound().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on ipc.tcp_listen {addr}: {error}"))
    })
}

/// Accepts applications until `stop`; their tasks run on `tasks` and also end with `stop`.
pub async fn accept<L: Listener, D: Dial>(
    listener: L,
    reception: Arc<Reception<D>>,
    places: Places,
    tasks: TaskTracker,
    stop: CancellationToken,
) where
    L::Stream: Send + 'static,
{
    while let Some((stream, door, place)) =
        stop.run_until_cancelled(next_connection(&listener, &reception, &places)).await
    {
        // Boxed: otherwise each surrounding future would reserve space for it twice.
        let connection = Box::pin(serve(reception.clone(), stream, door, place));
        tasks.spawn(stop.clone().run_until_cancelled_owned(connection));
    }
}

/// The next application that has a place. Those behind it wait in the kernel's queue.
async fn next_connection<L: Listener, D: Dial>(
    listener: &L,
    reception: &Reception<D>,
    places: &Places,
) -> (L::Stream, Door, OwnedSemaphorePermit) {
    let mut failures = 0;
    loop {
        match listener.next().await {
            Ok((stream, door)) => {
                if failures > 0 {
                    AcceptResumed { of: "ipc", failures }.emit(&reception.telemetry);
                }
                return (stream, door, place(reception, places).await);
            }
            Err(error) => {
                AcceptFailed { error: &error, failures }.emit(&reception.telemetry);
                failures += 1;
                // Usually file descriptors have run out, and silent connections must not lock anybody out.
                reception.unopened.evict_oldest();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits for a place. Whoever has one and stays silent gives it up, since somebody else waits.
async fn place<D: Dial>(reception: &Reception<D>, places: &Places) -> OwnedSemaphorePermit {
    loop {
        match timeout(EVICT_AFTER, places.0.clone().acquire_owned()).await {
            Ok(place) => return place.expect("the semaphore is never closed"),
            Err(_) => reception.unopened.evict_oldest(),
        }
    }
}

async fn serve<S: AppStream, D: Dial>(
    reception: Arc<Reception<D>>,
    stream: S,
    door: Door,
    place: OwnedSemaphorePermit,
) {
    reception.serve(stream, door).await;
    drop(place);
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
