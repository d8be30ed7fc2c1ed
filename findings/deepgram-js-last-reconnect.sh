#!/bin/sh
# @deepgram/sdk 5.13.0 (JavaScript): the first attempt to reconnect that fails is also the last, and is
# told as a normal closure.
#
# A live socket reconnects by itself after any close but 1000, with growing delays and 30 attempts unless
# told otherwise. That holds only while every attempt is accepted. When one is answered with 503, or
# finds nobody listening for the moment, the SDK closes its own half-made socket with 1000, hears of
# that close itself and takes it for the one after which nobody reconnects: no further attempt comes,
# although the server would accept it. The application sees `close` with code 1000 and only then
# `error`, so one that is done at a 1000 never sees why. With a `shouldReconnect` that returns true the
# attempts go on; that one then has to know itself which closes are meant.
#
# Needs node 20 and npm, and 20 s for the attempts that do not come. Exits with 0 while this is so, and
# with 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

npm install --silent --no-audit --no-fund --prefix . @deepgram/sdk@5.13.0 ws@8.23.0
cat > show.js <<'JAVASCRIPT'
const http = require("node:http");
const { once } = require("node:events");
const { setTimeout: sleep } = require("node:timers/promises");
const { DeepgramClient } = require("@deepgram/sdk");
const { WebSocketServer } = require("ws");

// The second attempt is due within 5 s, the third within 6.5 s more.
const ALL_ATTEMPTS = 20_000;

/** Accepts the first attempt and closes it with 1011; `second` answers the second, later ones stay open. */
async function serve(second) {
  const sockets = new WebSocketServer({ noServer: true });
  const server = http.createServer();
  server.attempts = 0;
  server.on("upgrade", (request, stream, head) => {
    server.attempts += 1;
    const accept = (then) => sockets.handleUpgrade(request, stream, head, then);
    if (server.attempts === 1) {
      accept((socket) => socket.close(1011, "going"));
      if (second === "nobody") server.close();
    } else if (server.attempts === 2 && second === "503") {
      stream.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else if (server.attempts === 2 && second === "1011") {
      accept((socket) => socket.close(1011, "going"));
    } else {
      accept(() => {});
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function show(name, second, options) {
  const server = await serve(second);
  const { port } = server.address();
  const client = new DeepgramClient({ apiKey: "a-key", baseUrl: `ws://127.0.0.1:${port}` });
  const socket = await client.listen.v1.connect({ model: "nova-3", ...options });
  const seen = [];
  const told = (event) => seen.push(event);
  socket.on("open", () => told("open"));
  socket.on("close", ({ code }) => told(`close ${code}`));
  socket.on("error", ({ message }) => {
    told(`error ${message.replace(String(port), "PORT")}`);
    // Back at once, long before another attempt could be due.
    if (second === "nobody" && !server.listening) server.listen(port, "127.0.0.1");
  });
  socket.connect();
  await sleep(ALL_ATTEMPTS);
  return `${name}: ${server.attempts} reached the server\n  ${seen.join(", ")}`;
}

const always = { shouldReconnect: () => true };
Promise.all([
  show("second attempt accepted, closed with 1011", "1011", {}),
  show("second attempt refused with 503", "503", {}),
  show("second attempt finds nobody", "nobody", {}),
  show("second attempt refused with 503, shouldReconnect true", "503", always),
]).then((lines) => {
  console.log(lines.join("\n"));
  process.exit(0);
});
JAVASCRIPT
node show.js > seen

cat > expected <<'TEXT'
second attempt accepted, closed with 1011: 3 reached the server
  open, close 1011, open, close 1011, open
second attempt refused with 503: 2 reached the server
  open, close 1011, close 1000, error Unexpected server response: 503
second attempt finds nobody: 1 reached the server
  open, close 1011, close 1000, error connect ECONNREFUSED 127.0.0.1:PORT
second attempt refused with 503, shouldReconnect true: 3 reached the server
  open, close 1011, close 1000, error Unexpected server response: 503, open
TEXT
cat seen
diff expected seen
