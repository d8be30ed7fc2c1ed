"""Every method of a session, with the real daemon and emulator."""

import pathlib

import pytest
from peers import PARAMS, PATIENCE, SOCKET_VARIABLE, Emulator, Sidecar, speech
from shells import Shells

from deepgram_sidecar import Event, InvalidRequest, Message, Prelude, SessionEnded, SessionIdInUse, SessionOptions

OPTIONS = SessionOptions(params=PARAMS, session_id="call-7", tags={"tenant": "acme"})


def test_what_was_said_before_finish_is_transcribed(new_session: Shells, sidecar: Sidecar, emulator: Emulator) -> None:
    with new_session(OPTIONS, socket_path=sidecar.socket) as session:
        assert (session.session_id, session.is_open, session.keepalive_count) == ("call-7", True, None)
        session.send(speech())
        session.finish()
        finals = [message.transcript for message in session if message.is_final]
        summary = session.wait(PATIENCE)
    assert " ".join(finals).startswith("the harbour lights")
    assert (summary.outcome, summary.lost_ms, session.summary) == ("finished", 0, summary)
    assert (session.is_open, session.is_connection_dead, session.death_reason) == (False, False, None)
    assert session.keepalive_count == summary.members["keepalives"] == 0
    assert emulator.connections()[0]["audio_bytes"] == len(speech())


def test_leaving_the_block_finishes_the_session(new_session: Shells, sidecar: Sidecar) -> None:
    with new_session(OPTIONS, socket_path=sidecar.socket) as session:
        session.send(speech())
    assert session.summary is not None
    assert (session.summary.outcome, session.summary.lost_ms) == ("finished", 0)


def test_leaving_the_block_by_an_exception_leaves_the_session(new_session: Shells, sidecar: Sidecar) -> None:
    with pytest.raises(KeyError), new_session(OPTIONS, socket_path=sidecar.socket) as session:
        raise KeyError
    assert (session.is_open, session.summary) == (False, None)
    assert sidecar.told("session_end")["outcome"] == "aborted"


def test_finalize_is_answered(new_session: Shells, sidecar: Sidecar) -> None:
    with new_session(OPTIONS, socket_path=sidecar.socket) as session:
        session.send(speech())
        session.finalize()
        answer = next(message for message in session if message.from_finalize)
    assert (answer.type, answer.is_final, answer.speech_final) == ("Results", True, True)


def test_a_channel_is_finalized_alone(new_session: Shells, sidecar: Sidecar) -> None:
    two = SessionOptions(params={**PARAMS, "channels": 2, "multichannel": True})
    with new_session(two, socket_path=sidecar.socket) as session:
        session.send(speech())
        session.finalize(1)
        answer = next(message for message in session if message.from_finalize)
    assert answer.data["channel_index"] == [1, 2]


def test_text_reaches_deepgram_byte_for_byte(new_session: Shells, sidecar: Sidecar, emulator: Emulator) -> None:
    with new_session(OPTIONS, socket_path=sidecar.socket) as session:
        session.send_text('{"type":  "Configure"}')
        session.send_text({"type": "Configure", "keyterm": "äöü"})
    assert emulator.connections()[0]["other_texts"] == [
        '{"type":  "Configure"}',
        '{"type": "Configure", "keyterm": "äöü"}',
    ]


def test_the_gate_changes_in_a_live_session(new_session: Shells, sidecar: Sidecar) -> None:
    options = SessionOptions(params=PARAMS, vad="shadow", keepalive_interval_ms=1000)
    with new_session(options, socket_path=sidecar.socket) as session:
        session.update(vad="active")
    assert session.summary is not None
    assert session.summary.members["vad"]["mode"] == "active"


def test_a_prelude_goes_ahead(new_session: Shells, sidecar: Sidecar, emulator: Emulator) -> None:
    options = SessionOptions(params=PARAMS, prelude=Prelude(pad_to_ms=0, stabilize_ms=0))
    with new_session(options, socket_path=sidecar.socket) as session:
        session.prelude(speech()[:32000])
        session.end_prelude()
        session.send(speech())
        event = next(item for item in session.received() if isinstance(item, Event))
    assert (event.name, event.members["prelude_ms"]) == ("prelude_done", 1000)
    assert len(emulator.connections()) == 2


def test_callbacks_get_everything_in_order(new_session: Shells, sidecar: Sidecar) -> None:
    came: list[Message | Event] = []
    options = SessionOptions(params=PARAMS)
    with new_session(options, socket_path=sidecar.socket, on_message=came.append, on_event=came.append) as session:
        session.send(speech())
        session.finish()
        assert list(session.received()) == []
    kinds = [item.type for item in came if isinstance(item, Message)]
    assert (kinds[0], kinds[-1]) == ("Results", "Metadata")


def test_a_callback_that_raises_ends_the_session(new_session: Shells, sidecar: Sidecar) -> None:
    def fail(message: Message) -> None:
        raise ZeroDivisionError

    session = new_session(OPTIONS, socket_path=sidecar.socket, on_message=fail)
    session.open()
    session.send(speech())
    session.finalize()
    with pytest.raises(ZeroDivisionError):
        session.wait(PATIENCE)
    assert isinstance(session.failure, ZeroDivisionError)


def test_a_wrong_option_is_refused_by_name(new_session: Shells, sidecar: Sidecar) -> None:
    with pytest.raises(InvalidRequest) as refused:
        new_session(SessionOptions(keepalive_interval_ms=1), socket_path=sidecar.socket).open()
    assert (refused.value.code, refused.value.field) == ("invalid_open", "keepalive.interval_ms")


def test_a_refused_update_ends_the_session_and_says_so(new_session: Shells, sidecar: Sidecar) -> None:
    session = new_session(OPTIONS, socket_path=sidecar.socket)
    session.open()
    session.update(vad="loud")
    with pytest.raises(InvalidRequest, match="vad.mode"):
        list(session)
    assert session.summary is not None
    assert session.summary.outcome == "aborted"


def test_an_id_is_in_use_until_its_session_has_ended(new_session: Shells, sidecar: Sidecar) -> None:
    with new_session(OPTIONS, socket_path=sidecar.socket), pytest.raises(SessionIdInUse):
        new_session(OPTIONS, socket_path=sidecar.socket).open()
    with new_session(OPTIONS, socket_path=sidecar.socket) as again:
        assert again.session_id == "call-7"


def test_a_session_can_be_reopened(new_session: Shells, sidecar: Sidecar) -> None:
    with new_session(SessionOptions(params=PARAMS), socket_path=sidecar.socket) as session:
        first = session.session_id
        with pytest.raises(RuntimeError, match="is open"):
            session.open()
        session.reopen()
        assert session.session_id not in (None, first)
        assert (session.summary, session.is_open) == (None, True)


def test_an_iteration_ends_with_the_session_that_it_began_in(new_session: Shells, sidecar: Sidecar) -> None:
    with new_session(SessionOptions(params=PARAMS), socket_path=sidecar.socket) as session:
        session.send(speech())
        session.finalize()
        items = session.received()
        next(items)
        session.reopen()
        assert session.is_open
        list(items)


def test_everything_can_be_sent_before_deepgram_answers(new_session: Shells, sidecar: Sidecar) -> None:
    session = new_session(OPTIONS, socket_path=sidecar.socket)
    session.open(wait=False)
    session.send(speech())
    session.finish()
    assert session.wait(PATIENCE).outcome == "finished"
    assert session.opened is not None
    assert session.opened.session_id == "call-7"


def test_nothing_can_be_sent_after_the_end(new_session: Shells, sidecar: Sidecar) -> None:
    session = new_session(OPTIONS, socket_path=sidecar.socket)
    with pytest.raises(RuntimeError, match="never opened"):
        session.send(b"")
    session.open()
    session.finish()
    session.wait(PATIENCE)
    with pytest.raises(SessionEnded, match="outcome finished"):
        session.send(speech())
    with pytest.raises(ValueError, match="at most 1048576"):
        session.send(bytes(1 << 20) + b"\0")


def test_the_environment_names_the_socket(
    new_session: Shells, sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv(SOCKET_VARIABLE, str(sidecar.socket))
    with new_session(OPTIONS) as session:
        assert session.session_id == "call-7"


@pytest.mark.parametrize("options", [{}, {"model": "nova-3"}])
def test_options_that_are_a_dict_are_refused_with_what_to_pass(new_session: Shells, options: dict[str, str]) -> None:
    with pytest.raises(TypeError, match=r"SessionOptions, not dict: pass SessionOptions\(params="):
        new_session(options)


def test_a_url_for_the_socket_is_refused_with_what_to_pass(
    new_session: Shells, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "ws://127.0.0.1:7070"
    with pytest.raises(ValueError, match=f"{url} is a URL: give the path of the sidecar's Unix socket"):
        new_session(OPTIONS, socket_path=url).open()
    monkeypatch.setenv(SOCKET_VARIABLE, url)
    with pytest.raises(ValueError, match=url):
        new_session(OPTIONS).open()
