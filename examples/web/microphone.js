// Turns the microphone's samples into 16-bit PCM, in pieces of about 50 ms. Runs on the audio thread.

const PIECES_PER_SECOND = 20;

const PIECE_SAMPLES = Math.ceil(sampleRate / PIECES_PER_SECOND);

class Microphone extends AudioWorkletProcessor {
  piece = new Int16Array(PIECE_SAMPLES);
  filled = 0;

  process([[samples]]) {
    // Without samples the microphone is gone or not there yet.
    for (const sample of samples ?? []) {
      this.piece[this.filled++] = Math.max(-1, Math.min(1, sample)) * 0x7fff;
      if (this.filled === PIECE_SAMPLES) this.post();
    }
    return true;
  }

  post() {
    // The buffer is given away, not copied.
    this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
    this.piece = new Int16Array(PIECE_SAMPLES);
    this.filled = 0;
  }
}

registerProcessor("microphone", Microphone);
