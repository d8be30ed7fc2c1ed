use tokio::net::UnixStream;

use super::*;
use crate::config::Config;
use crate::daemon::defaults::{recovery, session_defaults};
use session::gate::VadMode;

#[tokio::test]
async fn a_socket_that_is_closed_says_whether_all_was_read() {
    const LAST: &[u8] = b"the last frame";
    for (reads, expected) in [(LAST.len(), LastFrame::Read), (5, LastFrame::Unread)] {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(LAST).await.unwrap();
        // It is in the middle of a write itself.
        theirs.write_all(b"audio").await.unwrap();
        theirs.read_exact(&mut vec![0; reads]).await.unwrap();
        drop(theirs);
        assert_eq!(linger(ours).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_stays_open_or_never_stops_says_nothing() {
    let (ours, _theirs) = tokio::io::duplex(64);
    assert_eq!(linger(ours).await, LastFrame::Unknown);
    let (ours, mut theirs) = tokio::io::duplex(4 << 20);
    theirs.write_all(&vec![0; 2 << 20]).await.unwrap();
    drop(theirs);
    assert_eq!(linger(ours).await, LastFrame::Unknown);
}

/// The settings of a session with these parameters and other members in OPEN.
fn settings(config: &Config, params: &str, members: &str) -> SessionConfig {
    let text = format!(r#"{{"protocol":1,"params":{params}{members}}}"#);
    let open = open::parse(text.as_bytes()).unwrap();
    config_of(&open, &session_defaults(config), recovery(config), Dialect::Native)
}

const LINEAR16: &str = r#"{"encoding":"linear16","sample_rate":16000}"#;

#[test]
fn the_gates_defaults_are_the_same_wherever_they_are_written() {
    assert_eq!(session_defaults(&Config::default()).vad, VadConfig::default());
}

#[test]
fn the_configurations_gate_is_every_sessions_unless_its_open_chooses() {
    let mut config = Config::default();
    config.vad.mode = crate::config::VadMode::Shadow;
    config.vad.threshold = 0.5;
    let vad = |params: &str, members: &str| settings(&config, params, members).vad;
    assert_eq!((vad(LINEAR16, "").mode, vad(LINEAR16, "").threshold), (VadMode::Shadow, 0.5));
    assert_eq!(vad(LINEAR16, r#","vad":{"mode":"active"}"#).mode, VadMode::Active);
    assert_eq!(vad(LINEAR16, r#","vad":{"mode":"off"}"#).mode, VadMode::Off);
    // That it cannot be had there is the machine's to say.
    assert_eq!(vad(r#"{"encoding":"opus"}"#, "").mode, VadMode::Shadow);
}

#[test]
fn a_hangover_is_never_shorter_than_the_silence_that_deepgram_is_to_notice() {
    let hangover = |config: &Config, endpointing: u32| {
        let params = format!(r#"{{"endpointing":{endpointing}}}"#);
        settings(config, &params, "").vad.hangover.as_millis()
    };
    let mut config = Config::default();
    assert_eq!(hangover(&config, 3_500), 4_000);
    assert_eq!(hangover(&config, 3_501), 4_001);
    assert_eq!(hangover(&config, 90_000), 60_000);
    config.vad.hangover = Duration::from_secs(20);
    assert_eq!(hangover(&config, 5_000), 20_000);
}

#[test]
fn only_open_asks_for_a_prelude() {
    let prelude = |members| settings(&Config::default(), LINEAR16, members).prelude;
    assert_eq!(prelude(""), None);
    let asked = prelude(r#","prelude":{"pad_to_ms":9000}"#).unwrap();
    assert_eq!(asked.pad_to, Duration::from_secs(9));
    assert_eq!(asked.stabilize, Duration::from_secs(15));
}
