//! Deepgram's messages as readable lines.

use serde::Deserialize;

/// The text of one message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Caption {
    /// Start of the piece, in seconds of the stream.
    pub(super) start: f64,
    /// End of the piece, in seconds of the stream.
    pub(super) end: f64,
    pub(super) text: String,
    /// Whether the text is final; otherwise a later line replaces it.
    pub(super) is_final: bool,
    /// The channel, if there are several.
    pub(super) channel: Option<u64>,
}

impl Caption {
    /// Reads a message; `None` if it contains no words.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        // Not a tagged enum: serde buffers those, and numbers of arbitrary precision do not survive.
        let kind: Kind = serde_json::from_slice(message).ok()?;
        let line = match kind.name.as_str() {
            "Results" => serde_json::from_slice::<Results>(message).ok()?.into_line()?,
            "TurnInfo" => serde_json::from_slice::<TurnInfo>(message).ok()?.into_line(),
            _ => return None,
        };
        (!line.text.is_empty()).then_some(line)
    }
}

impl std::fmt::Display for Caption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{:7.2} - {:7.2}] ", self.start, self.end)?;
        if let Some(channel) = self.channel {
            write!(f, "channel {channel}: ")?;
        }
        f.write_str(&self.text)
    }
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    name: String,
}

#[derive(Deserialize)]
struct Results {
    start: f64,
    duration: f64,
    #[serde(default)]
    is_final: bool,
    #[serde(default)]
    channel_index: Vec<u64>,
    channel: Channel,
}

#[derive(Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
}

#[derive(Deserialize)]
struct Alternative {
    transcript: String,
}

impl Results {
    fn into_line(self) -> Option<Caption> {
        let several = self.channel_index.get(1).is_some_and(|&channels| channels > 1);
        Some(Caption {
            start: self.start,
            end: self.start + self.duration,
            text: self.channel.alternatives.into_iter().next()?.transcript,
            is_final: self.is_final,
            channel: several.then(|| self.channel_index[0]),
        })
    }
}

#[derive(Deserialize)]
struct TurnInfo {
    event: String,
    #[serde(default)]
    audio_window_start: f64,
    #[serde(default)]
    audio_window_end: f64,
    transcript: String,
}

impl TurnInfo {
    fn into_line(self) -> Caption {
        Caption {
            start: self.audio_window_start,
            end: self.audio_window_end,
            text: self.transcript,
            is_final: self.event == "EndOfTurn",
            channel: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_becomes_a_line_with_its_times() {
        let line = Caption::read(
            br#"{"type":"Results","channel_index":[0,1],"duration":2.54,"start":1.26,"is_final":true,"channel":{"alternatives":[{"transcript":"he was not","confidence":0.9}]}}"#,
        )
        .unwrap();
        assert!(line.is_final);
        assert_eq!(line.to_string(), "[   1.26 -    3.80] he was not");
    }

    #[test]
    fn channels_are_named_where_there_are_several() {
        let line = Caption::read(
            br#"{"type":"Results","channel_index":[1,2],"duration":1,"start":0,"is_final":false,"channel":{"alternatives":[{"transcript":"yes"}]}}"#,
        )
        .unwrap();
        assert_eq!(line.channel, Some(1));
        assert!(line.to_string().ends_with("channel 1: yes"));
    }

    #[test]
    fn an_end_of_turn_is_final() {
        let line = Caption::read(
            br#"{"type":"TurnInfo","event":"EndOfTurn","audio_window_start":0.5,"audio_window_end":2.0,"transcript":"hello"}"#,
        )
        .unwrap();
        assert!(line.is_final);
    }

    #[test]
    fn messages_without_words_are_no_lines() {
        for message in [
            &br#"{"type":"Metadata","duration":3.0}"#[..],
            br#"{"type":"Results","start":0,"duration":1,"channel":{"alternatives":[{"transcript":""}]}}"#,
            br#"{"type":"Results","start":0,"duration":1,"channel":{"alternatives":[]}}"#,
            b"no json",
        ] {
            assert_eq!(Caption::read(message), None);
        }
    }
}
