//! What an app does without the sidecar: one WebSocket, audio when there is some, no keepalives.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use futures_util::{Sink, SinkExt, StreamExt};
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::super::output::OutputError;
use super::super::pace::Pacer;
use super::super::source::{Encoding, Piece, Source};
use super::super::transcript::Caption;

/// How the bare socket ended.
#[derive(Debug)]
pub(super) struct Disconnection {
    age: Duration,
    close: Option<CloseFrame>,
}

impl Disconnection {
    /// Whether Deepgram closed it because it heard nothing.
    pub(super) fn is_idle_timeout(&self) -> bool {
        let mentions = |close: &CloseFrame| close.reason.to_lowercase().contains("net0001");
        self.close.as_ref().is_some_and(mentions)
    }
}

impl fmt::Display for Disconnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dead after {:.1} s: ", self.age.as_secs_f64())?;
        match &self.close {
            Some(close) => write!(f, "{} {}", u16::from(close.code), close.reason),
            None => f.write_str("closed without a close code"),
        }
    }
}

/// Plays over a stream to Deepgram until Deepgram closes it; `show` gets each piece of text.
pub(super) async fn play_until_death(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mut source: Source,
    mut show: impl FnMut(&Caption) -> Result<(), OutputError>,
) -> anyhow::Result<Disconnection> {
    let (socket, _) = client_async(request(&source.encoding)?, stream).await?;
    let opened = clock::now();
    let (sink, mut messages) = socket.split();
    let mut feeding = pin!(feed(sink, &mut source));
    let mut is_fed = false;
    loop {
        select! {
            () = &mut feeding, if !is_fed => is_fed = true,
            message = messages.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Some(line) = Caption::read(text.as_bytes()) {
                        show(&line)?;
                    }
                }
                Some(Ok(Message::Close(close))) => {
                    return Ok(Disconnection { age: clock::now() - opened, close });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    return Ok(Disconnection { age: clock::now() - opened, close: None });
                }
            }
        }
    }
}

/// Sends audio when it is due, and nothing else.
async fn feed(mut sink: impl Sink<Message> + Unpin, source: &mut Source) {
    let format = source.encoding.format;
    let mut pacer = Pacer::new(clock::now(), 1.0);
    while let Some(Ok(piece)) = source.next().await {
        let due = pacer.due(clock::now(), piece.duration(format));
        tokio::time::sleep_until(due.into()).await;
        if let Piece::Audio(audio) = piece
            && sink.send(Message::Binary(audio)).await.is_err()
        {
            return;
        }
    }
}

fn request(encoding: &Encoding) -> anyhow::Result<Request> {
    let Encoding { name, format } = encoding;
    let mut request = format!(
        "ws://localhost/v1/listen?encoding={name}&sample_rate={}&channels={}",
        format.sample_rate, format.channels
    )
    .into_client_request()?;
    request.headers_mut().insert("authorization", HeaderValue::from_static("Token demo"));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{DuplexStream, duplex};
    use tokio_tungstenite::accept_async;

    use super::*;

    const IDLE: Duration = Duration::from_secs(10);

    /// Closes like Deepgram after its idle timeout.
    async fn deepgram(stream: DuplexStream) {
        let mut socket = accept_async(stream).await.unwrap();
        while let Ok(message) = tokio::time::timeout(IDLE, socket.next()).await {
            message.unwrap().unwrap();
        }
        let reason = "See https://dpgr.am/net0001".into();
        socket.close(Some(CloseFrame { code: 1011.into(), reason })).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_long_silence_kills_a_bare_socket() {
        let audio = || Piece::Audio(Bytes::from_static(&[0; 3_200]));
        let silence = Piece::Silence(Duration::from_secs(11));
        let encoding = Encoding::new("linear16", 16_000, 1).unwrap();
        let source = Source::of_pieces(encoding, vec![audio(), audio(), silence, audio()]);
        let (ours, theirs) = duplex(64 * 1024);
        let (death, ()) =
            tokio::join!(play_until_death(ours, source, |_| Ok(())), deepgram(theirs));
        let death = death.unwrap();
        assert!(death.is_idle_timeout());
        assert_eq!(death.age.as_secs(), 10, "the second piece was sent at 0.1 s: {:?}", death.age);
    }

    fn death(close: Option<(u16, &'static str)>) -> Disconnection {
        let close =
            close.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() });
        Disconnection { age: Duration::from_millis(12_990), close }
    }

    #[test]
    fn only_deepgrams_idle_close_counts_as_the_idle_timeout() {
        assert!(death(Some((1011, "No audio. See https://dpgr.am/net0001"))).is_idle_timeout());
        assert!(!death(Some((1011, "See https://dpgr.am/net0000"))).is_idle_timeout());
        assert!(!death(None).is_idle_timeout());
    }

    #[test]
    fn a_death_is_told_with_its_age_and_close_code() {
        assert_eq!(death(Some((1011, "idle"))).to_string(), "dead after 13.0 s: 1011 idle");
    }
}
