//! An echo on the codec alone, which is what the suite wants of a server.

use std::io;

use bytes::BytesMut;
use deepgram_sidecar::ipc::app::AppStream;
use protocol::websocket::{self, Decoder, Event, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::doors::{MESSAGE_BYTES_MAX, Server};

pub(crate) struct Echo;

impl Server for Echo {
    async fn serve<S: AppStream + Send + 'static>(stream: S) {
        let _ = echo(stream).await;
    }
}

async fn echo<S: AppStream>(mut stream: S) -> io::Result<()> {
    let mut inbound = BytesMut::new();
    let Some(key) = read_head(&mut stream, &mut inbound).await? else { return Ok(()) };
    let accept = websocket::accept_key(&key);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX as usize);
    let mut outbound = BytesMut::new();
    loop {
        let is_over = answer(&mut decoder, &mut inbound, &mut outbound);
        stream.write_all_buf(&mut outbound).await?;
        if is_over || stream.read_buf(&mut inbound).await? == 0 {
            break;
        }
    }
    read_out(stream).await
}

/// With bytes unread, closing would reset the connection, and the Close might be lost.
pub(crate) async fn read_out<S: AppStream>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}

/// Reads the request up to its end, and takes the key out of it.
async fn read_head<S>(stream: &mut S, inbound: &mut BytesMut) -> io::Result<Option<String>>
where
    S: AppStream,
{
    loop {
        if let Some(end) = inbound.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = inbound.split_to(end + 4);
            let mut lines =
                head[..].split(|it| *it == b'\n').filter_map(|it| str::from_utf8(it).ok());
            let key = lines.find_map(|it| it.strip_prefix("Sec-WebSocket-Key: "));
            return Ok(key.map(|it| it.trim_end().to_owned()));
        }
        if stream.read_buf(inbound).await? == 0 {
            return Ok(None);
        }
    }
}

/// Answers all that has come; whether that was the last of it.
fn answer(decoder: &mut Decoder, inbound: &mut BytesMut, outbound: &mut BytesMut) -> bool {
    loop {
        match decoder.decode(inbound) {
            Ok(None) => return false,
            Ok(Some(Event::Message { kind: Kind::Text, payload })) => {
                websocket::encode_text(&payload, outbound);
            }
            Ok(Some(Event::Message { kind: Kind::Binary, payload })) => {
                websocket::encode_binary(&payload, outbound);
            }
            Ok(Some(Event::Ping(payload))) => websocket::encode_pong(&payload, outbound),
            Ok(Some(Event::Pong(_))) => {}
            Ok(Some(Event::Close(close))) => {
                websocket::encode_close(close.code, "", outbound);
                return true;
            }
            Err(breach) => {
                websocket::encode_close(Some(breach.close_code()), &breach.to_string(), outbound);
                return true;
            }
        }
    }
}
