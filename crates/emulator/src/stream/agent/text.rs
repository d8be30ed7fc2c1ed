//! What a client's text message says.

use serde::Deserialize;

use crate::stream::voice::Form;

/// A client's text message. What an agent can be told besides is not emulated.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum ClientText {
    Settings(Box<RawSettings>),
    KeepAlive,
    InjectAgentMessage { message: String },
    UpdatePrompt,
    UpdateSpeak,
}

/// Settings, as far as they are looked at.
#[derive(Debug, Deserialize)]
pub(super) struct RawSettings {
    audio: Option<RawAudio>,
    agent: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Debug, Deserialize)]
struct RawAudio {
    input: Option<RawForm>,
    output: Option<RawForm>,
}

#[derive(Debug, Deserialize)]
struct RawForm {
    encoding: Option<String>,
    sample_rate: Option<u32>,
}

/// The audio that a client sends and wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Encoding and rate of what it sends.
    pub(super) input: (String, u32),
    pub(super) output: Form,
}

impl RawSettings {
    /// # Errors
    /// What is missing or not to be had.
    pub(super) fn wanted(&self) -> Result<Wanted, String> {
        let audio = self.audio.as_ref().ok_or("missing field `audio`")?;
        self.agent.as_ref().ok_or("missing field `agent`")?;
        let (encoding, rate) = form(audio.output.as_ref(), 24_000, &["linear16", "mulaw", "alaw"])?;
        let input = form(audio.input.as_ref(), 16_000, &INPUTS)?;
        Ok(Wanted { input, output: Form::new(&encoding, rate, 1.0) })
    }
}

const INPUTS: [&str; 6] = ["linear16", "linear32", "mulaw", "alaw", "opus", "ogg-opus"];

fn form(raw: Option<&RawForm>, rate: u32, encodings: &[&str]) -> Result<(String, u32), String> {
    let encoding = raw.and_then(|raw| raw.encoding.as_deref()).unwrap_or("linear16");
    let rate = raw.and_then(|raw| raw.sample_rate).unwrap_or(rate);
    if !encodings.contains(&encoding) {
        return Err(format!("unknown variant `{encoding}` for `encoding`"));
    }
    if !(8_000..=48_000).contains(&rate) {
        return Err("`sample_rate` must be between 8000 and 48000".into());
    }
    Ok((encoding.to_owned(), rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(settings: &str) -> Result<Wanted, String> {
        match serde_json::from_str(settings).unwrap() {
            ClientText::Settings(raw) => raw.wanted(),
            other => panic!("no settings but {other:?}"),
        }
    }

    #[test]
    fn settings_need_audio_and_agent_and_have_defaults() {
        let usual = wanted(r#"{"type":"Settings","audio":{},"agent":{}}"#).unwrap();
        assert_eq!(usual.input, ("linear16".to_owned(), 16_000));
        assert_eq!(usual.output, Form::new("linear16", 24_000, 1.0));
        for (settings, missing) in [
            (r#"{"type":"Settings","agent":{}}"#, "`audio`"),
            (r#"{"type":"Settings","audio":{}}"#, "`agent`"),
        ] {
            assert!(wanted(settings).unwrap_err().contains(missing));
        }
    }

    #[test]
    fn forms_that_are_not_to_be_had_are_named() {
        let refusal = |audio: &str| {
            wanted(&format!(r#"{{"type":"Settings","audio":{audio},"agent":{{}}}}"#)).unwrap_err()
        };
        assert!(refusal(r#"{"output":{"encoding":"opus"}}"#).contains("opus"));
        assert!(refusal(r#"{"input":{"encoding":"mp3"}}"#).contains("mp3"));
        assert!(refusal(r#"{"input":{"sample_rate":1}}"#).contains("sample_rate"));
    }
}
