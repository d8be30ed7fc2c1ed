"""The Rust example, over the sidecar's own protocol."""

import subprocess
import wave

import pytest

from processes import BINARIES, PATIENCE, Process, wait_until

TRANSCRIBE = BINARIES / "examples" / "transcribe"


@pytest.fixture
def audio(recording):
    with wave.open(str(recording)) as wav:
        return wav.readframes(wav.getnframes())


def transcribe(socket, audio):
    return subprocess.run([TRANSCRIBE, socket], input=audio, capture_output=True, timeout=PATIENCE, env={})


def test_it_hears_what_deepgram_says(sidecar, audio, truth):
    run = transcribe(sidecar.socket, audio)
    assert run.returncode == 0, run.stderr
    assert " ".join(run.stdout.decode().splitlines()) == truth


def test_a_signal_ends_the_session_properly(sidecar, outcomes, streams):
    """Its standard input stays open, as a microphone does."""
    with Process(TRANSCRIBE, sidecar.socket) as process:
        process.say("any two bytes are a sample.")
        wait_until(lambda: any(stream["audio_bytes"] for stream in streams()), "audio at Deepgram")
        assert process.stop() == 0
    assert outcomes() == {"finished": 1}


def test_it_says_that_no_sidecar_is_there(tmp_path):
    run = transcribe(tmp_path / "missing.sock", b"")
    assert run.returncode == 1
    assert run.stderr.decode().startswith(f"no daemon is listening on {tmp_path}/missing.sock; start one with ")


def test_it_says_how_it_is_used():
    run = subprocess.run([TRANSCRIBE], capture_output=True, timeout=PATIENCE, env={})
    assert run.returncode == 2
    assert run.stderr.decode().startswith("usage: transcribe SOCKET < AUDIO")
