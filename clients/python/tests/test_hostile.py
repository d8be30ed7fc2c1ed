"""What no sidecar sends, and what newer ones may."""

import threading

import pytest
from fake import DEAD, FakeSidecar, error, event, finished, frame, message, opened
from peers import PATIENCE
from shells import Shells

from deepgram_sidecar import Death, Event, Message, ProtocolError, SessionFailed, SessionOptions, SidecarGone, errors

BREACHES = {
    "a frame of an application's": (opened() + frame(0x02, payload=b"x"), "0x02"),
    "text": (b"HTTP/1.1 501 Not Implemented\r\n", "is this the sidecar's socket"),
    "a frame without end": (opened() + b"\x82\xff\xff\xff\xff", "4294967295 bytes"),
    "OPENED that is not JSON": (frame(0x81, payload=b"{"), "OPENED is not JSON"),
    "OPENED that is a list": (frame(0x81, []), "OPENED is not a JSON object"),
    "OPENED without an id": (opened(session_id=None), "`session_id` is not str but null"),
    "OPENED twice": (opened() + opened(), "second time"),
    "MESSAGE before OPENED": (message("{}"), "before OPENED"),
    "MESSAGE that is not UTF-8": (opened() + frame(0x82, payload=b"\xff"), "not UTF-8"),
    "EVENT without a name": (opened() + event(), "`event`"),
    "EVENT so deep that no parser likes it": (opened() + frame(0x83, payload=b"[" * 100_000), "EVENT is not JSON"),
    "FINISHED before OPENED": (finished(), "before OPENED"),
    "FINISHED without its numbers": (opened() + finished(keepalives="many"), "`keepalives` is not int"),
}


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_ends_the_session_and_says_what_it_was(new_session: Shells, fake: FakeSidecar, name: str) -> None:
    wire, said = BREACHES[name]
    session = new_session(socket_path=fake.path)
    session.open(wait=False)
    fake.accept().say(wire)
    with pytest.raises(ProtocolError, match=said):
        session.wait(PATIENCE)
    assert not session.is_open


def test_what_came_before_a_breach_is_kept(new_session: Shells, fake: FakeSidecar) -> None:
    session = new_session(socket_path=fake.path)
    session.open(wait=False)
    fake.accept().say(opened(), message('{"type": "Results"}'), b"\0")
    came: list[Message | Event] = []
    with pytest.raises(ProtocolError):
        came.extend(session.received())
    assert came == [Message('{"type": "Results"}')]


def test_an_end_in_the_middle_of_a_frame_is_an_end(new_session: Shells, fake: FakeSidecar) -> None:
    session = new_session(socket_path=fake.path)
    session.open(wait=False)
    fake.accept().say(opened()[:-1])
    fake.leave()
    with pytest.raises(SidecarGone, match="in the middle of a frame"):
        session.wait(PATIENCE)


def test_what_is_not_known_is_ignored(new_session: Shells, fake: FakeSidecar) -> None:
    session = new_session(socket_path=fake.path)
    session.open(wait=False)
    fake.accept().say(
        frame(0x99, payload=b"\xff\xff"),
        opened(new="member"),
        event(event="rained", drops=3),
        event(**DEAD | {"reason": "alien", "class": "martian", "trigger": "ray", "recovering": True}),
        message("not JSON at all"),
        message("[1]"),
        finished(outcome="ascended", new={"a": 1}),
    )
    rained, dead, text, array = session.received()
    assert isinstance(rained, Event)
    assert (rained.name, rained.members["drops"]) == ("rained", 3)
    assert isinstance(dead, Death)
    assert (dead.reason, dead.class_, dead.trigger) == ("alien", "martian", "ray")
    for item in (text, array):
        assert isinstance(item, Message)
        assert (item.data, item.type, item.transcript, item.is_final) == ({}, "", "", False)
    assert session.wait(PATIENCE).outcome == "ascended"


CODES = {
    "bad_frame": errors.BrokenProtocol,
    "frame_too_large": errors.BrokenProtocol,
    "unknown_frame_type": errors.BrokenProtocol,
    "unexpected_frame": errors.BrokenProtocol,
    "invalid_open": errors.InvalidRequest,
    "invalid_update": errors.InvalidRequest,
    "reserved_message": errors.InvalidRequest,
    "unsupported_protocol": errors.InvalidRequest,
    "session_id_in_use": errors.SessionIdInUse,
    "too_many_sessions": errors.SidecarBusy,
    "draining": errors.SidecarBusy,
    "peer_not_allowed": errors.PeerNotAllowed,
    "connect_failed": errors.ConnectFailed,
    "from_the_future": SessionFailed,
}


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_its_exception(new_session: Shells, fake: FakeSidecar, code: str) -> None:
    session = new_session(SessionOptions(session_id="a"), socket_path=fake.path)
    session.open(wait=False)
    fake.accept().say(error(code, field="params.model", extra=1))
    with pytest.raises(SessionFailed) as failed:
        session.wait(PATIENCE)
    assert type(failed.value) is CODES[code]
    assert str(failed.value) == f"{code}: do this (params.model)"


def test_a_refusal_need_not_wait_for_open(new_session: Shells, fake: FakeSidecar) -> None:
    speaking = threading.Thread(target=lambda: fake.accept().say(error("peer_not_allowed")))
    speaking.start()
    with pytest.raises(errors.PeerNotAllowed):
        new_session(socket_path=fake.path).open(PATIENCE)
    speaking.join(PATIENCE)


def test_an_error_after_opened_has_a_summary_as_well(new_session: Shells, fake: FakeSidecar) -> None:
    session = new_session(socket_path=fake.path)
    session.open(wait=False)
    refusal = error("connect_failed", reason="http_429", status=429, detail="slow down", retry_after_ms=900)
    fake.accept().say(opened(), event(**DEAD | {"recovering": True}), refusal, finished(outcome="dead"))
    with pytest.raises(errors.ConnectFailed) as failed:
        session.wait(PATIENCE)
    assert (failed.value.reason, failed.value.status, failed.value.retry_after_ms) == ("http_429", 429, 900)
    assert (failed.value.detail, failed.value.request_id) == ("slow down", None)
    assert session.summary is not None
    assert (session.summary.keepalives, session.is_connection_dead) == (11, True)


def test_what_follows_the_last_frame_is_not_looked_at(new_session: Shells, fake: FakeSidecar) -> None:
    session = new_session(socket_path=fake.path)
    session.open(wait=False)
    fake.accept().say(opened(), finished(), b"garbage")
    assert session.wait(PATIENCE).outcome == "finished"
