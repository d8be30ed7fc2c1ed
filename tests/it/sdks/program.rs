//! The programs that drive the SDKs, and what they tell.

use serde_json::Value;
use tokio::process::Command;

use crate::support::{run_to_exit, tool};

/// What an SDK's user saw of one session, in order.
pub(super) type Lines = Vec<Value>;

/// An SDK, or one way of using it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sdk {
    /// As in the tables of docs/sdks.md.
    pub(super) name: &'static str,
    /// Whether KeepAlives are sent: by the SDK where it can, else by its program. The others show
    /// that nobody has to.
    pub(super) keepalive: bool,
    command: fn() -> Command,
}

pub(super) const SDKS: [Sdk; 7] = [
    Sdk {
        name: "Python 7.17.0, sync",
        keepalive: true,
        command: || python("sdk/bin/python", "tests/sdk/python/v7.py"),
    },
    Sdk {
        name: "Python 7.17.0, async",
        keepalive: false,
        command: || python("sdk/bin/python", "tests/sdk/python/v7_async.py"),
    },
    Sdk {
        name: "Python 4.8.1",
        keepalive: true,
        command: || python("sdk-4/bin/python", "tests/sdk/python/v4.py"),
    },
    Sdk {
        name: "Python 3.11.0",
        keepalive: false,
        command: || python("sdk-3/bin/python", "tests/sdk/python/v4.py"),
    },
    JAVASCRIPT,
    Sdk { name: "Go 3.5.0", keepalive: true, command: || bare(tool("bin/sdk-go")) },
    Sdk { name: "Rust 0.14.0", keepalive: true, command: || bare(tool("bin/sdk-rust")) },
];

pub(super) const JAVASCRIPT: Sdk = Sdk {
    name: "JavaScript 5.13.0",
    keepalive: true,
    command: || node("tests/sdk/javascript/converse.js"),
};

/// A script for Node, with the SDK's modules in reach.
pub(super) fn node(script: &str) -> Command {
    let mut command = bare("node");
    command.arg(script).env("NODE_PATH", tool("sdk-javascript/node_modules"));
    command
}

fn python(interpreter: &str, script: &str) -> Command {
    let mut command = bare(tool(interpreter));
    command.args(["-B", script]);
    command
}

/// A program without this process's environment, so that no proxy of the machine's is asked.
fn bare(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

impl Sdk {
    /// Holds the plan's sessions; what was seen of each.
    pub(super) async fn tell(self, plan: &Value) -> Vec<Lines> {
        let output = run_to_exit((self.command)().arg(plan.to_string())).await;
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {complaints}", self.name);
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        let sessions = plan["sessions"].as_array().unwrap().iter();
        let of = |session: &Value| {
            let name = &session["name"];
            lines.iter().filter(|line| line["session"] == *name).cloned().collect()
        };
        sessions.map(of).collect()
    }
}
