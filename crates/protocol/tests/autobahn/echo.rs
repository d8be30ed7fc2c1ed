//! A server that sends back what it hears, which is what the Autobahn suite judges.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use protocol::websocket::{self, Decoder, Event, Kind};

/// The suite's longest messages have 16 MiB.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

const READ_BYTES: usize = 64 << 10;

/// A client that is gone without a word ends nothing but its own thread.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// Echoes for as long as the process lives.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // What goes wrong on a connection is the client's to judge.
            thread::spawn(move || stream.and_then(|it| serve(&it)));
        }
    });
    address
}

fn serve(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_nodelay(true)?;
    let mut inbound = BytesMut::new();
    let Some(key) = read_head(stream, &mut inbound)? else { return Ok(()) };
    let accept = websocket::accept_key(&key);
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    echo(stream, &mut inbound)?;
    // With bytes unread, closing would reset the connection, and the Close might be lost.
    stream.shutdown(Shutdown::Write)?;
    while read(stream, &mut inbound)? {
        inbound.clear();
    }
    Ok(())
}

/// Reads the request up to its end, and takes the key out of it.
fn read_head(stream: &TcpStream, inbound: &mut BytesMut) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = inbound.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = inbound.split_to(end + 4);
            let mut lines =
                head[..].split(|it| *it == b'\n').filter_map(|it| str::from_utf8(it).ok());
            let key = lines.find_map(|it| it.strip_prefix("Sec-WebSocket-Key: "));
            return Ok(key.map(|it| it.trim_end().to_owned()));
        }
        if !read(stream, inbound)? {
            return Ok(None);
        }
    }
}

/// Echoes until either side is to say no more.
fn echo(mut stream: &TcpStream, inbound: &mut BytesMut) -> io::Result<()> {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut outbound = BytesMut::new();
    loop {
        let is_over = answer(&mut decoder, inbound, &mut outbound);
        stream.write_all(&outbound)?;
        outbound.clear();
        if is_over || !read(stream, inbound)? {
            return Ok(());
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

/// Whether anything came before the end.
fn read(mut stream: &TcpStream, inbound: &mut BytesMut) -> io::Result<bool> {
    let come = inbound.len();
    inbound.resize(come + READ_BYTES, 0);
    let read = stream.read(&mut inbound[come..]);
    inbound.truncate(come + *read.as_ref().unwrap_or(&0));
    Ok(read? > 0)
}
