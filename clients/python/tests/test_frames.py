"""The wire, by hand: what is encoded, and any cut of what is decoded."""

import json
import random

import pytest
from fake import frame

from deepgram_sidecar import Prelude, ProtocolError, SessionOptions, commands
from deepgram_sidecar.frames import MAX_RECEIVED, Decoder, FromApp, encode


def test_frames_are_encoded_as_the_contract_says() -> None:
    assert commands.audio(b"ab") == b"\x02\0\0\0\x02ab"
    assert commands.prelude(b"") == b"\x07\0\0\0\0"
    assert commands.finalize(None) == b"\x03\0\0\0\0"
    assert commands.finalize(3) == b'\x03\0\0\0\x0e{"channel": 3}'
    assert commands.FINISH == b"\x04\0\0\0\0"
    assert commands.text("{}") == b"\x05\0\0\0\x02{}"
    assert commands.update("active") == b'\x06\0\0\0\x1b{"vad": {"mode": "active"}}'


def test_open_has_what_was_asked_for_and_nothing_else() -> None:
    assert json.loads(SessionOptions().frame()[5:]) == {"protocol": 1, "params": {}}
    options = SessionOptions(
        params={"model": "nova-3", "keyterm": ["a", "b"]},
        path="/v2/listen",
        session_id="a",
        keepalive_interval_ms=500,
        vad="active",
        recovery="reconnect",
        prelude=Prelude(),
        traceparent="00-x",
        tags={"k": "v"},
    )
    assert json.loads(options.frame()[5:]) == {
        "protocol": 1,
        "path": "/v2/listen",
        "session_id": "a",
        "params": {"model": "nova-3", "keyterm": ["a", "b"]},
        "keepalive": {"interval_ms": 500},
        "vad": {"mode": "active"},
        "recovery": {"mode": "reconnect"},
        "prelude": {},
        "traceparent": "00-x",
        "tags": {"k": "v"},
    }


def test_what_is_no_json_is_never_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        SessionOptions(params={"x": float("nan")}).frame()


@pytest.mark.parametrize("seed", range(20))
def test_cuts_do_not_matter(seed: int) -> None:
    dice = random.Random(seed)
    frames = [(dice.randrange(0x80, 0x100), dice.randbytes(dice.choice([0, 1, 5, 300]))) for _ in range(20)]
    wire = b"".join(frame(kind, payload=payload) for kind, payload in frames)
    decoder = Decoder()
    found: list[tuple[int, bytes]] = []
    while wire:
        cut = dice.randrange(1, 40)
        found += decoder.feed(wire[:cut])
        wire = wire[cut:]
    assert found == frames
    assert decoder.is_between_frames


def test_a_header_is_judged_before_its_payload_comes() -> None:
    with pytest.raises(ProtocolError, match="0x48"):
        list(Decoder().feed(b"HTTP/1.1 400"))
    with pytest.raises(ProtocolError, match=str(MAX_RECEIVED + 1)):
        list(Decoder().feed(frame(0x82, payload=b"")[:1] + (MAX_RECEIVED + 1).to_bytes(4, "big")))


def test_a_frame_has_a_limit() -> None:
    assert len(encode(FromApp.AUDIO, bytes(1 << 20))) == 5 + (1 << 20)
    with pytest.raises(ValueError, match="send smaller pieces"):
        encode(FromApp.AUDIO, bytes((1 << 20) + 1))
