"""The surface of the SDK's versions 3 and 4, with handlers as applications have them."""

import asyncio
import contextlib
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from fake import DEAD, FakeSidecar, event, finished, message, opened
from peers import PATIENCE, Emulator, Sidecar, speech

from deepgram_sidecar import SessionOptions, SidecarGone
from deepgram_sidecar.legacy import (
    DeepgramClient,
    DeepgramClientOptions,
    ErrorResponse,
    LiveOptions,
    LiveTranscriptionEvents,
    responses,
)

OPTIONS = LiveOptions(model="nova-3", encoding="linear16", sample_rate=16000, interim_results=True, language=None)
ADDONS = {"keyterm": ["a", "b"]}


class Heard:
    """Handlers of all events, for both kinds of connection."""

    def __init__(self, connection: Any) -> None:
        self.calls: list[tuple[str, Any]] = []
        for kind in LiveTranscriptionEvents:
            connection.on(kind, self._handler(kind.name))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    @property
    def finals(self) -> str:
        results = [response for name, response in self.calls if name == "Transcript" and response.is_final]
        return " ".join(result.channel.alternatives[0].transcript for result in results)

    def one(self, name: str) -> Any:
        [found] = [response for each, response in self.calls if each == name]
        return found

    def _handler(self, name: str) -> Callable[..., None]:
        def handler(connection: Any, *unnamed: Any, **named: Any) -> None:
            self.calls.append((name, [*unnamed, *named.values()][0]))

        return handler


def start(client: DeepgramClient) -> tuple[Any, Heard]:
    connection = client.listen.websocket.v("1")
    heard = Heard(connection)
    assert connection.start(OPTIONS, addons=ADDONS) is True
    return connection, heard


def test_an_application_keeps_its_handlers(sidecar: Sidecar, emulator: Emulator) -> None:
    config = DeepgramClientOptions(options={"keepalive": "true"})
    connection, heard = start(DeepgramClient("a-key", config, socket_path=sidecar.socket))
    assert connection.is_connected()
    assert connection.send(speech())
    assert connection.keep_alive()
    assert connection.send('{"type": "KeepAlive"}')
    assert connection.finalize()
    assert connection.finish()
    assert (connection.is_connected(), connection.send(b"late"), connection.finalize()) == (False, False, False)
    assert (heard.names[0], heard.names[-2:]) == ("Open", ["Metadata", "Close"])
    assert heard.finals.startswith("the harbour lights")
    assert connection.session.summary.outcome == "finished"
    seen = emulator.connections()[0]
    assert seen["query"] == "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true&keyterm=a&keyterm=b"
    assert (seen["finalizes"], seen["keepalives"]) == (1, 0)


def test_an_asyncio_application_keeps_its_handlers(sidecar: Sidecar) -> None:
    async def main() -> Heard:
        connection = DeepgramClient(socket_path=sidecar.socket).listen.asyncwebsocket.v("1")
        heard = Heard(connection)
        late: list[str] = []

        async def on_transcript(connection: Any, result: Any, **kwargs: Any) -> None:
            await asyncio.sleep(0)
            late.append(kwargs["call"])

        connection.on(LiveTranscriptionEvents.Transcript, on_transcript)
        assert await connection.start(OPTIONS, addons=ADDONS, members={"name": "caller"}, call="7")
        assert connection.name == "caller"  # type: ignore[attr-defined]
        assert await connection.is_connected()
        assert await connection.send(speech())
        assert await connection.keep_alive()
        assert await connection.send('{"type": "Finalize"}')
        assert await connection.finalize()
        assert await connection.finish()
        assert not await connection.send(b"late")
        assert set(late) == {"7"}
        return heard

    heard = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert (heard.names[0], heard.names[-1]) == ("Open", "Close")
    assert heard.finals.startswith("the harbour lights")


@pytest.mark.parametrize("end", [b"", '{"type": "CloseStream"}'])
def test_close_stream_ends_the_session_cleanly(sidecar: Sidecar, end: str | bytes) -> None:
    connection, heard = start(DeepgramClient(socket_path=sidecar.socket))
    connection.send(speech())
    assert connection.send(end)
    assert connection.finish()
    assert connection.session.summary.outcome == "finished"
    assert heard.names[-1] == "Close"


def test_a_text_of_deepgrams_is_passed_on(sidecar: Sidecar, emulator: Emulator) -> None:
    connection, _ = start(DeepgramClient(socket_path=sidecar.socket))
    assert connection.send('{"type": "Configure"}')
    assert connection.finish()
    assert emulator.connections()[0]["other_texts"] == ['{"type": "Configure"}']


def test_a_start_that_fails_is_false(socket: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    connection = DeepgramClient(socket_path=socket).listen.live.v("1")
    assert connection.start({"model": "nova-3"}) is False
    assert "no sidecar is listening" in caplog.text
    assert (connection.is_connected(), connection.send(b"audio"), connection.finish()) == (False, False, True)
    second = DeepgramClient(socket_path=socket).listen.asynclive.v("1")
    assert asyncio.run(second.start({"model": "nova-3"})) is False


def test_a_death_is_an_error_and_a_close(sidecar: Sidecar, emulator: Emulator) -> None:
    connection, heard = start(DeepgramClient(socket_path=sidecar.socket))
    emulator.script(now=[{"close": {"code": 1000}}])
    connection._listener.join(PATIENCE)
    assert heard.names == ["Open", "Error", "Close"]
    error = heard.one("Error")
    assert isinstance(error, ErrorResponse)
    assert (error.type, error.description) == ("Death", "closed_early")
    assert (connection.is_connected(), connection.send(b"audio"), connection.finish()) == (False, False, True)
    assert connection.session.summary.outcome == "dead"


def test_recovery_is_for_the_sidecar(sidecar: Sidecar, emulator: Emulator) -> None:
    client = DeepgramClient(sidecar=SessionOptions(recovery="reconnect"), socket_path=sidecar.socket)
    connection, heard = start(client)
    connection.send(speech())
    emulator.script(now=[{"close": {"code": 1011}}])
    assert connection.finish()
    assert "Error" not in heard.names
    assert connection.session.summary.outcome == "finished"


def test_a_killed_sidecar_is_an_error_and_a_close(sidecar: Sidecar) -> None:
    connection, heard = start(DeepgramClient(socket_path=sidecar.socket))
    sidecar.kill()
    connection._listener.join(PATIENCE)
    assert heard.names == ["Open", "Error", "Close"]
    assert heard.one("Error").type == "SidecarGone"
    assert connection.finish() is False


# What comes after a death is handled, though finishing the session then fails: the handler waits until there is none.
LAST_WORDS = [opened(), event(**DEAD), message('{"type": "Metadata"}')]
HEARD = ["Open", "Error", "Metadata", "Error", "Close"]


def leave_after_last_words(fake: FakeSidecar) -> None:
    fake.accept().say(*LAST_WORDS)
    fake.leave()


def test_a_sidecar_that_goes_away_after_a_death_has_its_last_words_heard(fake: FakeSidecar) -> None:
    def on_error(connection: Any, *unnamed: Any, **named: Any) -> None:
        with contextlib.suppress(SidecarGone):
            connection.session.wait(PATIENCE)

    connection = DeepgramClient(socket_path=fake.path).listen.websocket.v("1")
    heard = Heard(connection)
    connection.on(LiveTranscriptionEvents.Error, on_error)
    leaving = threading.Thread(target=leave_after_last_words, args=[fake])
    leaving.start()
    assert connection.start(OPTIONS)
    assert connection.finish() is False
    leaving.join(PATIENCE)
    assert heard.names == HEARD


def test_an_asyncio_application_hears_the_last_words_as_well(fake: FakeSidecar) -> None:
    async def on_error(connection: Any, *unnamed: Any, **named: Any) -> None:
        with contextlib.suppress(SidecarGone):
            await connection.session.wait(PATIENCE)

    async def main() -> Heard:
        connection = DeepgramClient(socket_path=fake.path).listen.asyncwebsocket.v("1")
        heard = Heard(connection)
        connection.on(LiveTranscriptionEvents.Error, on_error)
        leaving = asyncio.create_task(asyncio.to_thread(leave_after_last_words, fake))
        assert await connection.start(OPTIONS)
        assert await connection.finish() is False
        await leaving
        return heard

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)).names == HEARD


def test_a_handler_that_raises_is_logged_and_the_others_run(
    fake: FakeSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    connection = DeepgramClient(socket_path=fake.path).listen.websocket.v("1")

    def fail(connection: Any, **_: Any) -> None:
        raise ZeroDivisionError

    connection.on(LiveTranscriptionEvents.Unhandled, fail)
    heard = Heard(connection)
    speaking = threading.Thread(target=lambda: fake.accept().say(opened(), message('{"type": "New"}'), finished()))
    speaking.start()
    assert connection.start({})
    assert connection._listener is not None
    connection._listener.join(PATIENCE)
    speaking.join(PATIENCE)
    assert heard.names == ["Open", "Unhandled", "Close"]
    assert heard.one("Unhandled").raw == '{"type": "New"}'
    assert "ZeroDivisionError" in caplog.text


def test_a_result_has_the_attributes_that_applications_read() -> None:
    result = responses.build(
        responses.LiveResultResponse,
        {
            "type": "Results",
            "channel_index": [0, 1],
            "duration": 1.5,
            "start": 0.5,
            "is_final": True,
            "speech_final": True,
            "from_finalize": True,
            "unknown": {},
            "channel": {
                "search": [{"query": "q", "hits": [{"confidence": 1.0, "start": 0, "end": 1, "snippet": "s"}]}],
                "alternatives": [
                    {
                        "transcript": "hello there",
                        "confidence": 0.9,
                        "languages": ["en"],
                        "words": [{"word": "hello", "start": 0.5, "end": 0.7, "confidence": 0.9, "speaker": 1}],
                    }
                ],
            },
            "metadata": {
                "request_id": "r",
                "model_uuid": "m",
                "model_info": {"name": "n", "version": "v", "arch": "a"},
            },
        },
    )
    best = result.channel.alternatives[0]
    assert (best.transcript, best.words[0].speaker, best.words[0].punctuated_word) == ("hello there", 1, None)
    assert (result.metadata.model_info.arch, result.channel_index, result.from_finalize) == ("a", [0, 1], True)
    assert result["channel"]["alternatives"][0]["words"][0]["word"] == "hello"
    assert result.to_dict()["channel"]["search"][0]["hits"][0]["snippet"] == "s"
    assert '"transcript": "hello there"' in result.to_json()
    assert "hello" in str(result)
    with pytest.raises(KeyError):
        result["nothing"]


def test_a_result_without_its_members_has_their_defaults() -> None:
    result = responses.build(responses.LiveResultResponse, {"channel": [], "metadata": None, "channel_index": "x"})
    assert (result.channel.alternatives, result.metadata.request_id, result.channel_index) == ([], "", [])
    metadata = responses.build(responses.MetadataResponse, {"model_info": {"uuid": {"name": "n"}}, "models": ["uuid"]})
    assert metadata.model_info is not None
    assert metadata.model_info["uuid"].name == "n"


def test_what_there_is_no_sidecar_for_is_said(caplog: pytest.LogCaptureFixture) -> None:
    DeepgramClientOptions(options={"auto_flush_reply_delta": "100"})
    assert "call finalize()" in caplog.text
    with pytest.raises(ValueError, match="version '2'"):
        DeepgramClient().listen.websocket.v("2")
