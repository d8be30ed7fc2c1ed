"""The real binaries as processes, each test's own."""

import json
import os
import pathlib
import queue
import signal
import subprocess
import threading
import urllib.request
import wave
from typing import Any, Self

ROOT = pathlib.Path(__file__).parents[3]
# Where the build put them.
BINARIES = pathlib.Path(os.environ.get("BINARIES", ROOT / "target" / "debug"))
RECORDING = ROOT / "tests" / "recordings" / "sense_and_sensibility_01_austen_64kb-0880.wav"

# Whatever has not happened by then does not happen: the limit of all that the tests wait for.
PATIENCE = 30

# One name for the daemon and its applications.
SOCKET_VARIABLE = "DEEPGRAM_SIDECAR_IPC_SOCKET"

PARAMS = {"encoding": "linear16", "sample_rate": 16000, "channels": 1, "interim_results": True}


# An emulated Deepgram that answers as fast as it can, and whoever asks.
SETTINGS = "{pacing: null, result_latency: 0s, finalize_latency: 0s, upgrade_latency: 0s, require_auth: false}"


class Process:
    """A binary that says `listening` once it is."""

    def __init__(self, *command: str | pathlib.Path, env: dict[str, str]) -> None:
        # The daemon logs to standard error, the emulator says it on standard output.
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        self._told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def told(self, event: str) -> dict[str, Any]:
        """Waits until it has told of this event."""
        while True:
            line = self._told.get(timeout=PATIENCE)
            if line.get("event") == event:
                return line

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._told.put(json.loads(line))


class Emulator(Process):
    """An emulated Deepgram, which can be given a script at any time."""

    def __init__(self, directory: pathlib.Path) -> None:
        settings = directory / "emulator.yaml"
        settings.write_text(SETTINGS)
        super().__init__(BINARIES / "deepgram-emulator", "--listen", "127.0.0.1:0", "--settings", settings, env={})
        self.address = self.told("listening")["addr"]

    def script(self, **script: Any) -> None:
        """Plans for the connections to come, and `now` for those that are open."""
        self._request("PUT", "/emulator/script", script)

    def connections(self) -> list[dict[str, Any]]:
        """What it has received, by connection."""
        found = self._request("GET", "/emulator/connections")
        connections: list[dict[str, Any]] = found["connections"] if isinstance(found, dict) else found
        return connections

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)


class Sidecar(Process):
    """The daemon, on its socket."""

    def __init__(self, socket: pathlib.Path, emulator: Emulator, **settings: object) -> None:
        settings = {
            "upstream.url": f"ws://{emulator.address}",
            "upstream.allow_plaintext": "true",
            "admin.listen": "127.0.0.1:0",
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        arguments = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        env = {"DEEPGRAM_API_KEY": "any", SOCKET_VARIABLE: str(socket)}
        super().__init__(BINARIES / "deepgram-sidecar", "run", *arguments, env=env)
        self.socket = socket
        self.told("listening")


def speech() -> bytes:
    """Three seconds of someone reading, linear16 at 16 kHz."""
    with wave.open(str(RECORDING)) as wav:
        frames: bytes = wav.readframes(wav.getnframes())
    return frames
