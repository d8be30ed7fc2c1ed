"""A Unix socket in front of the emulator: where the SDK's transport meets Deepgram itself, without a sidecar."""

import contextlib
import pathlib
import socket
import threading
from typing import Self


class Forwarder:
    def __init__(self, path: pathlib.Path, address: str) -> None:
        host, port = address.split(":")
        self._address = (host, int(port))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._address)
                threading.Thread(target=forward, args=(near, far)).start()


def forward(near: socket.socket, far: socket.socket) -> None:
    """Both ways, until both have ended."""
    with near, far:
        back = threading.Thread(target=copy, args=(far, near))
        back.start()
        copy(near, far)
        back.join()


def copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
