//! The API key: how it is shown to Deepgram, how it is replaced, and where it never appears.

use std::path::Path;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{App, Config, Emulator, KEY, Sidecar, listen, run_to_exit, sidecar_command};

const OLD: &str = "old-key-51b9c2";
const NEW: &str = "new-key-d83e07";

async fn accepting(key: &str) -> Emulator {
    Emulator::with_arguments(json!({}), &[], &["--api-key", key]).await
}

fn with_key_file(emulator: &Emulator, file: &Path) -> Config {
    Config::dialing(emulator)
        .without_environment("DEEPGRAM_API_KEY")
        .set("upstream.api_key_file", file.display())
}

/// As Kubernetes and careful people replace a file: whole, or not at all.
fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, file).unwrap();
}

async fn is_accepted(sidecar: &Sidecar) -> bool {
    let mut app = App::dial(sidecar, &listen("key")).await;
    app.sender.finish().await.unwrap();
    let frames = format!("{:?}", app.rest().await);
    assert!(frames.contains("http_40") || frames.contains("finished"), "{frames}");
    frames.contains("finished")
}

#[tokio::test]
async fn a_key_file_that_changes_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, OLD).unwrap();
    let emulator = accepting(NEW).await;
    let sidecar = with_key_file(&emulator, &file).start().await;
    assert!(!is_accepted(&sidecar).await);
    replace(&file, &format!("{NEW}\n"));
    sidecar.process.log().event("key_replaced").await;
    assert!(is_accepted(&sidecar).await);
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("api_key_reloads_total", &[("result", "replaced")]), 1.0);
}

#[tokio::test]
async fn a_key_file_that_is_gone_leaves_the_old_key_in_use_and_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, OLD).unwrap();
    let emulator = accepting(OLD).await;
    let sidecar = with_key_file(&emulator, &file).start().await;
    std::fs::remove_file(&file).unwrap();
    sidecar.process.log().event("key_reload_failed").await;
    assert!(is_accepted(&sidecar).await);
    let metrics = sidecar.metrics().await;
    assert!(metrics.sum("api_key_reloads_total", &[("result", "failed")]) >= 1.0);
}

#[tokio::test]
async fn the_key_is_shown_as_configured() {
    for (auth, scheme) in
        [("token", json!("token")), ("bearer", json!("bearer")), ("none", json!(null))]
    {
        let emulator = Emulator::with_arguments(json!({}), &[], &["--no-auth"]).await;
        let sidecar = Config::dialing(&emulator).set("upstream.auth", auth).start().await;
        assert!(is_accepted(&sidecar).await);
        assert_eq!(emulator.ended_connection().await["auth_scheme"], scheme, "{auth}");
    }
}

#[tokio::test]
async fn with_auth_none_no_key_is_needed() {
    let emulator = Emulator::with_arguments(json!({}), &[], &["--no-auth"]).await;
    let config = Config::dialing(&emulator).without_environment("DEEPGRAM_API_KEY");
    let sidecar = config.set("upstream.auth", "none").start().await;
    assert!(is_accepted(&sidecar).await);
}

#[tokio::test]
async fn the_key_is_nowhere_to_be_read() {
    // Refused too, since errors are where secrets leak.
    let emulator =
        Emulator::with_arguments(json!({}), &["{refuse: {status: 403}}"], &["--api-key", KEY])
            .await;
    let config = Config::dialing(&emulator).set("telemetry.logs.level", "trace");
    let mut sidecar = config.start().await;
    assert!(!is_accepted(&sidecar).await);
    assert!(is_accepted(&sidecar).await);
    for page in ["/metrics", "/sessions", "/readyz", "/"] {
        assert!(!sidecar.page(page).await.1.contains(KEY), "{page}");
    }
    sidecar.process.signal(Signal::TERM);
    assert!(sidecar.process.exit().await.success());
    let log = sidecar.process.log().whole().await;
    assert!(log.contains("session_end") && !log.contains(KEY));

    let mut printing = sidecar_command();
    printing.arg("print-config").env("DEEPGRAM_API_KEY", KEY);
    let printed = run_to_exit(&mut printing).await;
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("[hidden]") && !text.contains(KEY), "{text}");
}

/// Error pages of proxies show the request that they refuse.
#[tokio::test]
async fn a_key_that_a_far_end_repeats_reaches_nobody() {
    let refuse = format!(r#"{{refuse: {{status: 400, body: '{{"err_msg":"no Token {KEY}"}}'}}}}"#);
    let error = format!(r#"{{"type":"Error","code":"{KEY}","description":"bad {KEY}"}}"#);
    let live = format!(
        "{{then: [{{after_audio: 100ms, do: {{send: '{error}'}}}}, \
         {{after_audio: 100ms, do: {{close: {{code: 1011, reason: 'key {KEY}'}}}}}}]}}"
    );
    let emulator = Emulator::scripted(&[&refuse, &live]).await;
    let mut sidecar = Config::dialing(&emulator).start().await;
    let refusal = App::dial(&sidecar, &listen("refused")).await.refusal().await;
    assert_eq!(refusal.detail.as_deref(), Some("no Token [hidden]"));
    let mut app = App::open(&sidecar, &listen("mortal")).await;
    app.speak(1).await;
    assert_eq!(app.event("dead").await.text("detail"), Some("close 1011: key [hidden]"));
    let death = app.finish().await.death.unwrap();
    assert_eq!(death.detail, "close 1011: key [hidden]");
    let (_, deaths) = sidecar.page("/deaths").await;
    sidecar.process.signal(Signal::TERM);
    assert!(sidecar.process.exit().await.success());
    let log = sidecar.process.log().whole().await;
    assert!(log.contains("[hidden]"), "{log}");
    assert!(!log.contains(KEY) && !deaths.contains(KEY), "{deaths}{log}");
}
