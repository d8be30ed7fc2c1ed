"""Live captions of the browser's microphone: Deepgram's own SDK, pointed at the sidecar by address alone."""

import asyncio
import contextlib
import logging
import os
import pathlib
from typing import Annotated
from urllib.parse import urlsplit

from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import ListenV1Results
from fastapi import FastAPI, Query, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles
from starlette.websockets import WebSocketState
from websockets.exceptions import ConnectionClosed

SIDECAR = os.environ.get("SIDECAR_URL", "ws://127.0.0.1:7070")
PAGE = pathlib.Path(__file__).parent.parent / "web"

# Close codes for the browser: "internal error" and "policy violation".
FAILED, FORBIDDEN = 1011, 1008

log = logging.getLogger("uvicorn.error")
app = FastAPI()


def deepgram():
    http = SIDECAR.replace("ws", "http", 1)
    environment = DeepgramClientEnvironment(base=http, production=SIDECAR, agent=SIDECAR, agent_rest=http)
    # The SDK insists on a key. The sidecar has the real one, and forwards none of its applications'.
    return AsyncDeepgramClient(api_key="the sidecar has it", environment=environment)


@app.websocket("/captions")
async def captions(browser: WebSocket, sample_rate: Annotated[int, Query(ge=8000, le=192000)]):
    # Any page on the web may open a WebSocket to localhost. Ours comes from here.
    if urlsplit(browser.headers.get("origin", "")).netloc != browser.headers["host"]:
        await browser.close(FORBIDDEN)
        return
    await browser.accept()
    error = await caption(browser, sample_rate)
    if error:
        log.error(error)
        await tell(browser, {"error": error})
    if browser.client_state is WebSocketState.CONNECTED:
        await browser.close(FAILED if error else 1000)


async def caption(browser, sample_rate):
    """Captions until the browser stops. Returns what went wrong, for people to read."""
    options = {"model": "nova-3", "encoding": "linear16", "sample_rate": sample_rate}
    try:
        async with deepgram().listen.v1.connect(**options, interim_results=True, punctuate=True) as session:
            listening = asyncio.create_task(listen(browser, session))
            try:
                await show(session, browser)
                # Some closes look like a normal end to the SDK, as when the sidecar shuts down. It is one if we
                # have asked for it.
                return None if listening.done() else "The session has ended by itself. Press Start for another."
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
    except ConnectionClosed as closed:
        return f"The connection to Deepgram was lost ({closed}). Press Start for another."
    except ApiError as refusal:
        return f"The session was refused with status {refusal.status_code}; the sidecar's log says why."
    except OSError as error:
        return f"Cannot reach the sidecar at {SIDECAR} ({error}). Is it running, with ipc.tcp_listen set?"


async def listen(browser, session):
    """Browser to Deepgram. While Deepgram does not read, neither do we, and the browser's own bound holds."""
    with contextlib.suppress(WebSocketDisconnect):
        while (message := await browser.receive()).get("bytes"):
            await session.send_media(message["bytes"])
    # "stop", or the browser is gone, or we are being shut down: all end the session the way Deepgram expects.
    await session.send_close_stream()


async def show(session, browser):
    """Deepgram to browser, until the connection ends. After CloseStream the sidecar sees to it that it does."""
    async for message in session:
        if isinstance(message, ListenV1Results):
            best = message.channel.alternatives[0]
            await tell(browser, {"transcript": best.transcript, "is_final": message.is_final})


async def tell(browser, message):
    if browser.client_state is WebSocketState.CONNECTED:
        with contextlib.suppress(WebSocketDisconnect):
            await browser.send_json(message)


app.mount("/", StaticFiles(directory=PAGE, html=True))
