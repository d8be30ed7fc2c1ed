"""deepgram-sdk 4 and 3, which have the same interface."""

import json
import time
from threading import Event

from deepgram import DeepgramClient, DeepgramClientOptions, LiveOptions, LiveTranscriptionEvents
from plan import KEY, Plan


class Listener:
    """What the SDK's own thread hears."""

    def __init__(self, session, connection):
        self.session = session
        self.flushed = Event()
        self.ended = Event()
        connection.on(LiveTranscriptionEvents.Open, lambda *_, **__: session.tell("open"))
        for message in ("Transcript", "Metadata", "SpeechStarted", "UtteranceEnd", "Unhandled"):
            connection.on(LiveTranscriptionEvents[message], self.message)
        connection.on(LiveTranscriptionEvents.Error, self.error)
        connection.on(LiveTranscriptionEvents.Close, self.close)

    def message(self, _connection, **named):
        (kind, message), *_ = named.items()
        self.session.tell("message", type=kind, message=message.to_dict())
        if getattr(message, "from_finalize", False):
            self.flushed.set()

    def error(self, _connection, *given, **named):
        # An error of the SDK's own is the first argument, one of Deepgram's is `error`.
        error = given[0] if given else named["error"]
        self.session.tell("error", **error.to_dict())

    def close(self, *_given, **_named):
        self.session.tell("close")
        self.ended.set()
        self.flushed.set()


def connect(session, plan):
    options = {"keepalive": "true"} if plan.keepalive else {}
    if not session.steps:
        # Otherwise a refusal is only a log line, and `start()` is False.
        options["termination_exception_connect"] = True
    config = DeepgramClientOptions(url=session.address.replace("ws", "http", 1), options=options)
    return DeepgramClient(KEY, config).listen.websocket.v("1")


def hold(session, plan):
    connection = connect(session, plan)
    listener = Listener(session, connection)
    try:
        if not connection.start(LiveOptions(**plan.options)):
            session.tell("start() is False")
            return
        for step in session.steps:
            perform(step, plan, connection, listener)
    except Exception as error:
        session.tell_error(error)
    session.tell("end")


def perform(step, plan, connection, listener):
    match step["do"]:
        case "stream":
            for piece in plan.pieces():
                connection.send(piece)
        case "silence":
            time.sleep(step["seconds"])
        case "finalize":
            listener.flushed.clear()
            if not listener.ended.is_set():
                connection.finalize()
                listener.flushed.wait()
        case "close_stream":
            # Not `finish()`, which closes the connection half a second later.
            connection.send(json.dumps({"type": "CloseStream"}))
            listener.ended.wait()
        case "await_end":
            listener.ended.wait()
        case "leave":
            connection.finish()


if __name__ == "__main__":
    plan = Plan()
    for session in plan.sessions:
        hold(session, plan)
