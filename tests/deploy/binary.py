"""The real binaries."""

import os
import pathlib
import subprocess

from charts import ROOT

# Where the build put them.
DIRECTORY = pathlib.Path(os.environ.get("BINARIES", ROOT / "target" / "debug"))
SIDECAR = DIRECTORY / "deepgram-sidecar"
EMULATOR = DIRECTORY / "deepgram-emulator"


def sidecar(*arguments):
    """Runs a command of the sidecar's that ends by itself, with nothing of this environment."""
    return subprocess.run([SIDECAR, *arguments], capture_output=True, text=True, timeout=120, env={})
