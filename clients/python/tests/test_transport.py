"""Deepgram's own SDK over a Unix socket: against the sidecar, and against Deepgram's emulator behind a socket."""

import asyncio
import itertools
import json
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from forwarder import Forwarder
from peers import PATIENCE, Emulator, Sidecar, speech
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.http11 import Response

from deepgram_sidecar import SidecarGone, async_transport_factory, transport_factory, use_socket

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Of the libraries' own, at import.
    from deepgram import AsyncDeepgramClient, DeepgramClient
    from deepgram.speak.v1.types import SpeakV1Flushed, SpeakV1Text
    from deepgram.transport import restore_transport

OPTIONS: dict[str, Any] = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16000, "keyterm": ["a b", "c"]}
# What the SDK makes of them.
QUERY = "encoding=linear16&keyterm=a+b&keyterm=c&model=nova-3&sample_rate=16000"

pytestmark = pytest.mark.filterwarnings("ignore:websockets.* is deprecated:DeprecationWarning")


@pytest.fixture(params=["emulator", "sidecar"])
def peer(request: pytest.FixtureRequest, socket: pathlib.Path, emulator: Emulator) -> Iterator[str]:
    """Who listens on the socket that the SDK is led to."""
    listening = Sidecar(socket, emulator) if request.param == "sidecar" else Forwarder(socket, emulator.address)
    with listening:
        yield request.param


@pytest.fixture(autouse=True)
def hook(socket: pathlib.Path) -> Iterator[None]:
    use_socket(socket)
    yield
    use_socket(None)
    restore_transport()


def connect() -> Any:
    return DeepgramClient(api_key="secret", transport_factory=transport_factory).listen.v1.connect(**OPTIONS)


def async_connect() -> Any:
    client = AsyncDeepgramClient(api_key="secret", transport_factory=async_transport_factory)
    return client.listen.v1.connect(**OPTIONS)


async def collect(connection: Any) -> list[Any]:
    async with asyncio.timeout(PATIENCE):
        return [message async for message in connection]


def test_the_sdk_transcribes(peer: str, emulator: Emulator) -> None:
    with connect() as connection:
        connection.send_media(speech())
        connection.send_keep_alive()
        connection.send_close_stream()
        messages = list(connection)
    finals = [message.channel.alternatives[0].transcript for message in messages if message.type == "Results"]
    assert " ".join(finals).startswith("the harbour lights")
    assert messages[-1].type == "Metadata"
    seen = emulator.connections()[0]
    assert (seen["query"], seen["audio_bytes"]) == (QUERY, len(speech()))
    # The key is the sidecar's: what the SDK was given stays in the process.
    assert seen["auth_scheme"] == ("token" if peer == "sidecar" else None)


def test_the_async_sdk_transcribes(peer: str, emulator: Emulator) -> None:
    async def main() -> list[Any]:
        async with async_connect() as connection:
            listening = asyncio.create_task(collect(connection))
            await connection.send_media(speech())
            await connection.send_finalize()
            await connection.send_close_stream()
            return await listening

    messages = asyncio.run(main())
    assert any(message.type == "Results" and message.from_finalize for message in messages)
    assert emulator.connections()[0]["query"] == QUERY


def test_recv_is_one_message(peer: str) -> None:
    with connect() as connection:
        connection.send_media(speech())
        connection.send_finalize()
        while not (message := connection.recv()).from_finalize:
            pass
    assert message.is_final


def test_speak_goes_the_same_way(peer: str) -> None:
    client = DeepgramClient(api_key="secret", transport_factory=transport_factory)
    with client.speak.v1.connect(encoding="linear16", sample_rate=16000) as connection:
        connection.send_text(SpeakV1Text(type="Speak", text="The harbour lights."))
        connection.send_flush()
        messages = list(itertools.takewhile(lambda message: not isinstance(message, SpeakV1Flushed), connection))
    assert sum(len(message) for message in messages if isinstance(message, bytes)) > 0


def test_the_new_speak_and_the_agent_go_the_same_way(peer: str) -> None:
    client = DeepgramClient(api_key="secret", transport_factory=transport_factory)
    with client.speak.v2.connect(model="flux-haley-en", encoding="linear16", sample_rate="16000") as connection:
        assert connection.recv().type == "Connected"
    with client.agent.v1.connect() as connection:
        assert connection.recv().type == "Welcome"


def test_a_death_has_deepgrams_code_and_reason(peer: str, emulator: Emulator) -> None:
    with connect() as connection:
        emulator.script(now=[{"close": {"code": 1011, "reason": "service restart"}}])
        with pytest.raises(ConnectionClosedError) as closed:
            connection.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "service restart")


def refused(response: Response) -> None:
    assert response.status_code == 400
    assert "err_code" in json.loads(response.body or b"")
    assert "dg-request-id" in response.headers


def test_a_refusal_has_deepgrams_status_and_body(peer: str, emulator: Emulator) -> None:
    emulator.script(connections=[{"refuse": {"status": 400}}])
    with pytest.raises(InvalidStatus) as error, connect():
        pass
    refused(error.value.response)


def test_an_async_refusal_comes_with_the_first_call(peer: str, emulator: Emulator) -> None:
    async def main() -> None:
        async with async_connect() as connection:
            await connection.recv()

    emulator.script(connections=[{"refuse": {"status": 400}}])
    with pytest.raises(InvalidStatus) as error:
        asyncio.run(main())
    refused(error.value.response)


def test_no_sidecar_is_said_by_its_socket(socket: pathlib.Path) -> None:
    with pytest.raises(SidecarGone, match=str(socket)), connect():
        pass


def test_no_sidecar_is_said_with_the_first_call(socket: pathlib.Path) -> None:
    async def main() -> None:
        async with async_connect() as connection:
            with pytest.raises(SidecarGone, match=str(socket)):
                await connection.send_media(b"audio")
            with pytest.raises(SidecarGone, match=str(socket)):
                await connection.recv()

    asyncio.run(main())


def test_a_second_client_may_have_the_same_factory() -> None:
    for _ in range(2):
        DeepgramClient(api_key="secret", transport_factory=transport_factory)
        AsyncDeepgramClient(api_key="secret", transport_factory=async_transport_factory)
