"""One session's socket for asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from .errors import SendBlocked
from .link import Bounds, gone
from .messages import Event, Message
from .pump import READ_BYTES
from .state import Inbox, SessionState


class AsyncLink(asyncio.Protocol):
    """Lives from OPEN to the session's end; a session that is reopened gets another.

    `deliver` says whether it took the item; what it leaves goes to the inbox.
    """

    def __init__(self, first: bytes, deliver: Callable[[Message | Event], bool], bounds: Bounds) -> None:
        self.state = SessionState()
        self._first = first
        self._deliver = deliver
        self._bounds = bounds
        self._inbox = Inbox(bounds.receive)
        self._waiting: set[asyncio.Future[None]] = set()
        self._has_room = True
        self._is_paused = False
        self._discarding = False
        self._transport: asyncio.Transport
        self._lost = asyncio.Event()

    @classmethod
    async def connect(
        cls, path: str, first: bytes, deliver: Callable[[Message | Event], bool], bounds: Bounds
    ) -> AsyncLink:
        """A link to the sidecar, which sends the first frame; or `SidecarGone`."""
        loop = asyncio.get_running_loop()
        try:
            _, link = await loop.create_unix_connection(lambda: cls(first, deliver, bounds), path)
        except OSError as error:
            raise gone(path, error) from error
        return link

    @property
    def pending_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    async def write(self, frame: bytes, timeout: float | None) -> None:
        """Takes the frame whole, or raises `SendBlocked` and takes nothing of it."""
        self.state.check_sendable()
        try:
            await self.wait_until(lambda: self._has_room or self.state.over, timeout)
        except TimeoutError as error:
            raise SendBlocked(f"{self.pending_bytes} bytes are still waiting for the sidecar to read them") from error
        self.state.check_sendable()
        self._transport.write(frame)

    async def take(self, *, until_dead: bool) -> Message | Event | None:
        """The next item; None where no more will come, or with `until_dead` no more messages."""

        def is_ready() -> bool:
            return not self._inbox.is_empty or self.state.over or (until_dead and self.state.is_dead)

        await self.wait_until(is_ready, None)
        item = self._inbox.take()
        self._read_if_room()
        return item

    async def wait_until(self, is_so: Callable[[], bool], timeout: float | None) -> None:
        async with asyncio.timeout(timeout):
            while not is_so():
                changed = asyncio.get_running_loop().create_future()
                self._waiting.add(changed)
                try:
                    await changed
                finally:
                    self._waiting.discard(changed)

    def discard(self) -> None:
        """Nobody will take what is here or comes: it must not stop the reading."""
        self._discarding = True
        self._inbox.clear()
        self._read_if_room()

    async def close(self) -> None:
        self.state.over = True
        self._transport.abort()
        self._changed()
        await self._lost.wait()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=self._bounds.send)
        transport.write(self._first)

    def data_received(self, data: bytes) -> None:
        try:
            for item in self.state.receive(data):
                if not self._deliver(item) and not self._discarding:
                    self._inbox.put(item)
        except Exception as error:  # A callback's: the session ends with it, and whoever waits for the end is told.
            self.state.fail(error)
        if self.state.over:
            self._transport.abort()
        elif self._inbox.is_full and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._changed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._hear_last_words()
        self.state.receive_end(exc)
        self._changed()
        self._lost.set()

    def pause_writing(self) -> None:
        self._has_room = False

    def resume_writing(self) -> None:
        self._has_room = True
        self._changed()

    def _hear_last_words(self) -> None:
        # A write into a closed socket makes asyncio give up the socket unread. It still has why the sidecar closed it.
        fileno = self._transport.get_extra_info("socket").fileno()
        try:
            while not self.state.over and (data := os.read(fileno, READ_BYTES)):
                self.data_received(data)
        except OSError:
            pass

    def _read_if_room(self) -> None:
        if self._is_paused and not self._inbox.is_full and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def _changed(self) -> None:
        for changed in self._waiting:
            if not changed.done():
                changed.set_result(None)
