"""LiveKit Agents' own Deepgram plugin, pointed at the sidecar by address alone, transcribes a recording like a call."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import wave

import aiohttp
from livekit import rtc
from livekit.agents import APIError
from livekit.agents.stt import SpeechEventType
from livekit.plugins import deepgram

SIDECAR = os.environ.get("SIDECAR_URL", "ws://127.0.0.1:7070")

PIECE_SECONDS = 0.02


async def play(wav, stream):
    """Plays the recording in real time. An agent would have a room's audio track."""
    while audio := wav.readframes(round(wav.getframerate() * PIECE_SECONDS)):
        stream.push_frame(rtc.AudioFrame(audio, wav.getframerate(), 1, len(audio) // wav.getsampwidth()))
        await asyncio.sleep(PIECE_SECONDS)


async def call(playing, stream):
    """Hangs up when the recording is over, or a signal has cut it short. The last transcripts still come."""
    with contextlib.suppress(asyncio.CancelledError):
        await playing
    stream.end_input()


async def transcribe(wav):
    async with aiohttp.ClientSession() as session:
        # The address is the whole one, with its path. The plugin insists on a key; the sidecar has the real one, and
        # forwards none of its applications'.
        address = f"{SIDECAR}/v1/listen"
        service = deepgram.STT(api_key="the sidecar has it", base_url=address, http_session=session)
        async with service.stream() as stream:
            playing = asyncio.create_task(play(wav, stream))
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
            calling = asyncio.create_task(call(playing, stream))
            try:
                async for event in stream:
                    if event.type is SpeechEventType.FINAL_TRANSCRIPT:
                        print(event.alternatives[0].text, flush=True)
            finally:
                calling.cancel()


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python transcribe.py RECORDING.wav")
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "CRITICAL"))
    with wave.open(sys.argv[1]) as wav:
        if (wav.getnchannels(), wav.getsampwidth()) != (1, 2):
            sys.exit(f"{sys.argv[1]} must be 16-bit mono")
        try:
            asyncio.run(transcribe(wav))
        except APIError as error:
            why = error.__cause__ or error
            sys.exit(f"No transcripts from the sidecar at {SIDECAR}: {why}. Is it running, with ipc.tcp_listen set?")


if __name__ == "__main__":
    main()
