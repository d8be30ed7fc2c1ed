"""The README's examples, as they stand there."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from peers import PATIENCE, RECORDING, ROOT, SOCKET_VARIABLE, Sidecar

import deepgram_sidecar

README = ROOT / "clients" / "python" / "README.md"
FOUND = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
EXAMPLES = dict(zip(("threads", "asyncio", "sdk"), FOUND, strict=True))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_transcribes(name: str, sidecar: Sidecar, tmp_path: pathlib.Path) -> None:
    shutil.copy(RECORDING, tmp_path / "speech.wav")
    printed = subprocess.run(
        [sys.executable, "-c", EXAMPLES[name]],
        cwd=tmp_path,
        env={**os.environ, SOCKET_VARIABLE: str(sidecar.socket)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout
    assert " ".join(printed.split()).startswith("the harbour lights")
    if name == "threads":
        assert printed.endswith("finished\n")


def test_every_name_that_the_readme_gives_is_there() -> None:
    exceptions = set(re.findall(r"`(S\w+|\w+Error|\w+Failed|\w+Request|\w+Protocol)`", README.read_text()))
    assert exceptions >= {"SidecarGone", "SessionDead", "SendBlocked"}
    foreign = {"ApiError", "TimeoutError"}
    assert [name for name in exceptions - foreign if not hasattr(deepgram_sidecar, name)] == []
