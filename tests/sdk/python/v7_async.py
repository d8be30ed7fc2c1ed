"""deepgram-sdk 7, asynchronous."""

import asyncio
import warnings

from deepgram import AsyncDeepgramClient
from deepgram.core.events import EventType
from plan import KEY, Plan
from v7_common import environment, facts


class Listener:
    """What the SDK's own loop hears, as a task."""

    def __init__(self, session, socket):
        self.session = session
        self.flushed = asyncio.Event()
        self.ended = asyncio.Event()
        socket.on(EventType.OPEN, lambda _: session.tell("open"))
        socket.on(EventType.MESSAGE, self.message)
        socket.on(EventType.ERROR, session.tell_error)
        socket.on(EventType.CLOSE, self.close)
        self.task = asyncio.create_task(socket.start_listening())

    def message(self, message):
        self.session.tell("message", **facts(message))
        if getattr(message, "from_finalize", False):
            self.flushed.set()

    def close(self, _):
        self.session.tell("close")
        self.ended.set()
        self.flushed.set()


async def hold(session, plan):
    client = AsyncDeepgramClient(api_key=KEY, environment=environment(session))
    try:
        async with client.listen.v1.connect(**plan.options) as socket:
            listener = Listener(session, socket)
            for step in session.steps:
                await perform(step, plan, socket, listener)
        await listener.task
    except Exception as error:
        session.tell_error(error)
    session.tell("end")


async def perform(step, plan, socket, listener):
    match step["do"]:
        case "stream":
            for piece in plan.pieces():
                await socket.send_media(piece)
        case "silence":
            for number, stretch in enumerate(plan.silences(step["seconds"])):
                if number > 0 and plan.keepalive:
                    await socket.send_keep_alive()
                await asyncio.sleep(stretch)
        case "finalize":
            listener.flushed.clear()
            if not listener.ended.is_set():
                await socket.send_finalize()
                await listener.flushed.wait()
        case "close_stream":
            await socket.send_close_stream()
            await listener.ended.wait()
        case "await_end":
            await listener.ended.wait()
        case "leave":
            # As the SDK's examples end: the `async with` closes the connection at once.
            await socket.send_close_stream()


async def main():
    plan = Plan()
    for session in plan.sessions:
        await hold(session, plan)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asyncio.run(main())
