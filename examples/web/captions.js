// Sends the microphone to the application and shows the captions that come back.
//
// To the application: 16-bit PCM as binary messages, then the text "stop". From it: JSON, either
// {"transcript", "is_final"} or {"error"}; it closes when the last caption has been sent.

const UNSENT_BYTES_MAX = 1024 * 1024;

const show = Object.fromEntries(
  ["toggle", "status", "final", "interim"].map((id) => [id, document.getElementById(id)]),
);

let running = null;

show.toggle.onclick = async () => {
  if (running) return stop(running);
  show.toggle.disabled = true;
  try {
    running = await start();
    show.status.textContent = "Listening.";
    show.toggle.textContent = "Stop";
  } catch (error) {
    show.status.textContent = error.message;
  }
  show.toggle.disabled = false;
};

async function start() {
  // Browsers give a microphone to https pages and to localhost only.
  if (!navigator.mediaDevices) throw new Error("No microphone here: open this page by https or as http://localhost.");
  const media = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  // At the device's own rate: not every browser resamples, and Deepgram takes any.
  const audio = new AudioContext();
  await audio.audioWorklet.addModule("microphone.js");
  const microphone = new AudioWorkletNode(audio, "microphone", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  const url = new URL(`captions?sample_rate=${audio.sampleRate}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  const call = { media, audio, socket };
  socket.onopen = () => audio.createMediaStreamSource(media).connect(microphone);
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = ({ code }) => end(call, code);
  microphone.port.onmessage = ({ data }) => send(call, data);
  return call;
}

function send({ socket }, piece) {
  if (socket.readyState !== WebSocket.OPEN) return;
  if (socket.bufferedAmount > UNSENT_BYTES_MAX) {
    show.status.textContent = "The connection to the application is too slow.";
    return socket.close(4000);
  }
  socket.send(piece);
}

function hear({ transcript, is_final, error }) {
  if (error) {
    show.status.textContent = error;
  } else if (is_final) {
    show.final.append(transcript ? `${transcript} ` : "");
    show.interim.textContent = "";
  } else {
    show.interim.textContent = transcript;
  }
}

function stop(call) {
  show.toggle.disabled = true;
  show.status.textContent = "Waiting for the last captions.";
  silence(call);
  if (call.socket.readyState === WebSocket.OPEN) call.socket.send("stop");
  else call.socket.close();
}

function end(call, code) {
  silence(call);
  running = null;
  show.toggle.textContent = "Start";
  show.toggle.disabled = false;
  // What went wrong has been shown already, unless the application itself is gone.
  if (code === 1000) show.status.textContent = "Press Start and speak.";
  else if (code === 1006 || code === 1012) show.status.textContent = "The application has stopped.";
}

function silence({ media, audio }) {
  for (const track of media.getTracks()) track.stop();
  if (audio.state !== "closed") audio.close();
}
