"""A live connection for asyncio, as in the SDK's versions 3 and 4."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..aio import AsyncSidecarSession
from ..errors import SessionEnded, SidecarError, SidecarGone
from ..messages import Death, Event, Message
from ..options import SessionOptions
from . import handlers
from .handlers import Call, Handler, Handlers, control, logger
from .options import Options, session_options

# What the SDK passes to handlers without a name.
UNNAMED = frozenset({"Open"})


class AsyncListenWebSocketClient:
    """Handlers are coroutine functions or plain ones.

    `session` is the underlying session, with its events and its summary.
    """

    def __init__(self, base: SessionOptions | None = None, socket_path: str | os.PathLike[str] | None = None) -> None:
        self.session: AsyncSidecarSession | None = None
        self._base = base or SessionOptions()
        self._socket_path = socket_path
        self._handlers = Handlers()
        self._listener: asyncio.Task[None] | None = None
        self._kwargs: dict[str, Any] = {}

    def on(self, event: str, handler: Handler) -> None:
        """Adds a handler: `handler(connection, result, **kwargs)`, the second argument by the event."""
        self._handlers.add(event, handler)

    async def start(
        self,
        options: Options = None,
        addons: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Opens the connection, whatever became of the last one. False where that fails; the log says why.

        `members` become attributes, `kwargs` go to each handler, and `headers` are for Deepgram, which the sidecar
        speaks to.
        """
        vars(self).update(members or {})
        self._kwargs = kwargs
        self.session = AsyncSidecarSession(session_options(self._base, options, addons), socket_path=self._socket_path)
        try:
            await self.session.open()
        except (SidecarError, ValueError) as error:
            logger.error("the connection was not started: %s", error)
            return False
        await self._emit(handlers.OPEN)
        self._listener = asyncio.create_task(self._listen(self.session))
        return True

    async def is_connected(self) -> bool:
        return self.session is not None and self.session.is_open and not self.session.is_connection_dead

    async def send(self, data: str | bytes) -> bool:
        """Audio, or a message of Deepgram's.

        Waits while Deepgram does not keep up. False once there is no connection.
        """
        match control(data):
            case "KeepAlive":
                return await self.keep_alive()
            case "Finalize":
                return await self.finalize()
            case "CloseStream":
                return await self._try(AsyncSidecarSession.finish)
            case _ if isinstance(data, bytes):
                return await self._try(lambda session: session.send(data))
            case _:
                return await self._try(lambda session: session.send_text(data))

    async def keep_alive(self) -> bool:
        """Whether the connection is there. The sidecar keeps it alive by itself."""
        return await self.is_connected()

    async def finalize(self) -> bool:
        return await self._try(AsyncSidecarSession.finalize)

    async def finish(self) -> bool:
        """Ends the connection, and returns when the handlers have had Deepgram's last messages and the Close.

        False where the session ended by an error.
        """
        if self.session is None:
            return True
        await self._try(AsyncSidecarSession.finish)
        if self._listener is not None and self._listener is not asyncio.current_task():
            await self._listener
        return self.session.failure is None

    async def _try(self, act: Callable[[AsyncSidecarSession], Awaitable[None]]) -> bool:
        if self.session is None or not await self.is_connected():
            return False
        try:
            await act(self.session)
        except SidecarError as error:
            logger.error("not sent: %s", error)
            return False
        return True

    async def _listen(self, session: AsyncSidecarSession) -> None:
        try:
            async for item in session.received():
                await self._handle(session, item)
        except SidecarError as error:
            await self._emit(handlers.of_failure(error))
        finally:
            await session.close()
            await self._emit(handlers.CLOSE)

    async def _handle(self, session: AsyncSidecarSession, item: Message | Event) -> None:
        if isinstance(item, Message):
            await self._emit(handlers.of_message(item))
        elif isinstance(item, Death) and not item.recovering:
            await self._emit(handlers.of_death(item))
            try:
                await session.finish()
            except (SessionEnded, SidecarGone):
                logger.debug("the session has ended by itself")

    async def _emit(self, call: Call) -> None:
        for handler in self._handlers.of(call):
            try:
                result = call.run(handler, self, UNNAMED, self._kwargs)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                logger.exception("a handler of %s failed", call.event)
