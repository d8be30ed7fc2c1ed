"""The frameworks for voice agents, with Deepgram services of their own that know nothing of a sidecar."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from processes import EXAMPLES, PATIENCE, python

FRAMEWORKS = ("pipecat", "livekit")


def transcribe(name, recording, address):
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "SIDECAR_URL": address}
    command = [*python(name), EXAMPLES / name / "transcribe.py", recording]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def runs(sidecar, nowhere, recording):
    """Each of them with a sidecar and without, side by side: they wait most of the time."""
    addresses = {"there": sidecar.url, "missing": nowhere}
    keys = [(name, case) for name in FRAMEWORKS for case in addresses]
    with ThreadPoolExecutor(len(keys)) as pool:
        done = pool.map(lambda key: transcribe(key[0], recording, addresses[key[1]]), keys)
        return dict(zip(keys, done, strict=True))


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_hears_what_deepgram_says(name, runs, truth):
    run = runs[name, "there"]
    assert run.returncode == 0, run.stderr
    assert " ".join(run.stdout.splitlines()) == truth


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_gives_up_when_no_sidecar_is_there(name, runs, nowhere):
    run = runs[name, "missing"]
    assert run.returncode == 1
    assert run.stdout == ""
    assert f"No transcripts from the sidecar at {nowhere}: " in run.stderr
    assert run.stderr.endswith("Is it running, with ipc.tcp_listen set?\n")
