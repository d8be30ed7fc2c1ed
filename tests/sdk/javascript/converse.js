// @deepgram/sdk 5. The plan and the lines are those of ../python/plan.py.

"use strict";

const fs = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const { DeepgramClient } = require("@deepgram/sdk");

// 100 ms at 16 kHz.
const PIECE_BYTES = 3200;
// Half of what Deepgram takes for an idle stream.
const KEEPALIVE_SECONDS = 5;

function tell(session, seen, facts = {}) {
  console.log(JSON.stringify({ session: session.name, seen, ...facts }));
}

/** What the SDK's user hears: `flushed` and `ended` come once each. */
function listen(session, socket, reconnects) {
  let flush, end;
  const flushed = new Promise((resolve) => (flush = resolve));
  const ended = new Promise((resolve) => (end = resolve));
  socket.on("open", () => tell(session, "open"));
  socket.on("message", (message) => {
    tell(session, "message", { message });
    if (message.from_finalize) flush();
  });
  socket.on("error", (error) => {
    tell(session, "error", { type: error.constructor.name, text: error.message });
    end();
  });
  socket.on("close", ({ code, reason }) => {
    tell(session, "close", { code, reason });
    // After another code the SDK comes back by itself.
    if (!reconnects || code === 1000) end();
  });
  return { flushed: Promise.race([flushed, ended]), ended };
}

async function perform(step, plan, socket, heard) {
  switch (step.do) {
    case "stream": {
      const audio = fs.readFileSync(plan.recording);
      for (let at = 0; at < audio.length; at += PIECE_BYTES) {
        socket.sendMedia(audio.subarray(at, at + PIECE_BYTES));
      }
      return;
    }
    case "silence":
      for (let left = step.seconds; left > 0; left -= KEEPALIVE_SECONDS) {
        if (plan.keepalive && left < step.seconds) socket.sendKeepAlive({ type: "KeepAlive" });
        await sleep(1000 * Math.min(left, KEEPALIVE_SECONDS));
      }
      return;
    case "finalize":
      socket.sendFinalize({ type: "Finalize" });
      return heard.flushed;
    case "close_stream":
      socket.sendCloseStream({ type: "CloseStream" });
      return heard.ended;
    case "await_end":
      return heard.ended;
    case "leave":
      socket.sendCloseStream({ type: "CloseStream" });
      socket.close();
  }
}

async function hold(session, plan) {
  const client = new DeepgramClient({ apiKey: "a-key", baseUrl: session.address });
  const attempts = plan.reconnects ? {} : { reconnectAttempts: 0 };
  const socket = await client.listen.v1.connect({ ...plan.options, ...attempts });
  const heard = listen(session, socket, plan.reconnects);
  socket.connect();
  try {
    await socket.waitForOpen();
    for (const step of session.steps) await perform(step, plan, socket, heard);
  } catch (error) {
    // A refusal, which has been told as an event; anything else is a bug, here or in the SDK.
    if (error instanceof Error) tell(session, "thrown", { text: error.message });
    await heard.ended;
  }
  tell(session, "end");
}

async function main() {
  const plan = JSON.parse(process.argv[2]);
  for (const session of plan.sessions) await hold(session, plan);
}

main();
