#!/bin/sh
# tungstenite 0.30.0 (Rust) reports close code 1014 as 1002 and throws its reason away.
#
# 1014 (bad gateway) is in IANA's registry of close codes, and the Python library websockets 15.0.1
# sends it like any other. tungstenite's client hands its user a close frame with code 1002 and the
# text "Protocol violation" instead: neither that it was 1014 nor the peer's reason can be had from
# it, and a log that shows what it says blames the peer for a breach that it did not commit. Code
# 1013, beside it in the registry, arrives as it was sent.
#
# Needs cargo and python3. Exits with 0 while this is so, and with 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check websockets==15.0.1
cat > server.py <<'PYTHON'
import asyncio
from websockets.asyncio.server import serve


async def close(connection):
    code = int(connection.request.path.strip("/"))
    await connection.close(code, "upstream is gone")


async def main():
    async with serve(close, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
PYTHON
venv/bin/python server.py > port &
server=$!
while [ ! -s port ]; do sleep 0.1; done

mkdir -p client/src
cat > client/Cargo.toml <<'TOML'
[package]
name = "client"
version = "0.0.0"
edition = "2021"

[dependencies]
tungstenite = "=0.30.0"
TOML
cat > client/src/main.rs <<'RUST'
use std::net::TcpStream;
use tungstenite::{client, Message};

fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    for code in [1013, 1014] {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut socket, _) = client(format!("ws://127.0.0.1/{code}"), stream).unwrap();
        let Ok(Message::Close(Some(frame))) = socket.read() else { panic!("no close frame") };
        println!("sent {code}, seen {} {}", u16::from(frame.code), frame.reason);
    }
}
RUST
(cd client && cargo run --quiet -- "$(cat ../port)") > seen

cat > expected <<'TEXT'
sent 1013, seen 1013 upstream is gone
sent 1014, seen 1002 Protocol violation
TEXT
cat seen
diff expected seen
