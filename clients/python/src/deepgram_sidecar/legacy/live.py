"""A live connection for threads, as in the SDK's versions 3 and 4."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import SessionEnded, SidecarError, SidecarGone
from ..messages import Death, Event, Message
from ..options import SessionOptions
from ..session import SidecarSession
from . import handlers
from .handlers import Call, Handler, Handlers, control, logger
from .options import Options, session_options

# What the SDK passes to handlers without a name.
UNNAMED = frozenset({"Open", "Close", "Error"})


class ListenWebSocketClient:
    """Handlers run on a thread of the connection's own.

    `session` is the underlying session, with its events and its summary.
    """

    def __init__(self, base: SessionOptions | None = None, socket_path: str | os.PathLike[str] | None = None) -> None:
        self.session: SidecarSession | None = None
        self._base = base or SessionOptions()
        self._socket_path = socket_path
        self._handlers = Handlers()
        self._listener: threading.Thread | None = None
        self._kwargs: dict[str, Any] = {}

    def on(self, event: str, handler: Handler) -> None:
        """Adds a handler: `handler(connection, result, **kwargs)`, the second argument by the event."""
        self._handlers.add(event, handler)

    def start(
        self,
        options: Options = None,
        addons: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Opens the connection, whatever became of the last one. False where that fails; the log says why.

        `members` become attributes, `kwargs` go to each handler, and `headers` are for Deepgram, which the sidecar
        speaks to.
        """
        vars(self).update(members or {})
        self._kwargs = kwargs
        self.session = SidecarSession(session_options(self._base, options, addons), socket_path=self._socket_path)
        try:
            self.session.open()
        except (SidecarError, ValueError) as error:
            logger.error("the connection was not started: %s", error)
            return False
        self._emit(handlers.OPEN)
        self._listener = threading.Thread(target=self._listen, args=(self.session,), name="deepgram-live", daemon=True)
        self._listener.start()
        return True

    def is_connected(self) -> bool:
        return self.session is not None and self.session.is_open and not self.session.is_connection_dead

    def send(self, data: str | bytes) -> bool:
        """Audio, or a message of Deepgram's.

        Waits while Deepgram does not keep up. False once there is no connection.
        """
        match control(data):
            case "KeepAlive":
                return self.keep_alive()
            case "Finalize":
                return self.finalize()
            case "CloseStream":
                return self._try(SidecarSession.finish)
            case _ if isinstance(data, bytes):
                return self._try(lambda session: session.send(data))
            case _:
                return self._try(lambda session: session.send_text(data))

    def keep_alive(self) -> bool:
        """Whether the connection is there. The sidecar keeps it alive by itself."""
        return self.is_connected()

    def finalize(self) -> bool:
        return self._try(SidecarSession.finalize)

    def finish(self) -> bool:
        """Ends the connection, and returns when the handlers have had Deepgram's last messages and the Close.

        False where the session ended by an error.
        """
        if self.session is None:
            return True
        self._try(SidecarSession.finish)
        if self._listener is not None and self._listener is not threading.current_thread():
            self._listener.join()
        return self.session.failure is None

    def _try(self, act: Callable[[SidecarSession], None]) -> bool:
        if self.session is None or not self.is_connected():
            return False
        try:
            act(self.session)
        except SidecarError as error:
            logger.error("not sent: %s", error)
            return False
        return True

    def _listen(self, session: SidecarSession) -> None:
        try:
            for item in session.received():
                self._handle(session, item)
        except SidecarError as error:
            self._emit(handlers.of_failure(error))
        finally:
            session.close()
            self._emit(handlers.CLOSE)

    def _handle(self, session: SidecarSession, item: Message | Event) -> None:
        if isinstance(item, Message):
            self._emit(handlers.of_message(item))
        elif isinstance(item, Death) and not item.recovering:
            self._emit(handlers.of_death(item))
            try:
                session.finish()
            except (SessionEnded, SidecarGone):
                logger.debug("the session has ended by itself")

    def _emit(self, call: Call) -> None:
        for handler in self._handlers.of(call):
            try:
                call.run(handler, self, UNNAMED, self._kwargs)
            except Exception:
                logger.exception("a handler of %s failed", call.event)
