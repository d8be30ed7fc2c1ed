//! A name server of a test's own, and a sidecar that asks it. Port 53 and the sidecar's own
//! `/etc` take root.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::Config;

/// Deepgram's name in these tests.
pub(super) const NAME: &str = "deepgram.test";

/// What becomes of questions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// The address, after this long.
    After(Duration),
    /// No such name.
    NotFound,
}

/// A name server that knows one address.
#[derive(Debug)]
pub(super) struct Names {
    answer: watch::Sender<Answer>,
    resolver: NamedTempFile,
    _serving: JoinSet<()>,
}

impl Names {
    pub(super) async fn start(answer: Answer) -> Self {
        let socket = free_port_53().await;
        let resolver = file(&format!(
            "nameserver {}\noptions attempts:1\n",
            socket.local_addr().unwrap().ip()
        ));
        let (answer, answers) = watch::channel(answer);
        let mut serving = JoinSet::new();
        serving.spawn(serve(Arc::new(socket), answers));
        Self { answer, resolver, _serving: serving }
    }

    pub(super) fn answer(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    /// The same sidecar, which asks this server.
    pub(super) fn asked_by(&self, config: Config) -> Config {
        with_file(config, &self.resolver, "/etc/resolv.conf")
    }
}

/// The same sidecar, which finds this file in this place.
pub(super) fn with_file(config: Config, file: &NamedTempFile, place: &str) -> Config {
    let file = file.path().to_str().unwrap();
    let script = format!("mount --bind {file} {place} && exec \"$0\" \"$@\"");
    config.wrapped(&["unshare", "--mount", "sh", "-c", &script])
}

pub(super) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// On an address of its own, of which there are plenty.
async fn free_port_53() -> UdpSocket {
    for host in 1..=254 {
        let addr = SocketAddr::from((Ipv4Addr::new(127, 53, 53, host), 53));
        match UdpSocket::bind(addr).await {
            Ok(socket) => return socket,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => panic!("port 53 takes root: {error}"),
        }
    }
    panic!("no address of 127.53.53.0/24 is free");
}

async fn serve(socket: Arc<UdpSocket>, answers: watch::Receiver<Answer>) {
    let mut answering = JoinSet::new();
    let mut question = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut question).await {
        let answer = *answers.borrow();
        let response = response(&question[..length], answer);
        let socket = Arc::clone(&socket);
        answering.spawn(async move {
            if let Answer::After(delay) = answer {
                tokio::time::sleep(delay).await;
            }
            socket.send_to(&response, client).await.unwrap();
        });
    }
}

/// RFC 1035: the header, the question as it came, and for an A record 127.0.0.1.
fn response(question: &[u8], answer: Answer) -> Vec<u8> {
    let name_end = 12 + question[12..].iter().position(|&byte| byte == 0).unwrap() + 1;
    let asks_for_a = question[name_end..name_end + 2] == [0, 1];
    let (code, records) = match answer {
        Answer::After(_) => (0, u8::from(asks_for_a)),
        Answer::NotFound => (3, 0),
    };
    let mut response = question[..2].to_vec();
    response.extend([0x81, 0x80 | code, 0, 1, 0, records, 0, 0, 0, 0]);
    response.extend(&question[12..name_end + 4]);
    if records == 1 {
        response.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    response
}
