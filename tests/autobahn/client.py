"""The client that plays a case: it sends what the case says, right or wrong, and tells it what comes back.

Its names are those that the cases use.
"""
# ruff: noqa: N802, N803

import asyncio
import os
import struct
from collections import Counter, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

HEAD = "GET /v1/listen HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

# The cases' waits are meant for idle machines. A limit passes only if something is wrong, so it may be long. A pause
# passes always, and is the time that a server has to fail a connection early.
LIMIT_S = 60
CASE_LIMIT_S = 300
PAUSE_STRETCH = 5

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FINAL, MASKED = 0x80, 0x80


class Client(asyncio.Protocol):
    STATE_CLOSED, STATE_CONNECTING, STATE_CLOSING, STATE_OPEN = range(4)
    CLOSE_STATUS_CODE_NORMAL = 1000
    CLOSE_STATUS_CODE_PROTOCOL_ERROR = 1002
    CLOSE_STATUS_CODE_INVALID_PAYLOAD = 1007

    def __init__(self, case: type) -> None:
        self.state = self.STATE_CONNECTING
        self.connectionWasOpen = self.wasClean = False
        self.closedByMe = self.failedByMe = self.droppedByMe = False
        self.localCloseReason = self.remoteCloseCode = None
        self.autoFragmentSize = 0
        self.txFrameStats: Counter[int] = Counter()
        self.factory = SimpleNamespace(isServer=False)
        self.received = bytearray()
        self.message: tuple[int, bytearray] | None = None
        self.pieces: deque[bytes] = deque()
        self.timers: list[asyncio.TimerHandle] = []
        self.loop = asyncio.get_running_loop()
        self.over = self.loop.create_future()
        self.case = case(self)

    # What the cases call.

    def sendFrame(
        self,
        opcode: int,
        payload: str = "",
        fin: bool = True,
        rsv: int = 0,
        payload_len: int | None = None,
        chopsize: int | None = None,
        sync: bool = False,
    ) -> None:
        content = payload.encode("latin-1")
        if payload_len is not None and content:
            content = (content * (payload_len // len(content) + 1))[:payload_len]
        key = os.urandom(4)
        self.txFrameStats[opcode] += 1
        self.send(header(opcode, len(content), fin, rsv) + key + masked(content, key), chopsize)

    def sendMessage(self, payload: str, isBinary: bool = False, fragmentSize: int | None = None) -> None:
        size = fragmentSize or self.autoFragmentSize or max(len(payload), 1)
        opcode = BINARY if isBinary else TEXT
        for at in range(0, max(len(payload), 1), size):
            self.sendFrame(opcode, payload[at : at + size], fin=at + size >= len(payload))
            opcode = CONTINUATION

    def beginMessage(self) -> None:
        self.begun_opcode = TEXT

    def beginMessageFrame(self, length: int) -> None:
        self.begun_key, self.begun_bytes = os.urandom(4), 0
        self.send(header(self.begun_opcode, length, False, 0) + self.begun_key)
        self.begun_opcode = CONTINUATION

    def sendMessageFrameData(self, payload: str) -> None:
        at = self.begun_bytes % 4
        self.begun_bytes += len(payload)
        self.send(masked(payload.encode("latin-1"), self.begun_key[at:] + self.begun_key[:at]))

    def endMessage(self) -> None:
        self.sendFrame(CONTINUATION)

    def sendClose(self, code: int | None = None, reason: str | None = None) -> None:
        self.sendCloseFrame(code, reason)

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: str | None = None) -> None:
        if self.state == self.STATE_OPEN:
            self.closedByMe = True
            self.localCloseReason = reasonUtf8
            self.close("" if code is None else struct.pack(">H", code).decode("latin-1"), reasonUtf8 or "")

    def continueLater(self, seconds: float, then: Callable[[], None], tag: str | None = None) -> None:
        self.later(seconds * PAUSE_STRETCH, then)

    def closeAfter(self, seconds: float) -> None:
        self.later(max(seconds, LIMIT_S), self.sendClose)

    def killAfter(self, seconds: float) -> None:
        self.later(max(seconds, LIMIT_S), self.fail)

    def enableWirelog(self, _: bool) -> None:
        pass

    # What the loop calls.

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.later(CASE_LIMIT_S, self.fail)
        transport.write(f"{HEAD}Sec-WebSocket-Key: {KEY}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.state == self.STATE_CONNECTING:
            head, end, self.received = self.received.partition(b"\r\n\r\n")
            if not end:
                self.received = head
                return
            if not (head.startswith(b"HTTP/1.1 101 ") and ACCEPT in head.decode("latin-1")):
                self.fail()
                return
            self.state, self.connectionWasOpen = self.STATE_OPEN, True
            self.case.onOpen()
        while frame := self.next_frame():
            self.hear(*frame)

    def connection_lost(self, _: Exception | None) -> None:
        self.state = self.STATE_CLOSED
        for timer in self.timers:
            timer.cancel()
        self.case.onConnectionLost(self.failedByMe)
        self.over.set_result(None)

    # How it works.

    def hear(self, first: int, payload: bytes) -> None:
        opcode, text = first & 0x0F, payload.decode("latin-1")
        if opcode == CLOSE:
            self.closed(payload)
        elif opcode == PING:
            self.sendFrame(PONG, text)
            self.case.onPing(text)
        elif opcode == PONG:
            self.case.onPong(text)
        elif first == FINAL | TEXT or first == FINAL | BINARY:
            self.case.onMessage(text, opcode == BINARY)
        else:
            # The server under test neither fragments nor has any other opcode or bit to send.
            self.fail()

    def next_frame(self) -> tuple[int, bytes] | None:
        """The next frame's first byte and payload. The server's frames have no mask."""
        if self.state == self.STATE_CLOSED or len(self.received) < 2:
            return None
        first, length = self.received[:2]
        start = {126: 4, 127: 10}.get(length, 2)
        if len(self.received) < start:
            return None
        if start > 2:
            length = int.from_bytes(self.received[2:start], "big")
        if len(self.received) < start + length:
            return None
        payload = bytes(self.received[start : start + length])
        del self.received[: start + length]
        return first, payload

    def closed(self, payload: bytes) -> None:
        self.wasClean = True
        if len(payload) >= 2:
            (self.remoteCloseCode,) = struct.unpack(">H", payload[:2])
        if self.state == self.STATE_OPEN:
            self.close(payload[:2].decode("latin-1"), "")

    def close(self, code: str, reason: str) -> None:
        self.sendFrame(CLOSE, code + reason)
        self.state = self.STATE_CLOSING
        # It is for the server to end TCP.
        self.later(LIMIT_S, self.drop)

    def fail(self) -> None:
        self.failedByMe = True
        self.drop()

    def drop(self) -> None:
        self.droppedByMe, self.wasClean = True, False
        self.state = self.STATE_CLOSED
        self.transport.abort()

    def later(self, seconds: float, then: Callable[[], object]) -> None:
        self.timers.append(self.loop.call_later(seconds, then))

    def send(self, data: bytes, piece: int | None = None) -> None:
        """Writes the data, in pieces of a size if it must arrive so."""
        was_idle = not self.pieces
        piece = piece or len(data)
        self.pieces.extend(data[at : at + piece] for at in range(0, len(data), piece))
        if was_idle:
            self.write()

    def write(self) -> None:
        while self.pieces and self.state != self.STATE_CLOSED:
            self.transport.write(self.pieces.popleft())
            if self.pieces:
                self.loop.call_soon(self.write)
                return


def header(opcode: int, length: int, fin: bool, rsv: int) -> bytes:
    first = (FINAL if fin else 0) | rsv << 4 | opcode
    if length < 126:
        return struct.pack(">BB", first, MASKED | length)
    if length < 1 << 16:
        return struct.pack(">BBH", first, MASKED | 126, length)
    return struct.pack(">BBQ", first, MASKED | 127, length)


def masked(content: bytes, key: bytes) -> bytes:
    """Long integers make it quick."""
    length = len(content)
    mask = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(content, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")
