// Transcribes a recording through the sidecar's Unix socket, with nothing but the package `ws`:
//
//   npm install
//   node transcribe.js /run/deepgram-sidecar/sidecar.sock speech.wav
//
// The recording is a WAV file of 16-bit mono at 16 kHz. No key is needed: the sidecar has it.

"use strict";

const fs = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const { WebSocket } = require("ws");

const WAV_HEADER_BYTES = 44;
const BYTES_PER_SECOND = 2 * 16000;
const PIECE_BYTES = BYTES_PER_SECOND / 10;

const [socketPath, recording] = process.argv.slice(2);
const query = "model=nova-3&encoding=linear16&sample_rate=16000";
// The part behind the colon is the path of the request.
const socket = new WebSocket(`ws+unix:${socketPath}:/v1/listen?${query}`, { perMessageDeflate: false });

socket.on("open", async () => {
  const audio = fs.readFileSync(recording).subarray(WAV_HEADER_BYTES);
  for (let at = 0; at < audio.length && socket.readyState === WebSocket.OPEN; at += PIECE_BYTES) {
    socket.send(audio.subarray(at, at + PIECE_BYTES));
    await sleep((1000 * PIECE_BYTES) / BYTES_PER_SECOND);
  }
  // Deepgram finishes what it has, and closes. A pause needs no KeepAlive: the sidecar sends them.
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "CloseStream" }));
});

socket.on("message", (data, isBinary) => {
  if (isBinary) return;
  const message = JSON.parse(data);
  const transcript = message.channel?.alternatives[0].transcript;
  if (message.is_final && transcript) console.log(transcript);
});

socket.on("unexpected-response", async (_request, response) => {
  let body = "";
  for await (const chunk of response) body += chunk;
  fail(`refused with ${response.statusCode}: ${body}`);
});

socket.on("close", (code, reason) => {
  if (code !== 1000) fail(`closed with ${code} ${reason}`);
});

socket.on("error", (error) => fail(error.message));

function fail(message) {
  console.error(message);
  process.exitCode = 1;
  socket.terminate();
}
