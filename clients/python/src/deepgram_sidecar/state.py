"""One session without I/O: bytes from the socket come in, messages and events go out, and what is known is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import ProtocolError, SessionDead, SessionEnded, SidecarGone, session_failed
from .frames import Decoder, FromSidecar
from .messages import Death, Event, Message, Opened, Summary, json_object


class SessionState:
    """What the sidecar has told of a session so far."""

    def __init__(self) -> None:
        self.opened: Opened | None = None
        self.death: Death | None = None
        self.is_dead = False
        self.summary: Summary | None = None
        # Why the session ended or will end, if not by FINISHED alone.
        self.failure: Exception | None = None
        # Whether the application has been told the failure, by an exception.
        self.is_told = False
        # Nothing more will come.
        self.over = False
        self._decoder = Decoder()

    def receive(self, data: bytes) -> Iterator[Message | Event]:
        """What these bytes say. A breach of the protocol ends the session: it is `failure`."""
        try:
            for kind, payload in self._decoder.feed(data):
                received = self._frame(kind, payload)
                if received is not None:
                    yield received
                if self.over:
                    return
        except ProtocolError as error:
            self.fail(error)

    def receive_end(self, cause: Exception | None = None) -> None:
        """The socket has ended, which it should only do after the session's last frame."""
        if self.over:
            return
        where = "" if self._decoder.is_between_frames else " in the middle of a frame"
        gone = SidecarGone(
            f"the sidecar closed the socket{where} without ending the session: it was restarted or killed"
        )
        gone.__cause__ = cause
        self.fail(gone)

    def fail(self, error: Exception) -> None:
        """Ends the session here. The first failure stays."""
        self.failure = self.failure or error
        self.over = True

    def check_sendable(self) -> None:
        """Raises if nothing can be sent, and says why."""
        if not self.over:
            return
        self.is_told = True
        if isinstance(self.failure, SidecarGone):
            # A new one: for whoever goes on sending, the same would grow by a traceback each time.
            raise SidecarGone(*self.failure.args) from self.failure.__cause__
        raise SessionEnded(f"the session has ended: {self._end()}") from self.failure

    def raise_failure(self) -> None:
        """Tells the application why the session failed, if it did."""
        if self.failure is not None:
            self.is_told = True
            raise self.failure

    def raise_death(self) -> None:
        """For an iteration that ends before the session does."""
        if not self.over and self.death is not None:
            raise SessionDead(self.death)

    def result(self) -> Summary:
        """The summary of a session that is over, or its failure."""
        self.raise_failure()
        if self.summary is None:
            raise SessionEnded("the session was closed before it had ended")
        return self.summary

    def has_something_left(self) -> bool:
        """Whether an application that leaves the session has something left to do, or to be told."""
        return not self.over or (self.failure is not None and not self.is_told)

    def _end(self) -> str:
        if self.failure is not None:
            return str(self.failure)
        return "closed" if self.summary is None else f"outcome {self.summary.outcome}"

    def _frame(self, kind: int, payload: bytes) -> Message | Event | None:
        match kind:
            case FromSidecar.MESSAGE:
                return self._message(payload)
            case FromSidecar.EVENT:
                return self._event(json_object("EVENT", payload))
            case FromSidecar.OPENED:
                self._open(json_object("OPENED", payload))
            case FromSidecar.FINISHED:
                self._finish(json_object("FINISHED", payload))
            case FromSidecar.ERROR:
                self._error(json_object("ERROR", payload))
            case _:
                pass  # A newer sidecar's: the contract says to ignore it.
        return None

    def _open(self, members: Mapping[str, Any]) -> None:
        if self.opened is not None:
            raise ProtocolError("OPENED came a second time")
        self.opened = Opened.of(members)

    def _message(self, payload: bytes) -> Message:
        if self.opened is None:
            raise ProtocolError("a MESSAGE came before OPENED")
        try:
            return Message(payload.decode())
        except UnicodeDecodeError as error:
            raise ProtocolError(f"a MESSAGE is not UTF-8: {error}") from error

    def _event(self, members: Mapping[str, Any]) -> Event:
        event = Event.of(members)
        if isinstance(event, Death):
            self.death = event
            self.is_dead = self.is_dead or not event.recovering
        return event

    def _finish(self, members: Mapping[str, Any]) -> None:
        if self.opened is None:
            raise ProtocolError("FINISHED came before OPENED")
        self.summary = Summary.of(members)
        self.is_dead = self.is_dead or self.summary.outcome == "dead"
        self.over = True

    def _error(self, members: Mapping[str, Any]) -> None:
        # After OPENED a FINISHED follows, and ends the session.
        self.failure = self.failure or session_failed(members)
        self.over = self.opened is None


class Facts:
    """What an application may ask of a session at any time."""

    _state: SessionState | None = None

    @property
    def opened(self) -> Opened | None:
        """What came with the first connection to Deepgram, with its request id."""
        return None if self._state is None else self._state.opened

    @property
    def is_open(self) -> bool:
        """Whether things may be sent: since `open`, until the session has ended, also while its connection is dead."""
        return self._state is not None and not self._state.over

    @property
    def session_id(self) -> str | None:
        """The session's id, once it is opened."""
        return None if self.opened is None else self.opened.session_id

    @property
    def death(self) -> Death | None:
        """The last death of a connection, recovered from or not."""
        return None if self._state is None else self._state.death

    @property
    def death_reason(self) -> str | None:
        """The last death's reason: `net_0001_idle`, `connection_reset`, …"""
        return None if self.death is None else self.death.reason

    @property
    def is_connection_dead(self) -> bool:
        """Whether Deepgram's connection died for good. It never becomes false again, except by `reopen()`."""
        return self._state is not None and self._state.is_dead

    @property
    def summary(self) -> Summary | None:
        """How the session ended; None until it has, and for good where the sidecar went away."""
        return None if self._state is None else self._state.summary

    @property
    def keepalive_count(self) -> int | None:
        """How many keepalives the sidecar sent. None until the summary is there: nothing tells it before."""
        return None if self.summary is None else self.summary.keepalives

    @property
    def failure(self) -> Exception | None:
        """Why the session failed: the sidecar's ERROR, `SidecarGone`, `ProtocolError`, or what a callback raised."""
        return None if self._state is None else self._state.failure


class Inbox:
    """Messages and events that have come and are not taken yet, in order, with their size."""

    def __init__(self, limit: int) -> None:
        self._items: deque[Message | Event] = deque()
        self._size = 0
        self._limit = limit

    @property
    def is_full(self) -> bool:
        """Whether no more should be read from the socket."""
        return self._size >= self._limit

    @property
    def is_empty(self) -> bool:
        return not self._items

    def put(self, item: Message | Event) -> None:
        self._items.append(item)
        self._size += _size(item)

    def take(self) -> Message | Event | None:
        """The oldest, or None."""
        if not self._items:
            return None
        item = self._items.popleft()
        self._size -= _size(item)
        return item

    def clear(self) -> None:
        self._items.clear()
        self._size = 0


def _size(item: Message | Event) -> int:
    # What Python's objects take besides is of this order.
    return 500 + (len(item.text) if isinstance(item, Message) else 0)
