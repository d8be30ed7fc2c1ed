"""Applications on asyncio that write 20 ms of audio every 20 ms until they have read FINISHED.

    python asyncio_clients.py SOCKET COUNT

Reports in lines of JSON on standard error: `{"talking": true}` once all of them talk, and at the end how many read FINISHED,
and what the others met with.
"""

import asyncio
import json
import struct
import sys
import time

OPEN, AUDIO = 0x01, 0x02
OPENED, FINISHED, ERROR = 0x81, 0x84, 0x8F
FRAME = bytes(640)
WORK_SECONDS = 0.0002


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BI", kind, len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, length = struct.unpack(">BI", await reader.readexactly(5))
    return kind, await reader.readexactly(length)


async def read_until(reader: asyncio.StreamReader, wanted: int) -> bytes:
    while True:
        kind, payload = await read_frame(reader)
        if kind == wanted:
            return payload
        if kind in (FINISHED, ERROR):
            raise RuntimeError(f"0x{kind:02x} came: {payload.decode()}")


def work() -> None:
    """What an application does with each frame: it makes the event loop late, so that writes come between FINISHED and its
    being read."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < WORK_SECONDS:
        pass


async def write_on(writer: asyncio.StreamWriter) -> None:
    while True:
        work()
        writer.write(frame(AUDIO, FRAME))
        await writer.drain()
        await asyncio.sleep(0.02)


async def talk(socket: str, number: int, opened: asyncio.Barrier) -> None:
    reader, writer = await asyncio.open_unix_connection(socket)
    request = {
        "protocol": 1,
        "session_id": f"asyncio-{number}",
        "params": {"encoding": "linear16", "sample_rate": 16000, "channels": 1},
    }
    writer.write(frame(OPEN, json.dumps(request).encode()))
    await read_until(reader, OPENED)
    await opened.wait()
    writing = asyncio.create_task(write_on(writer))
    try:
        await read_until(reader, FINISHED)
    finally:
        writing.cancel()
        writer.close()


def say(**members: object) -> None:
    print(json.dumps(members), file=sys.stderr, flush=True)


async def main(socket: str, count: int) -> None:
    opened = asyncio.Barrier(count + 1)
    clients = [asyncio.create_task(talk(socket, number, opened)) for number in range(count)]
    await opened.wait()
    # Every one of them has written a few frames by then.
    await asyncio.sleep(1)
    say(talking=True)
    ends = await asyncio.gather(*clients, return_exceptions=True)
    others = [repr(end) for end in ends if end is not None]
    say(finished=len(ends) - len(others), others=others)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
