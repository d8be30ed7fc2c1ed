#!/bin/sh
# tokio 1.54.1: after SIGSTOP and SIGCONT a timeout around a read in a spawned task ends the read
# although its data came in time and has been waiting in the socket.
#
# signal(7): on Linux epoll_wait fails with EINTR when a process is stopped and continued, even without
# a handler. tokio then fires the timers that ran out meanwhile before it asks the kernel again, and the
# worker that did so runs the task first, so the task sees that its time is over and not yet that its socket is readable. timeout() polls the read
# first, which does not help. What a frozen node or a debugger does to a process is thus taken for a
# peer that did not answer. A timer that is set after the pause runs out only after the kernel has been
# asked: reading for 10 ms more finds the data.
#
# Needs cargo and python3. Exits with 0 while this is so, and with 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

# Says something half a second after it was connected to.
cat > server.py <<'PYTHON'
import socket
import time

with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    connection, _ = server.accept()
    time.sleep(0.5)
    connection.sendall(b"hello")
    time.sleep(60)
PYTHON
python3 server.py > port &
server=$!
while [ ! -s port ]; do sleep 0.1; done

mkdir -p client/src
cat > client/Cargo.toml <<'TOML'
[package]
name = "client"
version = "0.0.0"
edition = "2021"

[dependencies]
tokio = { version = "=1.54.1", features = ["io-util", "macros", "net", "rt-multi-thread", "time"] }
TOML
cat > client/src/main.rs <<'RUST'
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::main]
async fn main() {
    tokio::spawn(read()).await.unwrap();
}

async fn read() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    println!("connected");
    let mut buffer = [0; 16];
    let read = timeout(Duration::from_secs(2), stream.read(&mut buffer)).await;
    println!("within 2 s: {}", if read.is_ok() { "read" } else { "timed out" });
    let read = timeout(Duration::from_millis(10), stream.read(&mut buffer)).await;
    println!("within 10 ms more: {} bytes", read.unwrap().unwrap());
}
RUST
(cd client && cargo build --quiet)

client/target/debug/client "$(cat port)" > seen &
client=$!
while [ ! -s seen ]; do sleep 0.05; done
sleep 0.1
kill -STOP $client
sleep 3
kill -CONT $client
wait $client || true

cat > expected <<'TEXT'
connected
within 2 s: timed out
within 10 ms more: 5 bytes
TEXT
cat seen
diff expected seen
