"""One session's socket for threads: its pump, and what has come through it."""

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from .commands import RECEIVE_BUFFER, SEND_BUFFER
from .errors import SessionEnded, SidecarGone
from .messages import Event, Message
from .pump import Pump
from .state import Inbox, SessionState

# A daemon that stands still has a line of connections, and the line fills up.
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Bounds:
    """What the buffers hold, in bytes."""

    send: int = SEND_BUFFER
    receive: int = RECEIVE_BUFFER


class Link:
    """Lives from OPEN to the session's end; a session that is reopened gets another.

    `deliver` is called on the pump's thread, and says whether it took the item; what it leaves goes to the inbox.
    """

    def __init__(self, path: str, deliver: Callable[[Message | Event], bool], bounds: Bounds) -> None:
        self.state = SessionState()
        self._deliver = deliver
        self._inbox = Inbox(bounds.receive)
        self._changed = threading.Condition()
        self._discarding = False
        self._pump = Pump(connect(path), self, bounds.send)

    @property
    def pending_bytes(self) -> int:
        return self._pump.pending_bytes

    def start(self, first: bytes) -> None:
        """Sends the first frame; from here on things come, and the first may be a refusal that did not wait for it."""
        self._pump.write(first, 0)
        self._pump.start()

    def write(self, frame: bytes, timeout: float | None) -> None:
        self.state.check_sendable()
        try:
            self._pump.write(frame, timeout)
        except SessionEnded:
            self.state.check_sendable()  # It ended meanwhile, and knows why.
            raise

    def take(self, *, until_dead: bool) -> Message | Event | None:
        """The next item; None where no more will come, or with `until_dead` no more messages."""

        def is_ready() -> bool:
            return not self._inbox.is_empty or self.state.over or (until_dead and self.state.is_dead)

        with self._changed:
            self._changed.wait_for(is_ready)
            was_full = self._inbox.is_full
            item = self._inbox.take()
        if was_full:
            self._pump.wake()
        return item

    def wait_until(self, is_so: Callable[[], bool], timeout: float | None, otherwise: str) -> None:
        with self._changed:
            if not self._changed.wait_for(is_so, timeout):
                raise TimeoutError(otherwise)

    def discard(self) -> None:
        """Nobody will take what is here or comes: it must not stop the reading."""
        with self._changed:
            self._discarding = True
            self._inbox.clear()
        self._pump.wake()

    def close(self) -> None:
        with self._changed:
            self.state.over = True
            self._changed.notify_all()
        self._pump.stop()

    def wants_bytes(self) -> bool:
        return not self._inbox.is_full

    def take_bytes(self, data: bytes) -> bool:
        try:
            for item in self.state.receive(data):
                if not self._deliver(item):
                    self._keep(item)
        except Exception as error:  # A callback's: the session ends with it, and whoever waits for the end is told.
            self.state.fail(error)
        with self._changed:
            self._changed.notify_all()
        return not self.state.over

    def take_end(self, cause: OSError | None) -> None:
        with self._changed:
            self.state.receive_end(cause)
            self._changed.notify_all()

    def _keep(self, item: Message | Event) -> None:
        with self._changed:
            if not self._discarding:
                self._inbox.put(item)
                self._changed.notify_all()


def connect(path: str) -> socket.socket:
    """A socket that is connected to the sidecar's, or `SidecarGone`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Python's own timeout makes connect fail at once where it should wait.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", CONNECT_SECONDS, 0))
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise gone(path, error) from error
    return sock


def gone(path: str, error: OSError) -> SidecarGone:
    """What a failed connect means."""
    return SidecarGone(f"no sidecar is listening on {path}: {error.strerror or error}")
