"""Where things are, and processes that run them."""

import os
import pathlib
import queue
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).parent.parent.parent
TOOLS = ROOT / ".tools" / "examples"
EXAMPLES = ROOT / "examples"

# Where the build put them.
BINARIES = pathlib.Path(os.environ.get("BINARIES", ROOT / "target" / "debug"))

# Far beyond anything that is awaited, so that only a hang and no slow machine runs into it.
PATIENCE = 120


def python(example):
    """An interpreter with what the example requires. It writes nothing into the example's folder."""
    return [TOOLS / example / "bin" / "python", "-B"]


def wait_until(condition, what):
    """Polls a condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.01)


class Process:
    """A process whose output is read line by line. It does not outlive its `with`."""

    def __init__(self, *command, cwd=ROOT, **environment):
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.seen = []
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def line(self, text=""):
        """The next line that contains the text."""
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            self.seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r}, and it has ended: {''.join(self.seen)}")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        """Returns the exit code that SIGTERM leads to."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
