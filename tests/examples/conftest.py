import json
import re
import subprocess
import urllib.request
import wave
from collections import Counter
from types import SimpleNamespace

import pytest

from processes import BINARIES, PATIENCE, ROOT, Process, python, wait_until

RECORDING = ROOT / "tests" / "recordings" / "sense_and_sensibility_01_austen_64kb-0880.wav"

ENDED = re.compile(r'^deepgram_sidecar_sessions_ended_total\{outcome="(\w+)"} (\d+)$', re.MULTILINE)

# What the environment says of proxies is not for this machine's own addresses.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="session")
def recording():
    return RECORDING


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    """The recording after half a second of silence: a browser's microphone loses its first moment."""
    path = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    with wave.open(str(RECORDING)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(bytes(source.getframerate()))
        target.writeframes(source.readframes(source.getnframes()))
    return path


@pytest.fixture(scope="session")
def emulator():
    """The address of an emulated Deepgram that knows the recording's words."""
    words = RECORDING.with_suffix(".txt")
    with Process(BINARIES / "deepgram-emulator", "--listen", "127.0.0.1:0", "--words", words) as process:
        yield json.loads(process.line("listening"))["addr"]


@pytest.fixture(scope="session")
def sidecar(emulator, tmp_path_factory):
    """A sidecar in front of it, by its addresses."""
    socket = tmp_path_factory.mktemp("sidecar") / "sidecar.sock"
    settings = {
        "ipc.socket": socket,
        "ipc.tcp_listen": "127.0.0.1:0",
        "admin.listen": "127.0.0.1:0",
        "upstream.url": f"ws://{emulator}",
        "upstream.allow_plaintext": "true",
    }
    arguments = [it for key, value in settings.items() for it in ("--set", f"{key}={value}")]
    with Process(BINARIES / "deepgram-sidecar", "run", *arguments, DEEPGRAM_API_KEY="a-key-of-the-sidecars") as process:
        listening = json.loads(process.line('"listening"'))
        yield SimpleNamespace(url=f"ws://{listening['tcp']}", socket=socket, admin=listening["admin"])
        assert process.stop() == 0


@pytest.fixture(scope="session")
def nowhere():
    """An address that nobody listens on: port 1 needs root, and has been unused for decades."""
    return "ws://127.0.0.1:1"


@pytest.fixture(scope="session")
def truth(emulator, recording):
    """What Deepgram says to the recording without a sidecar."""
    command = [*python("fastapi"), ROOT / "tests" / "examples" / "direct.py", f"ws://{emulator}", recording]
    said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout.strip()
    assert said.startswith("He was not an ill-disposed"), said
    return said


@pytest.fixture
def streams(emulator):
    """What Deepgram has got since the test began, one entry for each stream."""
    address = f"http://{emulator}/emulator/connections"
    ask(address, method="DELETE")
    return lambda: json.loads(ask(address))["connections"]


@pytest.fixture
def outcomes(sidecar):
    """How the sessions have ended since the test began, once one has: Deepgram's side looks the same for all."""

    def count():
        return Counter(
            {outcome: int(ended) for outcome, ended in ENDED.findall(ask(f"http://{sidecar.admin}/metrics"))}
        )

    before = count()

    def look():
        wait_until(lambda: count() - before, "the end of a session")
        return dict(count() - before)

    return look


def ask(address, method="GET"):
    request = urllib.request.Request(address, method=method)
    with OPENER.open(request, timeout=PATIENCE) as answer:
        return answer.read().decode()
