//! Scripts: what happens to each connection, in the order of the requests.

mod change;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::duration;
use super::settings::Settings;
pub use change::Change;

/// What happens to each stream request. The default accepts all and does nothing else.
#[derive(Clone, Debug, Default)]
pub struct Script {
    connections: Vec<RawConnection>,
    repeat: bool,
}

impl Script {
    /// A commented script with everything a script can contain.
    pub const EXAMPLE: &str = include_str!("script/example.yaml");

    /// Reads a script from YAML.
    ///
    /// # Errors
    /// What is wrong and where: unknown keys, two ways to open one connection, a step without
    /// exactly one trigger, settings that do not fit.
    pub fn from_yaml(yaml: &str) -> Result<Self, ScriptError> {
        let raw: RawScript =
            serde_yaml::from_str(yaml).map_err(|error| ScriptError::Yaml(error.to_string()))?;
        let script = Self { connections: raw.connections, repeat: raw.repeat };
        script.plans(&Settings::default())?;
        Ok(script)
    }

    /// The plan of each connection, on top of the emulator's own settings.
    pub(super) fn plans(&self, settings: &Settings) -> Result<Plans, ScriptError> {
        let plan = |(number, raw): (usize, &RawConnection)| {
            raw.plan(settings)
                .map_err(|problem| ScriptError::Connection { number: number + 1, problem })
        };
        let plans = self.connections.iter().enumerate().map(plan);
        let usual = Plan {
            opening: Opening::Accept { delay: None },
            settings: Arc::new(settings.clone()),
            steps: Arc::default(),
        };
        let plans = plans.collect::<Result<Vec<_>, _>>()?;
        Ok(Plans { plans, repeat: self.repeat, usual })
    }
}

/// Why a script is invalid.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// It is not YAML, or has unknown members.
    #[error("invalid script: {0}")]
    Yaml(String),
    /// One of its connections is invalid.
    #[error("connection {number} of the script: {problem}")]
    Connection {
        /// Which, from 1.
        number: usize,
        problem: String,
    },
}

/// The plans of all connections.
#[derive(Debug)]
pub(super) struct Plans {
    plans: Vec<Plan>,
    repeat: bool,
    usual: Plan,
}

impl Plans {
    /// How many plans there are.
    pub(super) fn len(&self) -> usize {
        self.plans.len()
    }

    /// The plan of a connection, counted from 0. The last one repeats, unless told otherwise.
    pub(super) fn get(&self, index: usize) -> &Plan {
        let repeated = || self.plans.last().filter(|_| self.repeat);
        self.plans.get(index).or_else(repeated).unwrap_or(&self.usual)
    }
}

/// What happens to one connection.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) opening: Opening,
    pub(super) settings: Arc<Settings>,
    pub(super) steps: Arc<[Step]>,
}

/// How a request is handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// With Deepgram's checks, and a 101. The delay replaces the usual one.
    Accept {
        delay: Option<Duration>,
    },
    Refuse(Refuse),
    /// With a TCP reset instead of a response.
    RefuseTcp,
    /// Without a response.
    Hang,
    /// With bytes that are not HTTP.
    Garbage,
    Redirect(Redirect),
}

/// A response other than 101.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refuse {
    pub(super) status: u16,
    /// In place of Deepgram's own body for that status.
    pub(super) body: Option<String>,
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    pub(super) retry_after: Option<Duration>,
    /// `Retry-After` as a date instead of seconds.
    #[serde(default)]
    pub(super) retry_after_date: bool,
}

/// A redirect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redirect {
    pub(super) location: String,
    #[serde(default = "found")]
    pub(super) status: u16,
}

fn found() -> u16 {
    302
}

/// An action on an open connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) trigger: Trigger,
    pub(super) action: Action,
}

/// When a step happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// This long after the upgrade.
    At(Duration),
    /// Once this much audio has been received.
    AfterAudio(Duration),
    /// This long after CloseStream.
    AfterCloseStream(Duration),
}

/// Actions on an open connection.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Action {
    /// Accepts audio, sends no transcripts; pongs and timers continue.
    Mute,
    /// Neither reads nor writes; the TCP connection stays up.
    HalfOpen,
    /// Stops reading, so that the client's send buffer fills.
    StopReading,
    /// Reads at most this many bytes per second.
    SlowRead(u64),
    /// Resets the TCP connection.
    Reset,
    /// Ends the TCP connection without a close frame.
    Fin,
    /// Starts a frame and ends the TCP connection inside it.
    CutMidFrame,
    /// Sends a frame that breaks the WebSocket protocol.
    BadFrame,
    /// Sends a text message of this many bytes.
    Oversized(usize),
    /// Sends a text message.
    Send(String),
    /// Sends a binary message.
    SendBinary(String),
    /// Sends a Ping.
    Ping,
    /// Stops answering Pings.
    NoPong,
    /// Ignores CloseStream.
    IgnoreCloseStream,
    /// Sends a close frame and ends the connection once the client has answered it.
    Close(Close),
    /// Undoes everything that lasts.
    Resume,
}

/// A close frame.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Close {
    /// `None` for a frame without a code.
    pub(super) code: Option<u16>,
    #[serde(default)]
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScript {
    connections: Vec<RawConnection>,
    #[serde(default = "yes")]
    repeat: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConnection {
    accept: Option<RawAccept>,
    refuse: Option<Refuse>,
    #[serde(default)]
    refuse_tcp: bool,
    #[serde(default)]
    hang_handshake: bool,
    #[serde(default)]
    garbage_handshake: bool,
    redirect: Option<Redirect>,
    settings: Option<serde_json::Value>,
    #[serde(default)]
    then: Vec<RawStep>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccept {
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    delay: Option<Duration>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    at: Option<Duration>,
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    after_audio: Option<Duration>,
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    after_close_stream: Option<Duration>,
    #[serde(rename = "do", deserialize_with = "serde_yaml::with::singleton_map::deserialize")]
    action: Action,
}

impl RawConnection {
    fn plan(&self, settings: &Settings) -> Result<Plan, String> {
        let settings = match &self.settings {
            Some(changes) => {
                settings.with_changes(changes).map_err(|e| format!("settings: {e}"))?
            }
            None => settings.clone(),
        };
        let opening = self.opening()?;
        if !self.then.is_empty() && !matches!(opening, Opening::Accept { .. }) {
            return Err("only an accepted connection can have `then`".into());
        }
        let steps = self.then.iter().map(RawStep::step).collect::<Result<_, _>>()?;
        Ok(Plan { opening, settings: Arc::new(settings), steps })
    }

    fn opening(&self) -> Result<Opening, String> {
        let mut openings: Vec<Opening> = Vec::new();
        openings.extend(self.accept.as_ref().map(|raw| Opening::Accept { delay: raw.delay }));
        openings.extend(self.refuse.clone().map(Opening::Refuse));
        openings.extend(self.refuse_tcp.then_some(Opening::RefuseTcp));
        openings.extend(self.hang_handshake.then_some(Opening::Hang));
        openings.extend(self.garbage_handshake.then_some(Opening::Garbage));
        openings.extend(self.redirect.clone().map(Opening::Redirect));
        match openings.len() {
            0 => Ok(Opening::Accept { delay: None }),
            1 => checked(openings.remove(0)),
            _ => Err("a connection is opened in one way: keep one of accept, refuse, refuse_tcp, \
                      hang_handshake, garbage_handshake and redirect"
                .into()),
        }
    }
}

impl RawStep {
    fn step(&self) -> Result<Step, String> {
        let triggers = [
            self.at.map(Trigger::At),
            self.after_audio.map(Trigger::AfterAudio),
            self.after_close_stream.map(Trigger::AfterCloseStream),
        ];
        let mut triggers = triggers.into_iter().flatten();
        match (triggers.next(), triggers.next(), &self.action) {
            (Some(_), None, Action::SlowRead(0)) => {
                Err("slow_read must be over 0 bytes a second; use stop_reading".into())
            }
            (Some(trigger), None, action) => Ok(Step { trigger, action: action.clone() }),
            _ => {
                Err("each step needs exactly one trigger: at, after_audio or after_close_stream"
                    .into())
            }
        }
    }
}

fn checked(opening: Opening) -> Result<Opening, String> {
    let status = match &opening {
        Opening::Refuse(refuse) => refuse.status,
        Opening::Redirect(redirect) => redirect.status,
        _ => return Ok(opening),
    };
    if !(200..=599).contains(&status) {
        return Err(format!("status {status} is invalid; use 200 to 599"));
    }
    Ok(opening)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(yaml: &str) -> Plans {
        Script::from_yaml(yaml).unwrap().plans(&Settings::default()).unwrap()
    }

    fn refusal(yaml: &str) -> String {
        Script::from_yaml(yaml).unwrap_err().to_string()
    }

    #[test]
    fn the_example_is_a_script() {
        assert!(plans(Script::EXAMPLE).plans.len() > 5);
    }

    #[test]
    fn connections_are_met_in_order_and_the_last_plan_goes_on() {
        let yaml = "connections: [{refuse: {status: 503}}, {hang_handshake: true}]";
        let script = plans(yaml);
        assert!(matches!(script.get(0).opening, Opening::Refuse(Refuse { status: 503, .. })));
        assert_eq!(script.get(1).opening, Opening::Hang);
        assert_eq!(script.get(9).opening, Opening::Hang);
        let once = plans(&format!("{yaml}\nrepeat: false"));
        assert_eq!(once.get(2).opening, Opening::Accept { delay: None });
    }

    #[test]
    fn steps_read_as_they_are_written() {
        let script = plans(
            "connections:\n- then:\n  - {at: 3s, do: mute}\n  - after_audio: 500ms\n    do: {close: {code: 1011, reason: bye}}\n  - {after_close_stream: 0s, do: {slow_read: 100}}",
        );
        let [mute, close, slow] = &script.get(0).steps[..] else { panic!("three steps") };
        let at = Trigger::At(Duration::from_secs(3));
        assert_eq!(*mute, Step { trigger: at, action: Action::Mute });
        assert_eq!(close.trigger, Trigger::AfterAudio(Duration::from_millis(500)));
        let bye = Close { code: Some(1011), reason: "bye".into() };
        assert_eq!(close.action, Action::Close(bye));
        assert_eq!(slow.trigger, Trigger::AfterCloseStream(Duration::ZERO));
        assert_eq!(slow.action, Action::SlowRead(100));
    }

    #[test]
    fn settings_are_overridden_for_one_connection() {
        let script = plans("connections: [{settings: {idle_timeout: 2s}}]");
        assert_eq!(script.get(0).settings.idle_timeout, Duration::from_secs(2));
        assert_eq!(script.usual.settings.idle_timeout, Duration::from_secs(10));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(refusal("connections: [{acept: {}}]").contains("acept"));
        let two = refusal("connections: [{}, {accept: {}, refuse_tcp: true}]");
        assert!(two.contains("connection 2") && two.contains("one way"), "{two}");
        assert!(refusal("connections: [{then: [{do: mute}]}]").contains("exactly one trigger"));
        assert!(refusal("connections: [{then: [{at: 1s, do: explode}]}]").contains("explode"));
        assert!(refusal("connections: [{then: [{at: soon, do: mute}]}]").contains("soon"));
        assert!(refusal("connections: [{settings: {idle: 2s}}]").contains("idle"));
        assert!(refusal("connections: [{refuse: {status: 99}}]").contains("99"));
        assert!(
            refusal("connections: [{refuse_tcp: true, then: [{at: 1s, do: mute}]}]")
                .contains("then")
        );
    }
}
