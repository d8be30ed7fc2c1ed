//! What an app does without the sidecar: one WebSocket, audio when there is some, no keepalive.

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::{Sink, SinkExt, StreamExt};
use http::HeaderValue;
use tokio::net::TcpStream;
use tokio::select;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::super::pace::Pacer;
use super::super::screen::OutputError;
use super::super::source::{Encoding, Piece, Source};
use super::super::transcript::Line;
use crate::session::clock;

/// How the bare socket ended.
#[derive(Debug)]
pub(super) struct Death {
    age: Duration,
    close: Option<CloseFrame>,
}

impl Death {
    /// Whether Deepgram closed it because it heard nothing.
    pub(super) fn is_idle_timeout(&self) -> bool {
        let mentions = |close: &CloseFrame| close.reason.to_lowercase().contains("net0001");
        self.close.as_ref().is_some_and(mentions)
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dead after {:.1} s: ", self.age.as_secs_f64())?;
        match &self.close {
            Some(close) => write!(f, "{} {}", u16::from(close.code), close.reason),
            None => f.write_str("closed without a word"),
        }
    }
}

/// Plays until Deepgram closes; `show` sees each piece of text.
pub(super) async fn play_until_death(
    deepgram: SocketAddr,
    mut source: Source,
    mut show: impl FnMut(&Line) -> Result<(), OutputError>,
) -> anyhow::Result<Death> {
    let stream = TcpStream::connect(deepgram).await?;
    let (socket, _) = client_async(request(deepgram, &source.encoding)?, stream).await?;
    let opened = clock::now();
    let (sink, mut messages) = socket.split();
    let mut feeding = pin!(feed(sink, &mut source));
    let mut is_fed = false;
    loop {
        select! {
            () = &mut feeding, if !is_fed => is_fed = true,
            message = messages.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Some(line) = Line::read(text.as_bytes()) {
                        show(&line)?;
                    }
                }
                Some(Ok(Message::Close(close))) => {
                    return Ok(Death { age: clock::now() - opened, close });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    return Ok(Death { age: clock::now() - opened, close: None });
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

fn request(deepgram: SocketAddr, encoding: &Encoding) -> anyhow::Result<Request> {
    let Encoding { name, format } = encoding;
    let mut request = format!(
        "ws://{deepgram}/v1/listen?encoding={name}&sample_rate={}&channels={}",
        format.sample_rate, format.channels
    )
    .into_client_request()?;
    request.headers_mut().insert("authorization", HeaderValue::from_static("Token demo"));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(close: Option<(u16, &'static str)>) -> Death {
        let close =
            close.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() });
        Death { age: Duration::from_millis(12_990), close }
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
