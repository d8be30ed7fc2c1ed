"""The way to a live connection, as in the SDK's versions 3 and 4."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from ..options import SessionOptions
from .asynclive import AsyncListenWebSocketClient
from .handlers import logger
from .live import ListenWebSocketClient

_T = TypeVar("_T")


class DeepgramClientOptions:
    """Taken, and left alone: key, address and keepalive are the sidecar's."""

    def __init__(self, api_key: str = "", options: Mapping[str, Any] | None = None, **others: Any) -> None:
        if any(name.startswith("auto_flush") for name in options or {}):
            logger.warning("auto_flush_reply_delta is not supported; call finalize() where you need it")


class DeepgramClient:
    """`DeepgramClient().listen.websocket.v("1")`. The key and the SDK's options are the sidecar's business.

    `sidecar` is what each session asks of the sidecar, such as `SessionOptions(recovery="reconnect")`.
    """

    def __init__(
        self,
        api_key: str = "",
        config: DeepgramClientOptions | None = None,
        *,
        sidecar: SessionOptions | None = None,
        socket_path: str | os.PathLike[str] | None = None,
    ) -> None:
        self.listen = Listen(sidecar, socket_path)


class Listen:
    """The ways to live connections; `live` and `asynclive` are the older names."""

    def __init__(self, sidecar: SessionOptions | None, socket_path: str | os.PathLike[str] | None) -> None:
        self.websocket = Version(lambda: ListenWebSocketClient(sidecar, socket_path))
        self.asyncwebsocket = Version(lambda: AsyncListenWebSocketClient(sidecar, socket_path))
        self.live = self.websocket
        self.asynclive = self.asyncwebsocket


class Version(Generic[_T]):
    """The version of Deepgram's API, of which there is one."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make

    def v(self, version: str = "1") -> _T:
        """A new connection, not started yet."""
        if version != "1":
            raise ValueError(f"version {version!r}: live connections have version '1' only")
        return self._make()
