// One browser, and its session with Deepgram through the sidecar.

"use strict";

const { once } = require("node:events");
const { DeepgramClient } = require("@deepgram/sdk");
const { WebSocket } = require("ws");

const SIDECAR = process.env.SIDECAR_URL ?? "ws://127.0.0.1:7070";

// Ten seconds of audio. What the sidecar does not read yet is queued by the SDK, without a bound of its own.
const UNSENT_BYTES_MAX = 1024 * 1024;

// Close codes for the browser.
const DONE = 1000;
const FAILED = 1011;

const http = SIDECAR.replace("ws", "http");
const deepgram = new DeepgramClient({
  // The SDK insists on a key. The sidecar has the real one, and forwards none of its applications'.
  apiKey: "the sidecar has it",
  environment: { base: http, production: SIDECAR, agent: SIDECAR, agentRest: http },
});

class Caption {
  isStopped = false;
  failure = null;

  code = DONE;

  constructor(browser, sampleRate) {
    this.browser = browser;
    // Until the session is open, audio waits in the browser's socket.
    browser.pause();
    this.ended = this.run(sampleRate).catch((error) => (this.failure = explain(error))).then(() => this.end());
  }

  async run(sampleRate) {
    this.session = await deepgram.listen.v1.connect({
      model: "nova-3",
      encoding: "linear16",
      sample_rate: sampleRate,
      interim_results: "true",
      punctuate: "true",
      // The SDK would replace a lost connection by one that knows nothing of the first and starts at zero. The sidecar
      // does that better, with recovery.mode: reconnect; what it gives up on has to be seen here.
      reconnectAttempts: 0,
    });
    const closed = new Promise((resolve) => this.session.on("close", resolve));
    this.session.on("message", (message) => this.show(message));
    this.session.connect();
    await this.session.waitForOpen();
    if (this.isStopped) this.closeStream();
    this.listen();
    const { code, reason } = await closed;
    if (!this.isStopped) this.failure ??= `The connection to Deepgram was lost (${code} ${reason}). Press Start for another.`;
  }

  listen() {
    this.browser.on("message", (data, isBinary) => (isBinary ? this.hear(data) : this.stop()));
    this.browser.on("close", () => this.stop());
    this.browser.resume();
  }

  hear(audio) {
    if (this.isStopped || this.session.readyState !== WebSocket.OPEN) return;
    if (this.session.socket.bufferedAmount > UNSENT_BYTES_MAX) {
      this.failure = "Deepgram is too slow. Press Start to try again.";
      return this.session.close();
    }
    this.session.sendMedia(audio);
  }

  show({ type, channel, is_final }) {
    if (type === "Results") this.tell({ transcript: channel.alternatives[0].transcript, is_final });
  }

  /** No more audio. Deepgram sends its last results and closes; the sidecar sees to it that this does not take forever. */
  stop(code = this.code) {
    this.code = code;
    if (this.isStopped) return;
    this.isStopped = true;
    if (this.session?.readyState === WebSocket.OPEN) this.closeStream();
  }

  closeStream() {
    this.session.sendCloseStream({ type: "CloseStream" });
  }

  async end() {
    if (this.failure) {
      console.error(this.failure);
      this.tell({ error: this.failure });
    }
    this.browser.resume();
    if (this.browser.readyState === WebSocket.CLOSED) return;
    this.browser.close(this.failure ? FAILED : this.code);
    await once(this.browser, "close");
  }

  tell(message) {
    if (this.browser.readyState === WebSocket.OPEN) this.browser.send(JSON.stringify(message));
  }
}

/** What the SDK says when it cannot connect, for people to read. */
function explain({ message }) {
  const status = message.match(/^Unexpected server response: (\d+)/)?.[1];
  if (status) return `The session was refused with status ${status}; the sidecar's log says why.`;
  return `Cannot reach the sidecar at ${SIDECAR} (${message}). Is it running, with ipc.tcp_listen set?`;
}

module.exports = { Caption };
