"""deepgram-sdk 7, synchronous."""

import time
import warnings
from threading import Event, Thread

from deepgram import DeepgramClient
from deepgram.core.events import EventType
from plan import KEY, Plan
from v7_common import environment, facts


class Listener:
    """What the SDK's own thread hears."""

    def __init__(self, session, socket):
        self.session = session
        self.flushed = Event()
        self.ended = Event()
        socket.on(EventType.OPEN, lambda _: session.tell("open"))
        socket.on(EventType.MESSAGE, self.message)
        socket.on(EventType.ERROR, session.tell_error)
        socket.on(EventType.CLOSE, self.close)
        self.thread = Thread(target=socket.start_listening)
        self.thread.start()

    def message(self, message):
        self.session.tell("message", **facts(message))
        if getattr(message, "from_finalize", False):
            self.flushed.set()

    def close(self, _):
        self.session.tell("close")
        self.ended.set()
        self.flushed.set()


def hold(session, plan):
    client = DeepgramClient(api_key=KEY, environment=environment(session))
    try:
        with client.listen.v1.connect(**plan.options) as socket:
            listener = Listener(session, socket)
            for step in session.steps:
                perform(step, plan, socket, listener)
        listener.thread.join()
    except Exception as error:
        session.tell_error(error)
    session.tell("end")


def perform(step, plan, socket, listener):
    match step["do"]:
        case "stream":
            for piece in plan.pieces():
                socket.send_media(piece)
        case "silence":
            for number, stretch in enumerate(plan.silences(step["seconds"])):
                if number > 0 and plan.keepalive:
                    socket.send_keep_alive()
                time.sleep(stretch)
        case "finalize":
            listener.flushed.clear()
            if not listener.ended.is_set():
                socket.send_finalize()
                listener.flushed.wait()
        case "close_stream":
            socket.send_close_stream()
            listener.ended.wait()
        case "await_end":
            listener.ended.wait()
        case "leave":
            # As the SDK's examples end: the `with` closes the connection at once.
            socket.send_close_stream()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    plan = Plan()
    for session in plan.sessions:
        hold(session, plan)
