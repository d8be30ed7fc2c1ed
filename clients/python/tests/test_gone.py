"""Sidecars that go away, refuse, restart or drain, and deaths of the connection."""

import contextlib
import pathlib
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from fake import FakeSidecar, opened
from peers import PARAMS, PATIENCE, Emulator, Sidecar, speech
from shells import Shells

from deepgram_sidecar import (
    ConnectFailed,
    Death,
    Event,
    Message,
    SessionDead,
    SessionEnded,
    SessionOptions,
    SidecarBusy,
    SidecarGone,
    SidecarSession,
)

OPTIONS = SessionOptions(params=PARAMS)
CLOSE = {"close": {"code": 1011, "reason": "service restart"}}


def test_no_sidecar_is_said_by_its_socket(new_session: Shells, socket: pathlib.Path) -> None:
    with pytest.raises(SidecarGone, match=rf"no sidecar is listening on {socket}: No such file"):
        new_session(OPTIONS, socket_path=socket).open()


def test_a_restarted_sidecar_is_told_and_the_session_reopened(
    new_session: Shells, socket: pathlib.Path, emulator: Emulator
) -> None:
    session = new_session(OPTIONS, socket_path=socket)
    with Sidecar(socket, emulator) as sidecar:
        session.open()
        sidecar.kill()
        with pytest.raises(SidecarGone, match="restarted or killed"):
            for _ in session:
                pass
        with pytest.raises(SidecarGone, match="no sidecar is listening"):
            session.reopen()
    with Sidecar(socket, emulator), session:
        session.send(speech())
        session.finish()
        assert any(message.is_final for message in session)
    assert session.failure is None


SENDING: dict[str, Callable[[SidecarSession], None]] = {
    "send": lambda session: session.send(speech()),
    "send_text": lambda session: session.send_text("{}"),
    "finalize": lambda session: session.finalize(),
    "update": lambda session: session.update(vad="off"),
    "prelude": lambda session: session.prelude(speech()),
    "end_prelude": lambda session: session.end_prelude(),
    "finish": lambda session: session.finish(),
}


@pytest.mark.parametrize("name", SENDING)
def test_whatever_is_sent_to_a_killed_sidecar_is_told(new_session: Shells, fake: FakeSidecar, name: str) -> None:
    session = new_session(OPTIONS, socket_path=fake.path)
    session.open(wait=False)
    fake.accept().say(opened())
    fake.leave()
    assert list(take_until_gone(session)) == []
    for _ in range(2):
        with pytest.raises(SidecarGone, match="restarted or killed"):
            SENDING[name](session)
    with pytest.raises(SidecarGone):
        session.wait(PATIENCE)


def take_until_gone(session: SidecarSession) -> Iterator[Message]:
    with contextlib.suppress(SidecarGone):
        yield from session


def test_a_killed_sidecar_is_raised_once_where_the_block_is_left(
    new_session: Shells, sidecar: Sidecar, emulator: Emulator
) -> None:
    with pytest.raises(SidecarGone), new_session(OPTIONS, socket_path=sidecar.socket):
        sidecar.kill()


def test_a_failure_that_was_caught_is_not_raised_again(new_session: Shells, fake: FakeSidecar) -> None:
    session = new_session(OPTIONS, socket_path=fake.path)
    session.open(wait=False)
    fake.accept().say(opened())
    fake.leave()
    with pytest.raises(SidecarGone):
        session.wait(PATIENCE)
    session.__exit__(None, None, None)


def test_deepgrams_refusal_is_passed_on(new_session: Shells, sidecar: Sidecar, emulator: Emulator) -> None:
    emulator.script(connections=[{"refuse": {"status": 401}}])
    with pytest.raises(ConnectFailed) as refused:
        new_session(OPTIONS, socket_path=sidecar.socket).open()
    assert (refused.value.reason, refused.value.status) == ("http_401", 401)
    assert refused.value.request_id is not None
    assert refused.value.detail
    assert str(refused.value).endswith(f"; request_id: {refused.value.request_id}; detail: {refused.value.detail}")


def test_an_answer_that_does_not_come_is_not_waited_for_longer(
    new_session: Shells, sidecar: Sidecar, emulator: Emulator
) -> None:
    emulator.script(connections=[{"hang_handshake": True}])
    session = new_session(OPTIONS, socket_path=sidecar.socket)
    with pytest.raises(TimeoutError):
        session.open(0.2)
    assert (session.is_open, session.failure) == (False, None)


def test_a_full_sidecar_is_busy(new_session: Shells, socket: pathlib.Path, emulator: Emulator) -> None:
    with (
        Sidecar(socket, emulator, ipc__max_sessions=1) as sidecar,
        new_session(OPTIONS, socket_path=sidecar.socket),
        pytest.raises(SidecarBusy, match="too_many_sessions"),
    ):
        new_session(OPTIONS, socket_path=sidecar.socket).open()


def test_a_death_ends_the_iteration_and_finish_brings_the_summary(
    new_session: Shells, sidecar: Sidecar, emulator: Emulator
) -> None:
    session = new_session(OPTIONS, socket_path=sidecar.socket)
    session.open()
    emulator.script(now=[CLOSE])
    with pytest.raises(SessionDead, match="provider_error") as dead:
        for _ in session:
            pass
    death = dead.value.death
    assert (session.is_connection_dead, session.death_reason, session.death) == (True, "provider_error", death)
    assert (death.class_, death.trigger, death.connection) == ("provider", "read", 1)
    assert "service restart" in death.detail
    # Dropped and counted, as the contract says; and a second iteration waits for nothing either.
    session.send(speech())
    with pytest.raises(SessionDead):
        next(iter(session))
    session.finish()
    summary = session.wait(PATIENCE)
    assert (summary.outcome, summary.death_reason) == ("dead", "provider_error")
    assert summary.members["audio"]["bytes_dropped"] == len(speech())


def test_a_recovered_session_goes_on(new_session: Shells, sidecar: Sidecar, emulator: Emulator) -> None:
    events: list[Event] = []
    told = threading.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        told.set()

    options = SessionOptions(params=PARAMS, recovery="reconnect")
    with new_session(options, socket_path=sidecar.socket, on_event=on_event) as session:
        session.send(speech())
        emulator.script(now=[CLOSE])
        assert told.wait(PATIENCE)
        session.send(speech())
        session.finish()
        finals = [message.transcript for message in session if message.is_final]
    assert [event.name for event in events] == ["dead", "reconnecting", "recovered"]
    assert isinstance(events[0], Death)
    assert (events[0].recovering, session.is_connection_dead, session.death) == (True, False, events[0])
    assert session.summary is not None
    assert (session.summary.outcome, session.summary.recoveries, session.summary.lost_ms) == ("finished", 1, 0)
    assert "".join(finals)


def test_a_sidecar_that_drains_says_so_and_ends_the_session(new_session: Shells, sidecar: Sidecar) -> None:
    session = new_session(OPTIONS, socket_path=sidecar.socket)
    session.open()
    session.send(speech())
    session.finalize()
    items = session.received()
    assert any(isinstance(item, Message) and item.from_finalize for item in items)
    sidecar.signal(signal.SIGTERM)
    assert [item.name for item in items if isinstance(item, Event)] == ["draining"]
    assert session.wait(PATIENCE).outcome == "drained"
    with pytest.raises(SessionEnded, match="outcome drained"):
        session.send(speech())
    with pytest.raises(SessionEnded, match="outcome drained"):
        session.finish()
