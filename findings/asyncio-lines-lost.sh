#!/bin/sh
# Python 3.11.7, asyncio streams, on Linux: a write that fails takes with it the lines that were
# received long before.
#
# A server sends three lines, the last of which says why it ends, and closes. The client reads one line,
# answers twice, and wants the next. readline() raises BrokenPipeError, although both remaining lines lie
# in the StreamReader's own buffer; after a single answer, which does not fail yet, the same calls read
# them. connection_lost() hands the writer's error to the reader, which raises it before it looks into
# its buffer. So an application that streams in one task and reads in another loses just the message
# that explains the end, whenever it did not come to read it first. A plain socket gives all three lines
# after the same BrokenPipeError: Linux keeps what was received. Who needs the last words lets one task
# do nothing but read, and queue what it reads.
#
# Needs python3, nothing else. Exits with 0 while this is so, and with 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > show.py <<'PYTHON'
import asyncio
import socket
import threading
import time

LINES = b"first\nsecond\nerror: out of credit\n"

closed = threading.Semaphore(0)


def serve(server):
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(LINES)
        closed.release()


async def stream(address, answers):
    reader, writer = await asyncio.open_connection(*address)
    seen = [await reader.readline()]
    await asyncio.to_thread(closed.acquire)
    failed = await answer(writer, answers)
    try:
        while line := await reader.readline():
            seen.append(line)
        end = "end"
    except OSError as error:
        end = type(error).__name__
    return seen, failed, end


async def answer(writer, answers):
    try:
        for _ in range(answers):
            writer.write(b"answer\n")
            await writer.drain()
            # Until the first answer's reset is back.
            await asyncio.sleep(0.2)
    except OSError as error:
        return type(error).__name__


def plain(address, answers):
    with socket.create_connection(address) as connection:
        # Unbuffered: the other lines stay in the kernel.
        reader = connection.makefile("rb", buffering=0)
        seen = [reader.readline()]
        closed.acquire()
        failed = None
        try:
            for _ in range(answers):
                connection.sendall(b"answer\n")
                time.sleep(0.2)
        except OSError as error:
            failed = type(error).__name__
        return [*seen, *reader], failed, "end"


def told(name, answers, outcome):
    seen, failed, end = outcome
    print(f"{name}, answers {answers}, failed with {failed}; lines read {len(seen)}, then {end}")


with socket.create_server(("127.0.0.1", 0)) as server:
    address = server.getsockname()
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    for answers in (1, 2):
        told("asyncio", answers, asyncio.run(stream(address, answers)))
        told("socket", answers, plain(address, answers))
PYTHON
python3 show.py > seen

cat > expected <<'TEXT'
asyncio, answers 1, failed with None; lines read 3, then end
socket, answers 1, failed with None; lines read 3, then end
asyncio, answers 2, failed with ConnectionResetError; lines read 1, then BrokenPipeError
socket, answers 2, failed with BrokenPipeError; lines read 3, then end
TEXT
cat seen
diff expected seen
