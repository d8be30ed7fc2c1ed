"""Deepgram's SDK, from version 7, over the sidecar's Unix socket: what its `transport_factory` takes.

The SDK's hook is global: with it, all clients of the process go through the sidecar, also those made without it, and a
second, different factory is an error. So there is one function for each kind of client, and the socket is set apart
from it. Needs `websockets`, which the SDK brings.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .frames import MAX_RECEIVED
from .link import gone
from .options import socket_path

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection as AsyncConnection

# The sidecar answers once Deepgram has, all attempts included. It is given more time than it takes for that.
OPEN_SECONDS = 15.0
# There is no `ping_interval`: the kernel tells at once when the other end of a Unix socket is gone, and pings would
# only
# end applications that stand still.

_socket: str | os.PathLike[str] | None = None


def use_socket(path: str | os.PathLike[str] | None) -> None:
    """The socket for sessions that begin from now on; None for DEEPGRAM_SIDECAR_IPC_SOCKET or the default."""
    global _socket
    _socket = path


def transport_factory(url: str, headers: Mapping[str, str]) -> SidecarTransport:
    """For `DeepgramClient(transport_factory=…)`."""
    return SidecarTransport(url, headers)


def async_transport_factory(url: str, headers: Mapping[str, str]) -> AsyncSidecarTransport:
    """For `AsyncDeepgramClient(transport_factory=…)`."""
    return AsyncSidecarTransport(url, headers)


class SidecarTransport:
    """A WebSocket over the sidecar's socket.

    Made, it is connected. Raises `SidecarGone` where no sidecar listens, and `websockets.exceptions.InvalidStatus`
    where the sidecar or Deepgram refuses, with the status, headers and body.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        from websockets.sync.client import unix_connect

        path = socket_path(_socket)
        self._stack = ExitStack()
        try:
            # As a context manager, as this works alike in all versions.
            connecting = unix_connect(
                path,
                _local(url),
                additional_headers=_without_key(headers),
                compression=None,
                max_size=MAX_RECEIVED,
                open_timeout=OPEN_SECONDS,
                ping_interval=None,
            )
            self._connection = self._stack.enter_context(connecting)
        except (ConnectionError, FileNotFoundError, PermissionError) as error:
            raise gone(path, error) from error

    def send(self, data: str | bytes) -> None:
        self._connection.send(data)

    def recv(self) -> str | bytes:
        return self._connection.recv()

    def __iter__(self) -> Iterator[str | bytes]:
        return iter(self._connection)

    def close(self) -> None:
        self._stack.close()


class AsyncSidecarTransport:
    """A WebSocket over the sidecar's socket.

    The SDK does not wait when it makes one, so it connects with the first call, which is then what raises.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = _local(url)
        self._headers = _without_key(headers)
        self._path = socket_path(_socket)
        self._stack = AsyncExitStack()
        self._connecting: asyncio.Task[AsyncConnection] | None = None

    async def send(self, data: str | bytes) -> None:
        await (await self._connected()).send(data)

    async def recv(self) -> str | bytes:
        return await (await self._connected()).recv()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        async for message in await self._connected():
            yield message

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        await self._stack.aclose()

    async def _connected(self) -> AsyncConnection:
        # One connection, also when sending and receiving begin at once; and one that was refused stays refused.
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> AsyncConnection:
        from websockets.asyncio.client import unix_connect

        connecting = unix_connect(
            self._path,
            self._url,
            additional_headers=self._headers,
            compression=None,
            max_size=MAX_RECEIVED,
            open_timeout=OPEN_SECONDS,
            ping_interval=None,
        )
        try:
            return await self._stack.enter_async_context(connecting)
        except (ConnectionError, FileNotFoundError, PermissionError) as error:
            raise gone(self._path, error) from error


def _local(url: str) -> str:
    """The SDK's URL without the host and TLS of the Deepgram that it is meant for."""
    parts = urlsplit(url)
    return f"ws://localhost{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _without_key(headers: Mapping[str, str]) -> dict[str, str]:
    """The sidecar has the key, and needs none from here."""
    return {name: value for name, value in headers.items() if name.lower() != "authorization"}
