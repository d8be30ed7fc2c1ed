// Live captions of the browser's microphone: Deepgram's own SDK, pointed at the sidecar by address alone.

"use strict";

const { createReadStream } = require("node:fs");
const { createServer } = require("node:http");
const path = require("node:path");
const { WebSocketServer } = require("ws");
const { Caption } = require("./caption.js");

const PORT = Number(process.env.PORT ?? 8000);
const PAGE = path.join(__dirname, "..", "web");
const FILES = {
  "/": ["index.html", "text/html"],
  "/captions.js": ["captions.js", "text/javascript"],
  "/microphone.js": ["microphone.js", "text/javascript"],
};

// A piece of the page's audio is 50 ms.
const MESSAGE_BYTES_MAX = 64 * 1024;

// The close code that tells a browser so.
const RESTARTING = 1012;

const live = new Set();
const browsers = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX });

const server = createServer((request, response) => {
  const file = FILES[request.url];
  if (!file) return response.writeHead(404).end();
  response.writeHead(200, { "Content-Type": file[1] });
  createReadStream(path.join(PAGE, file[0])).pipe(response);
});

server.on("upgrade", (request, socket, head) => {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  const rate = Number(searchParams.get("sample_rate"));
  if (pathname !== "/captions" || !isOurs(request) || !(rate >= 8000 && rate <= 192000)) {
    return socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
  }
  browsers.handleUpgrade(request, socket, head, (browser) => {
    const caption = new Caption(browser, rate);
    live.add(caption);
    caption.ended.then(() => live.delete(caption));
  });
});

// Any page on the web may open a WebSocket to localhost. Ours comes from here.
function isOurs({ headers }) {
  return URL.canParse(headers.origin) && new URL(headers.origin).host === headers.host;
}

// The streams end the way Deepgram expects, and their last captions are delivered.
async function shutDown() {
  server.close();
  for (const caption of live) caption.stop(RESTARTING);
  await Promise.all([...live].map((caption) => caption.ended));
  process.exit(0);
}

for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, shutDown);
server.listen(PORT, "127.0.0.1", () => console.log(`Open http://localhost:${server.address().port}`));
