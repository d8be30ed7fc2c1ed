//! Other machines, each a network namespace of its own: a sidecar's, and Deepgram's at the other end of
//! a cable that can be cut without a word to either. Making them takes root.

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use super::process::{Process, run_to_exit};
use super::within;

/// Deepgram's address.
pub(crate) const DEEPGRAM: &str = "10.77.0.2:8080";

/// Lays the cable; `$1` is the process that holds Deepgram's end.
const CABLE: &str = "
    ip link add near address 02:00:00:00:00:01 type veth \
        peer name far address 02:00:00:00:00:02 netns \"$1\"
    ip address add 10.77.0.1/24 dev near
    ip link set near up
";

/// Connects Deepgram's end.
const FAR_END: &str = "
    ip address add 10.77.0.2/24 dev far
    ip link set far up
";

/// The station to which each end sends its packets; there is none with the number 99.
const NEAR_STATION: &str =
    "ip neigh replace 10.77.0.2 lladdr 02:00:00:00:00:$1 dev near nud permanent";
const FAR_STATION: &str =
    "ip neigh replace 10.77.0.1 lladdr 02:00:00:00:00:$1 dev far nud permanent";

/// Buffers as small as those of a long line whose peer is slow, so that a stalled one is soon full.
const SMALL_BUFFERS: &str = "
    sysctl -qw net.ipv4.tcp_wmem='4096 8192 16384' net.ipv4.tcp_rmem='4096 8192 16384'
";

/// A network of its own, with nothing but loopback.
#[derive(Debug)]
pub(crate) struct Namespace {
    holder: Process,
    /// Held open, as the holder's shell would die of a closed one.
    _output: BufReader<ChildStdout>,
}

impl Namespace {
    pub(crate) async fn new() -> Self {
        let mut command = Command::new("unshare");
        let ready = "ip link set lo up && echo up && exec sleep infinity";
        let mut holder = Process::spawn(command.args(["--net", "sh", "-c", ready]));
        let mut output = BufReader::new(holder.take_stdout());
        let mut line = String::new();
        within("a network namespace", output.read_line(&mut line)).await.unwrap();
        if line != "up\n" {
            panic!("no network namespace, which takes root: {}", holder.log().whole().await);
        }
        Self { holder, _output: output }
    }

    /// What makes a program run there.
    pub(crate) fn wrapper(&self) -> [String; 2] {
        ["/usr/bin/nsenter".into(), format!("--net=/proc/{}/ns/net", self.holder.pid())]
    }

    /// Runs a shell script there.
    async fn run(&self, script: &str, argument: &str) {
        let [enter, place] = self.wrapper();
        let mut command = Command::new(enter);
        command.args([&place, "/bin/sh", "-ec", script, "sh", argument]);
        let output = run_to_exit(&mut command).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}");
    }
}

/// A machine for a sidecar, and a cable to Deepgram's machine.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) sidecar: Namespace,
    pub(crate) deepgram: Namespace,
}

impl Pod {
    pub(crate) async fn new() -> Self {
        let (sidecar, deepgram) = tokio::join!(Namespace::new(), Namespace::new());
        sidecar.run(CABLE, &deepgram.holder.pid().to_string()).await;
        deepgram.run(FAR_END, "").await;
        let pod = Self { sidecar, deepgram };
        pod.mend_cable().await;
        pod
    }

    /// Makes the buffers of all later connections small.
    pub(crate) async fn shrink_buffers(&self) {
        self.sidecar.run(SMALL_BUFFERS, "").await;
        self.deepgram.run(SMALL_BUFFERS, "").await;
    }

    /// From now on nothing gets through in either direction, and nobody is told.
    pub(crate) async fn cut_cable(&self) {
        self.sidecar.run(NEAR_STATION, "99").await;
        self.deepgram.run(FAR_STATION, "99").await;
    }

    pub(crate) async fn mend_cable(&self) {
        self.sidecar.run(NEAR_STATION, "02").await;
        self.deepgram.run(FAR_STATION, "01").await;
    }
}
