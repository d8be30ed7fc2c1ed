"""What OPEN asks for."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .frames import FromApp, encode

DEFAULT_SOCKET = "/run/deepgram-sidecar/sidecar.sock"
# The daemon's own, since the two may share an environment, and it refuses variables of this kind that it does not know.
SOCKET_VARIABLE = "DEEPGRAM_SIDECAR_IPC_SOCKET"


@dataclass(frozen=True)
class Prelude:
    """Speech of a known voice goes ahead of the session, with silence after it.

    The sidecar's defaults are 15 s each.
    """

    pad_to_ms: int | None = None
    stabilize_ms: int | None = None


@dataclass(frozen=True)
class SessionOptions:
    """`params` are Deepgram's own; the rest is the sidecar's, and None leaves it to its configuration.

    The sidecar judges them: what it does not accept is `InvalidRequest`, with the name in `field`.
    """

    params: Mapping[str, object] = field(default_factory=dict[str, object])
    path: str | None = None
    session_id: str | None = None
    keepalive_interval_ms: int | None = None
    vad: str | None = None
    recovery: str | None = None
    prelude: Prelude | None = None
    traceparent: str | None = None
    tags: Mapping[str, str] | None = None

    def frame(self) -> bytes:
        """OPEN."""
        request: dict[str, Any] = {
            "protocol": 1,
            "session_id": self.session_id,
            "path": self.path,
            "params": self.params,
            "keepalive": _present({"interval_ms": self.keepalive_interval_ms}),
            "vad": _present({"mode": self.vad}),
            "recovery": _present({"mode": self.recovery}),
            "prelude": None if self.prelude is None else _present(vars(self.prelude)) or {},
            "traceparent": self.traceparent,
            "tags": self.tags,
        }
        return encode(FromApp.OPEN, to_json({name: value for name, value in request.items() if value is not None}))


def session_options(given: object) -> SessionOptions:
    """The options of a session, the sidecar's defaults where none are given."""
    if given is None:
        return SessionOptions()
    if not isinstance(given, SessionOptions):
        raise TypeError(
            f"options are SessionOptions, not {type(given).__name__}: "
            "pass SessionOptions(params={...}), with Deepgram's own parameters in `params`"
        )
    return given


def to_json(members: Mapping[str, Any]) -> bytes:
    """JSON as the sidecar reads it: without NaN."""
    return json.dumps(members, allow_nan=False, ensure_ascii=False).encode()


def socket_path(given: str | os.PathLike[str] | None = None) -> str:
    """The socket to use: the one given, or DEEPGRAM_SIDECAR_IPC_SOCKET's, or where the daemon listens by default."""
    path = os.fspath(given) if given is not None else os.environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET
    if re.match(r"[a-z+]+://", path):
        raise ValueError(
            f"{path} is a URL: give the path of the sidecar's Unix socket, such as {DEFAULT_SOCKET}; "
            "its port is for clients that cannot use the socket"
        )
    return path


def _present(members: Mapping[str, Any]) -> dict[str, Any] | None:
    present = {name: value for name, value in members.items() if value is not None}
    return present or None
