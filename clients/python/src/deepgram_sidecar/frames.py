"""Frames, bytes alone: a type, the payload's length, the payload."""

import enum
import struct
from collections.abc import Iterator

from .errors import ProtocolError

HEADER = struct.Struct(">BI")

# What the sidecar takes in one frame unless `ipc.max_frame_bytes` says otherwise.
MAX_SENT = 1 << 20
# The contract sets no limit to frames from the sidecar. Deepgram's messages, the largest, have up to 4 MiB.
MAX_RECEIVED = 8 << 20


class FromApp(enum.IntEnum):
    """What an application may send."""

    OPEN = 0x01
    AUDIO = 0x02
    FINALIZE = 0x03
    FINISH = 0x04
    TEXT = 0x05
    UPDATE = 0x06
    PRELUDE = 0x07


class FromSidecar(enum.IntEnum):
    """What an application may receive; it ignores other types from 0x80 up."""

    OPENED = 0x81
    MESSAGE = 0x82
    EVENT = 0x83
    FINISHED = 0x84
    ERROR = 0x8F


def encode(kind: FromApp, payload: bytes = b"", limit: int = MAX_SENT) -> bytes:
    """One frame. `ValueError` above the limit, since the sidecar would end the session for it."""
    if len(payload) > limit:
        raise ValueError(f"{kind.name} of {len(payload)} bytes: a frame has at most {limit}; send smaller pieces")
    return HEADER.pack(kind, len(payload)) + payload


class Decoder:
    """Takes bytes as they come, and hands out whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_between_frames(self) -> bool:
        """Whether an end of the stream would cut no frame."""
        return not self._buffer

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Type and payload of each frame that is whole now. `ProtocolError` for what no sidecar sends."""
        self._buffer += data
        while self._buffer:
            length = self._judged_length()
            if length is None or len(self._buffer) < HEADER.size + length:
                return
            kind = self._buffer[0]
            payload = bytes(memoryview(self._buffer)[HEADER.size : HEADER.size + length])
            del self._buffer[: HEADER.size + length]
            yield kind, payload

    def _judged_length(self) -> int | None:
        # By the header, and the type by its one byte, so that garbage is not waited for.
        kind = self._buffer[0]
        if kind < 0x80:
            raise ProtocolError(f"a frame of type {kind:#04x}, which no sidecar sends: is this the sidecar's socket?")
        if len(self._buffer) < HEADER.size:
            return None
        _, length = HEADER.unpack_from(self._buffer)
        if length > MAX_RECEIVED:
            raise ProtocolError(f"a frame of {length} bytes; more than {MAX_RECEIVED} are not accepted")
        return int(length)
