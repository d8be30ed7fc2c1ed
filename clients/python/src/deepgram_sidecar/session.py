"""A session for threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from . import commands
from .errors import SessionEnded, SidecarGone
from .link import Bounds, Link
from .messages import Event, Message, Summary
from .options import SessionOptions, session_options, socket_path
from .state import Facts


class SidecarSession(Facts):
    """A transcription session. Its methods may be called from any thread.

    Messages and events come by iteration, or to `on_message` and `on_event`, which run on the session's own thread and
    should return soon. At `receive_buffer` bytes that nobody has taken, reading stops, and 30 s later the sidecar ends
    the session.
    """

    _link: Link | None = None

    def __init__(
        self,
        options: SessionOptions | None = None,
        *,
        socket_path: str | os.PathLike[str] | None = None,
        on_message: Callable[[Message], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
        send_buffer: int = commands.SEND_BUFFER,
        receive_buffer: int = commands.RECEIVE_BUFFER,
    ) -> None:
        self.options = session_options(options)
        self._socket_path = socket_path
        self._on_message = on_message
        self._on_event = on_event
        self._bounds = Bounds(send_buffer, receive_buffer)

    def open(self, timeout: float | None = None, *, wait: bool = True) -> None:
        """Connects to the sidecar, sends OPEN and waits for Deepgram.

        With `wait=False` it does not wait: everything may be sent at once, and a refusal comes later. Raises
        `SidecarGone`, `SessionFailed` where the sidecar or Deepgram refuses, and TimeoutError, with which the session
        is closed.
        """
        if self.is_open:
            raise RuntimeError("the session is open: finish or close it first")
        first = self.options.frame()
        self._link = Link(socket_path(self._socket_path), self._deliver, self._bounds)
        self._state = self._link.state
        self._link.start(first)
        if wait:
            self._wait_until_opened(timeout)

    def reopen(self, timeout: float | None = None) -> None:
        """A new session with the same options, whatever has ended the last one; one that is still open is left as by
        `close`.

        Nothing is sent again: that is for the application, from `death.final_ms` or from the last final result. An id
        in `options` may still be in use until the sidecar is done with the old session.
        """
        self.close()
        self.open(timeout)

    def send(self, audio: bytes, timeout: float | None = None) -> None:
        """Sends audio.

        While the buffer is full it waits, `timeout` seconds at most; then `SendBlocked`, and nothing was sent. Raises
        `SidecarGone` or `SessionEnded` once nothing can be sent, as all that send do.
        """
        self._current.write(commands.audio(audio), timeout)

    def finalize(self, channel: int | None = None, timeout: float | None = None) -> None:
        """Asks Deepgram to flush: its answer is a message with `from_finalize`."""
        self._current.write(commands.finalize(channel), timeout)

    def send_text(self, message: str | Mapping[str, Any], timeout: float | None = None) -> None:
        """Sends Deepgram a message of its own, such as `Configure`."""
        self._current.write(commands.text(message), timeout)

    def update(self, *, vad: str, timeout: float | None = None) -> None:
        """Changes the mode of the live session's VAD gate."""
        self._current.write(commands.update(vad), timeout)

    def prelude(self, audio: bytes, timeout: float | None = None) -> None:
        """Sends speech of a known voice ahead of the session; its options need a `prelude`."""
        self._current.write(commands.prelude(audio), timeout)

    def end_prelude(self, timeout: float | None = None) -> None:
        """Says that the prelude is whole."""
        self._current.write(commands.prelude(b""), timeout)

    def finish(self, timeout: float | None = None) -> None:
        """Ends the session after everything that was sent. Its last messages still come, then the iteration ends."""
        self._current.write(commands.FINISH, timeout)

    def wait(self, timeout: float | None = None) -> Summary:
        """The summary, once the session has ended. Raises what it failed with, or TimeoutError."""
        link = self._current
        link.wait_until(lambda: link.state.over, timeout, "the session has not ended yet")
        return link.state.result()

    def close(self) -> None:
        """Leaves at once: without `finish`, the outcome is `aborted`. What has come may still be taken.

        No callback runs once it has returned, except for the one that called it.
        """
        if self._link is not None:
            self._link.close()

    @property
    def pending_bytes(self) -> int:
        """What was sent and still waits in this process. The kernel's own buffer holds some more."""
        return 0 if self._link is None else self._link.pending_bytes

    def received(self) -> Iterator[Message | Event]:
        """Messages and events in the order they came in, until the session ends. Raises what it failed with."""
        link = self._current
        while (item := link.take(until_dead=False)) is not None:
            yield item
        link.state.raise_failure()

    def __iter__(self) -> Iterator[Message]:
        """Messages alone, until the session ends. `SessionDead` where Deepgram's connection has died for good."""
        link = self._current
        while (item := link.take(until_dead=True)) is not None:
            if isinstance(item, Message):
                yield item
        link.state.raise_failure()
        link.state.raise_death()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Finishes and waits for the summary.

        After an exception it closes at once. Messages that nobody took are dropped.
        """
        try:
            if error is None and self._current.state.has_something_left():
                self._finish_and_wait()
        finally:
            self.close()

    def _deliver(self, item: Message | Event) -> bool:
        if isinstance(item, Message) and self._on_message is not None:
            self._on_message(item)
            return True
        if isinstance(item, Event) and self._on_event is not None:
            self._on_event(item)
            return True
        return False

    def _finish_and_wait(self) -> None:
        self._current.discard()
        with contextlib.suppress(SessionEnded, SidecarGone):  # It has ended by itself, and `wait` knows how.
            self.finish(commands.FINISH_SECONDS)
        self.wait(commands.FINISH_SECONDS)

    def _wait_until_opened(self, timeout: float | None) -> None:
        state = self._current.state
        try:
            self._current.wait_until(
                lambda: state.over or state.opened is not None, timeout, "Deepgram has not answered yet"
            )
        except TimeoutError:
            self.close()
            raise
        if state.opened is None:
            state.result()

    @property
    def _current(self) -> Link:
        if self._link is None:
            raise RuntimeError("the session was never opened: use `with`, or call open()")
        return self._link
