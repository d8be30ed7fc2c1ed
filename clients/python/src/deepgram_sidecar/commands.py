"""The frames that an application sends, and the bounds of its buffers."""

from collections.abc import Mapping
from typing import Any

from .frames import FromApp, encode
from .options import to_json

# Eight seconds of 16 kHz audio: what it holds is late already, so more would hide the back-pressure.
SEND_BUFFER = 256 << 10
RECEIVE_BUFFER = 4 << 20

# What leaving a `with` block waits for: the sidecar's own limit is `session.finish_max`, 60 s.
FINISH_SECONDS = 75.0

FINISH = encode(FromApp.FINISH)


def audio(data: bytes) -> bytes:
    return encode(FromApp.AUDIO, data)


def prelude(data: bytes) -> bytes:
    return encode(FromApp.PRELUDE, data)


def finalize(channel: int | None) -> bytes:
    return encode(FromApp.FINALIZE, b"" if channel is None else to_json({"channel": channel}))


def text(message: str | Mapping[str, Any]) -> bytes:
    return encode(FromApp.TEXT, message.encode() if isinstance(message, str) else to_json(message))


def update(vad: str) -> bytes:
    return encode(FromApp.UPDATE, to_json({"vad": {"mode": vad}}))
