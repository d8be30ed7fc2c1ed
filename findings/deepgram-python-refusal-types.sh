#!/bin/sh
# deepgram-sdk 7.17.0 (Python): a refused upgrade raises ApiError from the asynchronous client only; from
# the synchronous one an exception of websockets comes through.
#
# Both listen.v1.connect() have the same lines that turn a refusal into the SDK's ApiError. But those
# catch InvalidStatusCode, which only websockets' old client raises. The asynchronous side uses that one;
# the synchronous side uses the new client, which raises InvalidStatus. So `except ApiError` catches a
# wrong key in one and not in the other. What they tell differs the other way round: the foreign
# exception has the whole response, while ApiError has a sentence of the SDK's for a body and, as
# `headers`, those of the request: neither the server's reason nor its dg-request-id. The latter is
# left in the exception's __context__; the reason is lost.
#
# Needs python3. Exits with 0 while this is so, and with 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check deepgram-sdk==7.17.0 websockets==17.4
cat > show.py <<'PYTHON'
import asyncio
import json
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer

from deepgram import AsyncDeepgramClient, DeepgramClient, DeepgramClientEnvironment
from deepgram.core.api_error import ApiError

warnings.simplefilter("ignore")
REASONS = {"401": "INVALID_AUTH", "429": "TOO_MANY_REQUESTS"}


class Refusal(BaseHTTPRequestHandler):
    """Refuses with the status that the query's model names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status = next(status for status in REASONS if f"model={status}" in self.path)
        body = json.dumps({"err_code": REASONS[status]}).encode()
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.send_header("dg-request-id", f"request-{status}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def told(client, status, error):
    response = getattr(error, "response", None)
    body = response.body.decode() if response else error.body
    headers = response.headers if response else error.headers
    print(f"{client} {status}: {type(error).__module__}.{type(error).__name__},"
          f" an ApiError: {isinstance(error, ApiError)}")
    print(f"  body: {body}")
    print(f"  dg-request-id: {headers.get('dg-request-id')}")
    if isinstance(error, ApiError):
        print(f"  dg-request-id in __context__: {error.__context__.headers.get('dg-request-id')}")


def synchronous(options, status):
    try:
        with DeepgramClient(**options).listen.v1.connect(model=status):
            pass
    except Exception as error:
        told("sync", status, error)


async def asynchronous(options, status):
    try:
        async with AsyncDeepgramClient(**options).listen.v1.connect(model=status):
            pass
    except Exception as error:
        told("async", status, error)


with HTTPServer(("127.0.0.1", 0), Refusal) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    environment = DeepgramClientEnvironment(
        base=f"http://{address}", agent_rest=f"http://{address}",
        production=f"ws://{address}", agent=f"ws://{address}",
    )
    options = {"api_key": "a-key", "environment": environment}
    for status in REASONS:
        synchronous(options, status)
        asyncio.run(asynchronous(options, status))
    server.shutdown()
PYTHON
# The synchronous client would ask a proxy even for loopback.
NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 venv/bin/python show.py > seen

cat > expected <<'TEXT'
sync 401: websockets.exceptions.InvalidStatus, an ApiError: False
  body: {"err_code": "INVALID_AUTH"}
  dg-request-id: request-401
async 401: deepgram.core.api_error.ApiError, an ApiError: True
  body: Websocket initialized with invalid credentials.
  dg-request-id: None
  dg-request-id in __context__: request-401
sync 429: websockets.exceptions.InvalidStatus, an ApiError: False
  body: {"err_code": "TOO_MANY_REQUESTS"}
  dg-request-id: request-429
async 429: deepgram.core.api_error.ApiError, an ApiError: True
  body: Unexpected error when initializing websocket connection.
  dg-request-id: None
  dg-request-id in __context__: request-429
TEXT
cat seen
diff expected seen
