"""A sidecar that says what a test tells it to, also what no sidecar says."""

import contextlib
import json
import pathlib
import socket
import struct
from typing import Any, Self

from peers import PATIENCE

OPENED = {"session_id": "call-1", "protocol": 1, "request_id": "r", "traceparent": None}
SUMMARY: dict[str, Any] = {
    "session_id": "call-1",
    "outcome": "finished",
    "cut": False,
    "death": None,
    "duration_ms": 10,
    "connections": 1,
    "audio": {"frames": 0},
    "keepalives": 11,
    "recoveries": 0,
    "lost_ms": 0,
}
DEAD = {
    "event": "dead",
    "at_ms": 5,
    "reason": "net_0001_idle",
    "trigger": "read",
    "class": "provider",
    "detail": "1011 net0001",
    "connection": 1,
    "final_ms": 0,
    "recovering": False,
}


def frame(kind: int, members: object = None, *, payload: bytes | None = None) -> bytes:
    if payload is None:
        payload = json.dumps(members).encode()
    return struct.pack(">BI", kind, len(payload)) + payload


def opened(**members: object) -> bytes:
    return frame(0x81, OPENED | members)


def message(text: str) -> bytes:
    return frame(0x82, payload=text.encode())


def event(**members: object) -> bytes:
    return frame(0x83, {"at_ms": 5} | members)


def finished(**members: object) -> bytes:
    return frame(0x84, SUMMARY | members)


def error(code: str, **members: object) -> bytes:
    return frame(0x8F, {"code": code, "message": "do this", "field": None} | members)


class FakeSidecar:
    """Listens; `accept` takes one application, after which it is read from and written to like a socket."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(PATIENCE)
        self._listener.bind(str(path))
        self._listener.listen()
        self._app: socket.socket | None = None

    def accept(self) -> Self:
        self._app, _ = self._listener.accept()
        self._app.settimeout(PATIENCE)
        return self

    def say(self, *frames: bytes) -> None:
        assert self._app is not None
        self._app.sendall(b"".join(frames))

    def say_until_blocked(self, wire: bytes) -> int:
        """Says as much as the application takes without being asked, and returns how much that was."""
        assert self._app is not None
        said = 0
        self._app.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while said < len(wire):
                said += self._app.send(wire[said : said + 10_000])
        self._app.settimeout(PATIENCE)
        return said

    def read(self) -> tuple[int, bytes]:
        """The application's next frame."""
        kind, length = struct.unpack(">BI", self._exactly(5))
        return kind, self._exactly(length)

    def leave(self) -> None:
        """Closes as a process does that is killed."""
        assert self._app is not None
        self._app.close()

    def close(self) -> None:
        if self._app is not None:
            self._app.close()
        self._listener.close()

    def _exactly(self, count: int) -> bytes:
        assert self._app is not None
        data = self._app.recv(count, socket.MSG_WAITALL) if count else b""
        assert len(data) == count, "the application closed"
        return data
