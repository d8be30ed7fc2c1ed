"""What a program that drives an SDK is told, and how it tells what the SDK's user sees.

The plan is one JSON object, the only argument: `recording` (raw linear16), `options` of the request, `keepalive`,
`reconnects` (only JavaScript does by itself), and `sessions`, which are held one after the other, each with a `name`, an `address` and its `steps`. What is seen is
printed as one JSON object a line.
"""

import json
import sys
from pathlib import Path

KEY = "a-key"
# 100 ms at 16 kHz.
PIECE_BYTES = 3200
# Half of what Deepgram takes for an idle stream.
KEEPALIVE_SECONDS = 5


class Plan:
    def __init__(self):
        plan = json.loads(sys.argv[1])
        self.sessions = [Session(**session) for session in plan["sessions"]]
        self.options = plan["options"]
        self.keepalive = plan["keepalive"]
        self._audio = Path(plan["recording"]).read_bytes()

    def pieces(self):
        for start in range(0, len(self._audio), PIECE_BYTES):
            yield self._audio[start : start + PIECE_BYTES]

    def silences(self, seconds):
        """The silence in stretches: between two of them a KeepAlive is due, where the SDK sends none by itself."""
        while seconds > KEEPALIVE_SECONDS:
            yield KEEPALIVE_SECONDS
            seconds -= KEEPALIVE_SECONDS
        yield seconds


class Session:
    def __init__(self, name, address, steps):
        self.name = name
        self.address = address
        self.steps = steps

    def tell(self, seen, **facts):
        print(json.dumps({"session": self.name, "seen": seen, **facts}), flush=True)

    def tell_error(self, error):
        self.tell("error", **described(error))


def described(error):
    """An exception with all that its catcher can read off it."""
    facts = {"type": type(error).__name__, "text": str(error)}
    if received := getattr(error, "rcvd", None):
        facts |= {"code": received.code, "reason": received.reason}
    if (response := getattr(error, "response", None)) is not None:
        facts |= {"status": response.status_code, "headers": as_object(response.headers)}
        facts["body"] = bytes(response.body).decode()
    elif hasattr(error, "status_code"):
        # `ApiError` has the request's headers and a text of the SDK's; the response is in its context.
        facts |= {"status": error.status_code, "body": getattr(error, "body", None)}
        del facts["text"]
        if error.__context__ is not None:
            facts["context"] = described(error.__context__)
        elif hasattr(error, "headers"):
            facts["headers"] = as_object(error.headers)
    return facts


def as_object(headers):
    return {name.lower(): value for name, value in headers.raw_items()}
