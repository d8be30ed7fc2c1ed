"""Captions: streams a recording through the sidecar in a loop, and prints the transcripts.

It shows everything an application has to do to use the sidecar: open a socket, write frames in real time, read frames
at the same time, and send FINISH before it exits. The contract is docs/ipc-protocol.md.
"""

import json
import os
import signal
import socket
import struct
import sys
import threading
import time

OPEN, AUDIO, FINISH = 0x01, 0x02, 0x04
OPENED, MESSAGE, EVENT, FINISHED, ERROR = 0x81, 0x82, 0x83, 0x84, 0x8F

SOCKET = os.environ.get("DEEPGRAM_SIDECAR_IPC_SOCKET", "/run/deepgram-sidecar/sidecar.sock")
RECORDING = sys.argv[1]
WAV_HEADER_BYTES = 44
CHUNK_SECONDS = 0.1
CHUNK_BYTES = 3200  # of 16 kHz, 16 bit, mono
PAUSE_CHUNKS = 20

stopping = threading.Event()


def main():
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.is_set():
        try:
            converse()
        except OSError as error:  # the sidecar is not there yet, or has just been restarted
            say(unreachable=str(error))
        stopping.wait(1)


def converse():
    """One session, until it is over or this process is told to stop."""
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX) as app:
        app.connect(SOCKET)
        reader = threading.Thread(target=read, args=(app, ended))
        reader.start()
        try:
            params = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16000, "channels": 1}
            send(app, OPEN, json.dumps({"protocol": 1, "params": params, "tags": {"app": "captions"}}).encode())
            due = time.monotonic()
            for chunk in audio():
                if stopping.is_set() or ended.is_set():
                    break
                send(app, AUDIO, chunk)
                due += CHUNK_SECONDS
                stopping.wait(max(0, due - time.monotonic()))
            send(app, FINISH)  # pending results arrive before FINISHED, which ends the reader
        except OSError:
            ended.set()  # the reader knows why, from the last frame
        finally:
            reader.join()


def read(app, ended):
    """Prints the frames of a session until its last one."""
    frames = app.makefile("rb")
    while len(header := frames.read(5)) == 5:
        kind, length = struct.unpack(">BI", header)
        payload = frames.read(length)
        if kind == MESSAGE:
            hear(json.loads(payload))
            continue
        told = json.loads(payload) if kind in (OPENED, EVENT, FINISHED, ERROR) else None
        if kind == OPENED:
            say(opened=told["session_id"])
        elif kind == EVENT:
            say(event=told)
        elif kind == FINISHED:
            say(finished=told)
        elif kind == ERROR:
            say(error=told)
        if kind in (FINISHED, ERROR) or (kind == EVENT and is_the_end(told)):
            ended.set()
    ended.set()


def is_the_end(event):
    """A dead session gets no more results, unless the sidecar recovers it; a draining sidecar accepts no more audio."""
    return event["event"] == "draining" or (event["event"] == "dead" and not event.get("recovering"))


def hear(message):
    """Prints a final transcript."""
    if message.get("type") == "Results" and message.get("is_final"):
        text = message["channel"]["alternatives"][0]["transcript"]
        if text:
            say(heard=text)


def audio():
    """The recording and a pause, in an endless loop."""
    with open(RECORDING, "rb") as file:
        speech = file.read()[WAV_HEADER_BYTES:]
    chunks = [speech[at : at + CHUNK_BYTES] for at in range(0, len(speech), CHUNK_BYTES)]
    while True:
        yield from chunks
        yield from [bytes(CHUNK_BYTES)] * PAUSE_CHUNKS


def send(app, kind, payload=b""):
    app.sendall(struct.pack(">BI", kind, len(payload)) + payload)


def say(**line):
    print(json.dumps(line), flush=True)


main()
