//! What Deepgram's other endpoints do in hours, in Deepgram's dialect and in the native one.

use futures_util::StreamExt;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use emulator::End;

const HOUR: Duration = Duration::from_secs(60 * 60);

const FLUX: &str = "/v2/listen?model=flux-general-en&encoding=linear16&sample_rate=16000";

const SETTINGS: &str = r#"{"type":"Settings","agent":{},"audio":{
    "input":{"encoding":"linear16","sample_rate":16000},
    "output":{"encoding":"linear16","sample_rate":16000}}}"#;

/// A session without a keepalive budget, so that only Deepgram may end it.
fn rig() -> Rig {
    let mut config = Config::default();
    config.keepalive.max_idle = Duration::ZERO;
    Rig::new(&config, Settings::default(), "connections: []")
}

impl Rig {
    /// A WebSocket to this path and query, as an SDK opens it.
    async fn dialect(&mut self, target: &str) -> WebSocketStream<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(256 << 10);
        let reception = self.reception.clone();
        self.connections.spawn(async move { reception.serve(ours, Door::Socket(None)).await });
        client_async(format!("ws://localhost{target}"), theirs).await.unwrap().0
    }
}

/// Reads to the close, answering pings, as every SDK does.
async fn read_to_the_end(mut socket: WebSocketStream<DuplexStream>) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        let is_end = message.is_close();
        messages.push(message);
        if is_end {
            break;
        }
    }
    messages
}

#[tokio::test(start_paused = true)]
async fn pings_hold_a_silent_flux_for_hours_in_both_dialects() {
    let mut rig = rig();
    let mut native = rig.connect();
    let request = OpenRequest::new().path("/v2/listen").audio("linear16", 16_000, 1);
    native.open(&request.param("model", "flux-general-en")).await.unwrap();
    native.opened().await.unwrap();
    let socket = rig.dialect(FLUX).await;
    let (mut sink, stream) = socket.split();
    let mut reading = JoinSet::new();
    reading.spawn(async move { stream.map(Result::unwrap).collect::<Vec<_>>().await });
    sleep(3 * HOUR).await;
    sink.send(Message::text(r#"{"type":"CloseStream"}"#)).await.unwrap();
    let summary = finish(native).await;
    assert_eq!((summary.outcome.as_str(), summary.connections), ("finished", 1));
    let messages = reading.join_next().await.unwrap().unwrap();
    assert_eq!(messages.last(), Some(&Message::Close(None)));
    for connection in rig.emulator().observed().connections {
        assert_eq!(connection.end, Some(End::CloseStream));
        assert!(connection.pings >= 180 && connection.keepalives == 0, "{connection:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_voice_dies_of_old_age_and_the_death_says_so() {
    for (target, hours, minutes) in [
        ("/v1/speak", 1, 60),
        ("/v2/speak?model=flux-haley-en", 1, 60),
        ("/v1/agent/converse", 2, 120),
    ] {
        let mut rig = rig();
        let mut socket = rig.dialect(target).await;
        if hours == 2 {
            socket.send(Message::text(SETTINGS)).await.unwrap();
        }
        let live = rig.reception.registry.sessions().remove(0);
        let began = clock::now();
        read_to_the_end(socket).await;
        let lived = clock::now() - began;
        assert!(
            lived >= hours * HOUR && lived < hours * HOUR + Duration::from_secs(5),
            "{lived:?}"
        );
        let told = format!("ends each connection to {} after {minutes} minutes", live.endpoint);
        let death = live.first_death().unwrap().death;
        assert!(death.detail.ends_with(&told), "{}", death.detail);
        assert_eq!(death.reason.as_str(), "provider_error");
        let connections = rig.emulator().observed().connections;
        let [connection] = &connections[..] else { panic!("{connections:?}") };
        assert_eq!(connection.end, Some(End::SessionMax));
    }
}
