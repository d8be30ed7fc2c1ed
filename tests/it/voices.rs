//! `/v1/speak`, `/v2/speak` and `/v1/agent/converse` in Deepgram's dialect, with real processes.

use emulator::position;
use rustix::process::Signal;
use serde_json::{Value, json};
use session::bound::APP_UNWRITTEN_BYTES_MAX;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Config, DialectApp, Emulator, Sidecar, eventually, json};

const AURA: &str = "/v1/speak?encoding=linear16&sample_rate=16000";
const FLUX: &str = "/v2/speak?model=flux-haley-en&encoding=linear16&sample_rate=16000";
const AGENT: &str = "/v1/agent/converse";

const SETTINGS: &str = r#"{ "type":"Settings", "agent":{}, "audio":{
    "input":{"encoding":"linear16","sample_rate":16000},
    "output":{"encoding":"linear16","sample_rate":16000}}}"#;

const SPEAK: &str = r#"{"type":"Speak","text":"one two three four five"}"#;
const FLUSH: &str = r#"{"type":"Flush"}"#;
const CLOSE: &str = r#"{"type":"Close"}"#;

/// A Deepgram whose voice says of every sample where it belongs, and says it at once.
async fn voice(settings: Value, plans: &[&str]) -> Emulator {
    let mut all = json!({"position_code": true, "speak": {"latency": "0s", "pacing": null}});
    for (name, value) in settings.as_object().unwrap() {
        match all[name].as_object_mut() {
            Some(members) => members.extend(value.as_object().unwrap().clone()),
            None => all[name] = value.clone(),
        }
    }
    Emulator::with(all, plans).await
}

/// What was said, and the types of the texts with the bytes that were said before each.
fn told(messages: &[Message]) -> (Vec<u8>, Vec<(String, usize)>) {
    let (mut audio, mut texts) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            Message::Binary(piece) => audio.extend_from_slice(piece),
            text => {
                texts.push((json(text).unwrap()["type"].as_str().unwrap().to_owned(), audio.len()))
            }
        }
    }
    (audio, texts)
}

/// Named so that its log line is found.
fn named(target: &str, id: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}sidecar_session_id={id}")
}

#[tokio::test]
async fn text_becomes_speech_with_every_message_in_its_place() {
    let emulator = voice(json!({}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    for (number, target, flushed, last) in
        [(0, AURA, "Flushed", None), (1, FLUX, "SpeechMetadata", Some("SessionMetadata"))]
    {
        let mut app = DialectApp::open(&sidecar, &named(target, &format!("speak-{number}"))).await;
        for text in [SPEAK, FLUSH] {
            app.say(text).await;
        }
        let mut messages = Vec::new();
        while messages.last().and_then(json).is_none_or(|it: Value| it["type"] != flushed) {
            messages.push(app.next().await);
        }
        let (audio, texts) = told(&messages);
        let samples = audio.len() / 2;
        assert!(samples > 16_000, "{target}: {texts:?}");
        assert_eq!(audio, position::encode(0, samples), "{target}: verbatim and in order");
        assert_eq!(texts.first().map(|it| it.1), Some(0), "{target}: it speaks first");
        assert_eq!(texts.last(), Some(&(flushed.to_owned(), audio.len())), "{target}");
        app.say(CLOSE).await;
        let (rest, (code, reason)) = app.rest().await;
        let kinds = told(&rest).1.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        assert_eq!(kinds, Vec::from_iter(last), "{target}");
        assert!(
            matches!(code, None | Some(1000)) && reason.is_empty(),
            "{target}: {code:?} {reason}"
        );
        let end = sidecar.session_end(&format!("speak-{number}")).await;
        assert_eq!(
            (&end["outcome"], &end["lost_ms"]),
            (&json!("finished"), &Value::Null),
            "{target}"
        );
        let heard = emulator.connections().await.remove(number);
        assert_eq!(heard["other_texts"][0], SPEAK, "{target}");
        assert_eq!(heard["audio_bytes_sent"], audio.len(), "{target}");
        assert_eq!(
            (&heard["keepalives"], &heard["empty_binaries"]),
            (&json!(0), &json!(0)),
            "{target}"
        );
    }
}

#[tokio::test]
async fn an_agent_hears_and_speaks_and_is_left_with_a_close_frame() {
    let emulator = voice(json!({}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = DialectApp::open(&sidecar, &named(AGENT, "agent")).await;
    app.text("Welcome").await;
    app.say(SETTINGS).await;
    app.text("SettingsApplied").await;
    app.speak(0, 10).await;
    app.be_silent(20).await;
    let mut messages = Vec::new();
    while messages.last().and_then(json).is_none_or(|it: Value| it["type"] != "AgentAudioDone") {
        messages.push(app.next().await);
    }
    let (audio, texts) = told(&messages);
    assert!(audio.len() > 32_000, "{texts:?}");
    assert_eq!(audio, position::encode(0, audio.len() / 2));
    app.close().await;
    let metrics = sidecar.metrics().await;
    let bytes = metrics.sum("upstream_voice_bytes_total", &[("endpoint", AGENT)]);
    assert_eq!(bytes, audio.len() as f64);
    let pieces = messages.iter().filter(|it| it.is_binary()).count();
    assert_eq!(metrics.sum("upstream_messages_total", &[("type", "binary")]), pieces as f64);
    let end = sidecar.session_end("agent").await;
    assert_eq!((&end["outcome"], &end["death"]), (&json!("finished"), &Value::Null), "{end}");
    let heard = emulator.ended_connection().await;
    assert_eq!((&heard["client_close"], &heard["other_texts"]), (&json!(1000), &json!([SETTINGS])));
    assert_eq!(heard["audio_bytes"], 30 * 3_200);
}

#[tokio::test]
async fn an_agent_is_kept_alive_by_text_from_its_settings_on() {
    let emulator = voice(json!({"agent": {"idle_timeout": "1500ms"}}), &[]).await;
    let sidecar = Config::dialing(&emulator)
        .set("keepalive.interval", "100ms")
        .set("liveness.ping_interval", "100ms")
        .start()
        .await;
    let mut app = DialectApp::open(&sidecar, &named(AGENT, "kept")).await;
    let connection = emulator.connection_where(|it| it["pings"].as_u64() >= Some(5)).await;
    assert_eq!(connection["keepalives"], 0, "one before Settings would have been its end");
    app.say(SETTINGS).await;
    // Twice what Deepgram bears.
    emulator.connection_where(|it| it["keepalives"].as_u64() >= Some(30)).await;
    app.close().await;
    assert_eq!(sidecar.session_end("kept").await["outcome"], "finished");
}

#[tokio::test]
async fn pings_hold_a_silent_flux_voice_and_an_idle_voice_is_never_parked() {
    let emulator = voice(json!({"speak": {"idle_timeout": "2s"}}), &[]).await;
    let sidecar = Config::dialing(&emulator)
        .set("keepalive.interval", "200ms")
        .set("keepalive.max_idle", "1s")
        .set("recovery.mode", "reconnect")
        .start()
        .await;
    let mut app = DialectApp::open(&sidecar, &named(FLUX, "quiet")).await;
    emulator.connection_where(|it| it["pings"].as_u64() >= Some(15)).await;
    let session = sidecar.session_where("quiet", |_| true).await;
    assert_eq!((&session["state"], &session["connections"]), (&json!("open"), &json!(1)));
    app.say(CLOSE).await;
    app.rest().await;
    assert_eq!(sidecar.session_end("quiet").await["outcome"], "finished");
    let log = sidecar.process.log();
    assert_eq!(log.events("recovery_unavailable").len(), 1);
}

#[tokio::test]
async fn deepgrams_caps_end_a_voice_with_its_own_words() {
    let settings = json!({
        "speak": {"session_max": "300ms"},
        "agent": {"session_max": "300ms", "warning_after": "100ms"},
    });
    let emulator = voice(settings, &[]).await;
    let sidecar = Config::dialing(&emulator).set("recovery.mode", "reconnect").start().await;
    for (target, words, close) in [
        (AURA, "NET-0003", (Some(1011), "NET-0003")),
        (FLUX, "NET-0003", (Some(1011), "NET-0003")),
        (AGENT, "MAXIMUM_SESSION_LENGTH_REACHED", (None, "")),
    ] {
        let id = format!("cap-{}", words.len() + target.len());
        let mut app = DialectApp::open(&sidecar, &named(target, &id)).await;
        if target == AGENT {
            app.say(SETTINGS).await;
        }
        assert_eq!(app.rest().await.1, (close.0, close.1.to_owned()), "{target}");
        let end = sidecar.session_end(&id).await;
        assert_eq!((&end["outcome"], &end["connections"]), (&json!("dead"), &json!(1)), "{target}");
        assert_eq!(end["death"]["reason"], "provider_error", "{end}");
        assert!(end["death"]["detail"].as_str().unwrap().contains(words), "{end}");
    }
}

#[tokio::test]
async fn an_agent_without_settings_dies_of_its_silence_and_the_sidecar_is_not_blamed() {
    let emulator = voice(json!({"agent": {"idle_timeout": "300ms"}}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = DialectApp::open(&sidecar, &named(AGENT, "mute")).await;
    let (messages, close) = app.rest().await;
    let error = messages.last().and_then(json).unwrap();
    assert_eq!((&error["code"], close.0), (&json!("CLIENT_MESSAGE_TIMEOUT"), None));
    let death = sidecar.session_end("mute").await["death"].take();
    assert_eq!(death["reason"], "provider_error");
    assert!(death["detail"].as_str().unwrap().contains("CLIENT_MESSAGE_TIMEOUT"), "{death}");
}

/// What an application that does not read may leave with the sidecar, and one message of a tenth of a
/// second.
const QUEUE_MAX: u64 = APP_UNWRITTEN_BYTES_MAX as u64 + 3_300;

#[tokio::test]
async fn an_application_that_reads_slowly_holds_deepgrams_voice_back_and_misses_nothing() {
    let emulator = voice(json!({}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = DialectApp::open(&sidecar, &named(FLUX, "slow")).await;
    let text = json!({"type": "Speak", "text": "word ".repeat(390)}).to_string();
    for text in [&*text, FLUSH] {
        app.say(text).await;
    }
    // It reads nothing until Deepgram can send nothing more.
    let sent_now = async || {
        let connection = emulator.connections().await.remove(0);
        connection["audio_bytes_sent"].as_u64().unwrap()
    };
    let sent = eventually("a Deepgram that waits", async || {
        let before = sent_now().await;
        let session = sidecar.session_where("slow", |_| true).await;
        let queued = session["queue_bytes"]["to_app"].as_u64().unwrap();
        assert!(queued <= QUEUE_MAX, "{queued} bytes wait");
        (queued > 0 && sent_now().await == before).then_some(before)
    })
    .await;
    let mut messages = Vec::new();
    while messages.last().and_then(json).is_none_or(|it: Value| it["type"] != "SpeechMetadata") {
        messages.push(app.next().await);
    }
    let (audio, _) = told(&messages);
    assert!(
        sent < audio.len() as u64,
        "all of {} bytes was sent to somebody who did not read",
        audio.len()
    );
    assert_eq!(audio, position::encode(0, audio.len() / 2));
    app.say(CLOSE).await;
    app.rest().await;
    assert_eq!(sidecar.session_end("slow").await["outcome"], "finished");
}

#[tokio::test]
async fn shutdown_ends_each_voice_in_its_own_way_and_the_application_hears_of_it() {
    let emulator = voice(json!({}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let targets = [AURA, FLUX, AGENT];
    let mut apps = Vec::new();
    for (number, target) in targets.iter().enumerate() {
        apps.push(DialectApp::open(&sidecar, &named(target, &format!("drain-{number}"))).await);
    }
    sidecar.process.signal(Signal::TERM);
    for (number, app) in apps.iter_mut().enumerate() {
        let (_, (code, _)) = app.rest().await;
        assert_eq!(code, Some(1001), "{}", targets[number]);
        let end = sidecar.session_end(&format!("drain-{number}")).await;
        assert_eq!((&end["outcome"], &end["cut"]), (&json!("drained"), &json!(false)), "{end}");
    }
    let connections = emulator.connections().await;
    let closes: Vec<_> = connections.iter().map(|it| it["client_close"].clone()).collect();
    // After Close it is Deepgram that closes, and is answered in kind.
    assert_eq!(closes[2], 1000, "{closes:?}");
    let texts: Vec<_> = connections.iter().map(|it| it["other_texts"].clone()).collect();
    assert_eq!(texts[2], json!([]), "an agent knows no Close");
    let ends: Vec<_> = connections.iter().map(|it| it["end"].clone()).collect();
    assert_eq!(ends[..2], ["close_stream", "close_stream"]);
}

#[tokio::test]
async fn the_agent_has_a_host_of_its_own() {
    let (agents, others) = tokio::join!(voice(json!({}), &[]), voice(json!({}), &[]));
    let agent_url = format!("ws://{}", agents.addr());
    let sidecar = Config::dialing(&others).set("upstream.agent_url", agent_url).start().await;
    let mut agent = DialectApp::open(&sidecar, AGENT).await;
    let mut speech = DialectApp::open(&sidecar, AURA).await;
    agent.close().await;
    speech.say(CLOSE).await;
    speech.rest().await;
    let paths = async |emulator: &Emulator| {
        let connections = emulator.connections().await;
        connections.iter().map(|it| it["path"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (paths(&agents).await, paths(&others).await),
        (vec![json!(AGENT)], vec![json!("/v1/speak")])
    );
}
