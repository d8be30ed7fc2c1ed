"""Pipecat's own Deepgram service, pointed at the sidecar by address alone, transcribes a recording like a call."""

import asyncio
import contextlib
import os
import signal
import sys
import wave

from loguru import logger
from pipecat.frames.frames import EndFrame, InputAudioRawFrame, TranscriptionFrame, VADUserStoppedSpeakingFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker, ProcessorUnusablePolicy
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.workers.runner import WorkerRunner

SIDECAR = os.environ.get("SIDECAR_URL", "ws://127.0.0.1:7070")

PIECE_SECONDS = 0.02

# How long the answer to Finalize may take. Pipecat hands on none if nothing was left to say.
FLUSH_SECONDS = 2


class Transcripts(FrameProcessor):
    """Prints what was said. A bot would have its language model here."""

    def __init__(self):
        super().__init__()
        self.flushed = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            print(frame.text, flush=True)
            if frame.finalized:
                self.flushed.set()
        await self.push_frame(frame, direction)


async def play(wav, worker):
    """Plays the recording in real time. A bot would have a transport."""
    while audio := wav.readframes(round(wav.getframerate() * PIECE_SECONDS)):
        await worker.queue_frame(InputAudioRawFrame(audio, wav.getframerate(), 1))
        await asyncio.sleep(PIECE_SECONDS)


async def call(playing, worker, transcripts):
    """Hangs up when the recording is over, or a signal has cut it short."""
    with contextlib.suppress(asyncio.CancelledError):
        await playing
    # At EndFrame the service closes at once, and the words that Deepgram still has are lost. So they are asked for
    # first, as a bot's voice detector does in every pause.
    await worker.queue_frame(VADUserStoppedSpeakingFrame())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(transcripts.flushed.wait(), FLUSH_SECONDS)
    await worker.queue_frame(EndFrame())


async def transcribe(wav):
    # The service insists on a key. The sidecar has the real one, and forwards none of its applications'.
    stt = DeepgramSTTService(api_key="the sidecar has it", base_url=SIDECAR)
    transcripts = Transcripts()
    params = PipelineParams(audio_in_sample_rate=wav.getframerate())
    # A service that has given up would otherwise be fed in silence.
    policy = ProcessorUnusablePolicy.CANCEL
    worker = PipelineWorker(Pipeline([stt, transcripts]), params=params, processor_unusable_policy=policy)
    errors = []
    worker.add_event_handler("on_pipeline_error", lambda _worker, frame: errors.append(frame.error))

    playing = asyncio.create_task(play(wav, worker))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    calling = asyncio.create_task(call(playing, worker, transcripts))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    calling.cancel()
    if not stt.is_usable:
        sys.exit(f"No transcripts from the sidecar at {SIDECAR}: {errors[0]}. Is it running, with ipc.tcp_listen set?")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python transcribe.py RECORDING.wav")
    logger.remove()
    logger.add(sys.stderr, level=os.environ.get("LOG_LEVEL", "CRITICAL"))
    with wave.open(sys.argv[1]) as wav:
        if (wav.getnchannels(), wav.getsampwidth()) != (1, 2):
            sys.exit(f"{sys.argv[1]} must be 16-bit mono")
        asyncio.run(transcribe(wav))


if __name__ == "__main__":
    main()
