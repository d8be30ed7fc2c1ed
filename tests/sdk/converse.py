"""Deepgram's own Python SDK against the emulator: the SDK's types are the judge.

Takes the emulator's port and a WAV file. Prints one JSON object of what was seen.
"""

import asyncio
import json
import sys
import warnings
import wave

from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import ListenV1Metadata, ListenV1Results


async def converse(port: int, path: str) -> dict:
    base = f"127.0.0.1:{port}"
    environment = DeepgramClientEnvironment(
        base=f"http://{base}",
        production=f"ws://{base}",
        agent=f"ws://{base}",
        agent_rest=f"http://{base}",
    )
    client = AsyncDeepgramClient(api_key="a-key", environment=environment)
    with wave.open(path) as wav:
        audio = wav.readframes(wav.getnframes())
        rate = wav.getframerate()
    seen = {"results": [], "metadata": [], "types": [], "error": None}
    async with client.listen.v1.connect(
        model="nova-3", encoding="linear16", sample_rate=rate, interim_results=True
    ) as socket:
        async def listen():
            async for message in socket:
                seen["types"].append(type(message).__name__)
                if isinstance(message, ListenV1Results):
                    seen["results"].append(as_row(message))
                elif isinstance(message, ListenV1Metadata):
                    seen["metadata"].append({"duration": message.duration, "sha256": message.sha256})

        listener = asyncio.create_task(listen())
        for start in range(0, len(audio), 3200):
            await socket.send_media(audio[start : start + 3200])
            await asyncio.sleep(0.02)
        await socket.send_keep_alive()
        await socket.send_finalize()
        while not any(row["from_finalize"] for row in seen["results"]):
            await asyncio.sleep(0.01)
        await socket.send_close_stream()
        await listener
    return seen


def as_row(message: ListenV1Results) -> dict:
    best = message.channel.alternatives[0]
    # The SDK builds messages unchecked; its own model is the stricter judge.
    ListenV1Results.model_validate(message.model_dump())
    return {
        "is_final": message.is_final,
        "speech_final": message.speech_final,
        "from_finalize": message.from_finalize,
        "start": message.start,
        "duration": message.duration,
        "transcript": best.transcript,
        "words": [[word.word, word.start, word.end] for word in best.words],
        "request_id": message.metadata.request_id,
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer = asyncio.run(asyncio.wait_for(converse(int(sys.argv[1]), sys.argv[2]), 60))
    print(json.dumps(answer))
