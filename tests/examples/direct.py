"""What Deepgram itself says to a recording, without sidecar or SDK. Takes the address and the WAV file."""

import json
import sys
import wave

from websockets.sync.client import connect

address, path = sys.argv[1:]
with wave.open(path) as wav:
    rate, audio = wav.getframerate(), wav.readframes(wav.getnframes())
query = f"model=nova-3&encoding=linear16&sample_rate={rate}&punctuate=true"
with connect(f"{address}/v1/listen?{query}", additional_headers={"Authorization": "Token key"}, proxy=None) as deepgram:
    deepgram.send(audio)
    deepgram.send(json.dumps({"type": "CloseStream"}))
    results = [message for message in map(json.loads, deepgram) if message["type"] == "Results"]
finals = (result["channel"]["alternatives"][0]["transcript"] for result in results if result["is_final"])
print(" ".join(filter(None, finals)))
