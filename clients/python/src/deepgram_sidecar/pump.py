"""A thread that moves bytes between a socket and memory, so that neither direction waits for the other."""

import contextlib
import select
import socket
import threading
import time
from typing import Protocol

from .errors import SendBlocked, SessionEnded

READ_BYTES = 1 << 16


class Receiver(Protocol):
    """Whom the pump serves, on its own thread."""

    def wants_bytes(self) -> bool:
        """False makes the pump stop reading until `wake`, which is how back-pressure reaches the sidecar."""
        ...

    def take_bytes(self, data: bytes) -> bool:
        """False ends the pump."""
        ...

    def take_end(self, cause: OSError | None) -> None:
        """The peer has closed. Nothing comes afterwards."""
        ...


class Pump:
    """Owns the socket. Its outgoing buffer holds up to `limit` bytes, or one frame that is larger."""

    def __init__(self, sock: socket.socket, receiver: Receiver, limit: int) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._receiver = receiver
        self._limit = limit
        self._outgoing = bytearray()
        self._room = threading.Condition()
        self._stopped = False
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="deepgram-sidecar", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return len(self._outgoing)

    def write(self, frame: bytes, timeout: float | None) -> None:
        """Takes the frame whole, or raises `SendBlocked` and takes nothing of it."""
        if self.is_own_thread:
            timeout = 0  # It would wait for itself.
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._room:
            while not self._stopped and not self._has_room_for(frame):
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise SendBlocked(f"{self.pending_bytes} bytes are still waiting for the sidecar to read them")
                self._room.wait(left)
            if self._stopped:
                raise SessionEnded("the session has ended")
            self._outgoing += frame
        self.wake()

    def wake(self) -> None:
        """Makes the thread look at its socket again."""
        with contextlib.suppress(OSError):  # It is awake already, or ended.
            self._waker.send(b"\0")

    def stop(self) -> None:
        """Closes the socket. What is still in the outgoing buffer is not sent."""
        with self._room:
            self._stopped = True
            self._room.notify_all()
        self.wake()
        if not self.is_own_thread:
            self._thread.join()

    @property
    def is_own_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def _has_room_for(self, frame: bytes) -> bool:
        return not self._outgoing or len(self._outgoing) + len(frame) <= self._limit

    def _run(self) -> None:
        try:
            while not self._stopped and self._turn(self._wait()):
                pass
        finally:
            with self._room:
                self._stopped = True
                self._outgoing.clear()
                self._room.notify_all()
            for sock in (self._socket, self._waker, self._woken):
                sock.close()

    def _wait(self) -> int:
        # The socket is left out while nothing is wanted of it: poll would report a peer that has hung up again and
        # again.
        wanted = select.POLLIN if self._receiver.wants_bytes() else 0
        wanted |= select.POLLOUT if self._outgoing else 0
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if wanted:
            poll.register(self._socket, wanted)
        ready = dict(poll.poll())
        if ready.pop(self._woken.fileno(), 0):
            self._woken.recv(READ_BYTES)
        events = ready.get(self._socket.fileno(), 0)
        # An end is there to be read and written into.
        return wanted if events & ~(select.POLLIN | select.POLLOUT) else events

    def _turn(self, events: int) -> bool:
        if events & select.POLLOUT:
            self._write_some()
        return not events & select.POLLIN or self._read_some()

    def _write_some(self) -> None:
        with self._room:
            try:
                taken = self._socket.send(self._outgoing)
            except BlockingIOError:
                return
            except OSError:
                # The sidecar has closed. What it said last may still be there to read.
                taken = len(self._outgoing)
            del self._outgoing[:taken]
            self._room.notify_all()

    def _read_some(self) -> bool:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError as error:
            self._receiver.take_end(error)
            return False
        if data:
            return self._receiver.take_bytes(data)
        self._receiver.take_end(None)
        return False
