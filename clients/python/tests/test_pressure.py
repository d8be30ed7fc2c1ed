"""Back-pressure: a Deepgram or a sidecar that takes nothing more, and an application that takes nothing."""

import pathlib
import signal
import threading
from collections import deque

import pytest
from fake import FakeSidecar, message, opened
from peers import PARAMS, PATIENCE, Emulator, Sidecar
from shells import Shells

from deepgram_sidecar import SendBlocked, SessionOptions, SidecarGone, SidecarSession

OPTIONS = SessionOptions(params=PARAMS)
PIECE = bytes(32_000)
# More pieces than all buffers on the way hold.
ENOUGH = 2000


def fill(session: object) -> int:
    """Sends until it blocks, and counts the pieces that were taken."""
    for taken in range(ENOUGH):
        try:
            session.send(PIECE, 0.3)  # type: ignore[attr-defined]
        except SendBlocked:
            return taken
    raise AssertionError("it never blocked")


def test_a_stuck_deepgram_is_seen_and_costs_nothing_once_it_goes_on(
    new_session: Shells, socket: pathlib.Path, emulator: Emulator
) -> None:
    emulator.script(connections=[{"then": [{"at": "0s", "do": "stop_reading"}]}])
    patient = {"upstream__write_timeout": "60s", "liveness__ping_timeout": "60s"}
    with Sidecar(socket, emulator, **patient), new_session(OPTIONS, socket_path=socket) as session:
        taken = fill(session)
        emulator.script(now=["resume"])
        session.send(PIECE, PATIENCE)
        session.finish(PATIENCE)
        summary = session.wait(PATIENCE)
    assert summary.members["audio"]["bytes_received"] == (taken + 1) * len(PIECE)
    assert (summary.outcome, session.pending_bytes) == ("finished", 0)


def test_a_sidecar_that_stands_still_is_seen(new_session: Shells, sidecar: Sidecar) -> None:
    with new_session(OPTIONS, socket_path=sidecar.socket, send_buffer=100_000) as session:
        sidecar.signal(signal.SIGSTOP)
        fill(session)
        pending = session.pending_bytes
        assert 0 < pending <= 100_000 + len(PIECE)
        with pytest.raises(TimeoutError):
            session.send(PIECE, 0)
        assert session.pending_bytes == pending
        sidecar.signal(signal.SIGCONT)


def test_a_blocked_send_ends_with_the_session(new_session: Shells, fake: FakeSidecar) -> None:
    session = new_session(OPTIONS, socket_path=fake.path)
    session.open(wait=False)
    fake.accept()
    fill(session)
    leaving = threading.Thread(target=fake.leave)
    leaving.start()
    with pytest.raises(SidecarGone, match="restarted or killed"):
        deque(map(session.send, [PIECE] * ENOUGH))
    leaving.join()


def test_what_nobody_takes_stops_the_reading_and_nothing_is_lost(new_session: Shells, fake: FakeSidecar) -> None:
    session = new_session(OPTIONS, socket_path=fake.path, receive_buffer=10_000)
    session.open(wait=False)
    fake.accept().say(opened())
    texts = [f'{{"n": {number}}}' + " " * 1000 for number in range(ENOUGH)]
    wire = b"".join(map(message, texts))
    said = fake.say_until_blocked(wire)
    assert said < len(wire)
    rest = threading.Thread(target=fake.say, args=[wire[said:]])
    rest.start()
    items = session.received()
    assert [next(items).text for _ in texts] == texts  # type: ignore[union-attr]
    rest.join(PATIENCE)


def test_a_callback_cannot_wait_for_itself(fake: FakeSidecar) -> None:
    blocked = threading.Event()

    def echo(_: object) -> None:
        try:
            for _ in range(ENOUGH):
                session.send(PIECE)
        except SendBlocked:
            blocked.set()

    session = SidecarSession(OPTIONS, socket_path=fake.path, on_message=echo)
    session.open(wait=False)
    fake.accept().say(opened(), message("{}"))
    assert blocked.wait(PATIENCE)
    session.close()
