//! The two doors that applications come in by, with something behind them that sends back what it hears.

use std::net::SocketAddr;
use std::path::PathBuf;

use deepgram_sidecar::ipc::app::AppStream;
use deepgram_sidecar::relay::listener::{Listener, SocketFile, listen_on_port};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// The suite's longest messages have 16 MiB.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 16 << 20;

/// What is behind a door.
pub(crate) trait Server {
    /// Serves a connection to its end. What goes wrong there is the client's to judge.
    fn serve<S: AppStream + Send + 'static>(stream: S)
    -> impl Future<Output = ()> + Send + 'static;
}

/// A Unix socket and a loopback port, as the daemon listens on them.
pub(crate) struct Doors {
    socket: PathBuf,
    port: SocketAddr,
    listening: JoinSet<()>,
    _directory: TempDir,
    _file: SocketFile,
}

impl Doors {
    /// Serves for as long as this lives and is listened at.
    pub(crate) fn open<S: Server + 'static>() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("autobahn.sock");
        let (unix, file) = SocketFile::bind(&socket, 0o600).unwrap();
        let tcp = listen_on_port("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = tcp.local_addr().unwrap();
        let mut listening = JoinSet::new();
        listening.spawn(accept::<_, S>(unix));
        listening.spawn(accept::<_, S>(tcp));
        Self { socket, port, listening, _directory: directory, _file: file }
    }

    /// Their addresses, as the player takes them.
    pub(crate) fn addresses(&self) -> [String; 2] {
        assert_eq!(self.listening.len(), 2);
        [self.socket.display().to_string(), self.port.port().to_string()]
    }
}

async fn accept<L, S>(listener: L)
where
    L: Listener + Sync,
    L::Stream: Send + 'static,
    S: Server,
{
    let mut served = JoinSet::new();
    loop {
        let (stream, _) = listener.next().await.unwrap();
        served.spawn(S::serve(stream));
        while served.try_join_next().is_some() {}
    }
}
