//! Drives Deepgram's Rust SDK. The plan and the lines are those of `../../python/plan.py`.

use std::time::Duration;

use deepgram::common::options::{Encoding, Model, Options};
use deepgram::common::stream_response::StreamResponse;
use deepgram::listen::websocket::WebsocketHandle;
use deepgram::{Deepgram, DeepgramError};
use serde::Deserialize;
use serde_json::{Value, json};

/// 100 ms at 16 kHz.
const PIECE_BYTES: usize = 3_200;

#[derive(Deserialize)]
struct Plan {
    recording: String,
    options: StreamOptions,
    keepalive: bool,
    sessions: Vec<Session>,
}

#[derive(Deserialize)]
struct StreamOptions {
    model: String,
    sample_rate: u32,
    interim_results: bool,
    vad_events: bool,
    utterance_end_ms: String,
}

#[derive(Deserialize)]
struct Session {
    name: String,
    address: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Step {
    Stream,
    Silence { seconds: f64 },
    Finalize,
    CloseStream,
    AwaitEnd,
    Leave,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plan = std::env::args().nth(1).ok_or("the plan is the only argument")?;
    let plan: Plan = serde_json::from_str(&plan)?;
    let audio = std::fs::read(&plan.recording)?;
    for session in &plan.sessions {
        if let Err(error) = session.hold(&plan, &audio).await {
            session.tell("error", described(&error));
        }
        session.tell("end", Value::Null);
    }
    Ok(())
}

impl Session {
    fn tell(&self, seen: &str, facts: Value) {
        let mut line = json!({"session": self.name, "seen": seen});
        if let (Value::Object(line), Value::Object(facts)) = (&mut line, facts) {
            line.extend(facts);
        }
        println!("{line}");
    }

    async fn hold(&self, plan: &Plan, audio: &[u8]) -> Result<(), DeepgramError> {
        let mut handle = self.connect(plan).await?;
        self.tell("open", Value::Null);
        for step in &self.steps {
            self.perform(step, audio, &mut handle).await?;
        }
        Ok(())
    }

    async fn connect(&self, plan: &Plan) -> Result<WebsocketHandle, DeepgramError> {
        let client = Deepgram::with_base_url_and_api_key(self.address.as_str(), "a-key")?;
        let model = Model::from(plan.options.model.clone());
        let transcription = client.transcription();
        let mut request = transcription
            .stream_request_with_options(Options::builder().model(model).build())
            .encoding(Encoding::Linear16)
            .sample_rate(plan.options.sample_rate)
            .interim_results(plan.options.interim_results)
            .vad_events(plan.options.vad_events)
            .utterance_end_ms(plan.options.utterance_end_ms.parse().unwrap_or_default());
        if plan.keepalive {
            request = request.keep_alive();
        }
        request.handle().await
    }

    async fn perform(
        &self,
        step: &Step,
        audio: &[u8],
        handle: &mut WebsocketHandle,
    ) -> Result<(), DeepgramError> {
        match step {
            Step::Stream => {
                for piece in audio.chunks(PIECE_BYTES) {
                    handle.send_data(piece.to_vec()).await?;
                }
            }
            // Its worker reads and keeps alive meanwhile.
            Step::Silence { seconds } => {
                tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
            }
            Step::Finalize => {
                handle.finalize().await?;
                self.listen(handle, is_flushed).await;
            }
            Step::CloseStream | Step::Leave => {
                handle.close_stream().await?;
                self.listen(handle, |_| false).await;
            }
            Step::AwaitEnd => self.listen(handle, |_| false).await,
        }
        Ok(())
    }

    /// Tells what comes until `enough`, or the end.
    async fn listen(&self, handle: &mut WebsocketHandle, enough: fn(&StreamResponse) -> bool) {
        loop {
            match handle.receive().await {
                Some(Ok(response)) => {
                    self.tell("message", json!({"message": response}));
                    if enough(&response) {
                        return;
                    }
                }
                Some(Err(error)) => self.tell("error", described(&error)),
                None => return self.tell("close", Value::Null),
            }
        }
    }
}

fn is_flushed(response: &StreamResponse) -> bool {
    matches!(response, StreamResponse::TranscriptResponse { from_finalize: true, .. })
}

/// An error with all that its reader can take from it.
fn described(error: &DeepgramError) -> Value {
    let text = error.to_string();
    let DeepgramError::WsError(cause) = error else { return json!({"text": text}) };
    let tungstenite::Error::Http(response) = &**cause else { return json!({"text": text}) };
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    let body = response.body().as_deref().map(String::from_utf8_lossy);
    json!({
        "type": "WsError(Http)",
        "text": text,
        "status": response.status().as_u16(),
        "headers": headers.collect::<std::collections::BTreeMap<_, _>>(),
        "body": body,
    })
}
