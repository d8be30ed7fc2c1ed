"""Which handlers an item from the sidecar is for, and what they get."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import SidecarError
from ..messages import Death, Message
from .responses import (
    CloseResponse,
    ErrorResponse,
    LiveResultResponse,
    MetadataResponse,
    OpenResponse,
    Response,
    SpeechStartedResponse,
    UnhandledResponse,
    UtteranceEndResponse,
    build,
)

logger = logging.getLogger("deepgram_sidecar.legacy")

Handler = Callable[..., Any]


class LiveTranscriptionEvents(enum.StrEnum):
    """What a handler can be for."""

    Open = "Open"
    Close = "Close"
    Transcript = "Results"
    Metadata = "Metadata"
    UtteranceEnd = "UtteranceEnd"
    SpeechStarted = "SpeechStarted"
    Finalize = "Finalize"
    Error = "Error"
    Unhandled = "Unhandled"
    Warning = "Warning"


@dataclass(frozen=True)
class Call:
    """A call of the handlers of an event."""

    event: LiveTranscriptionEvents
    keyword: str
    response: Response

    def run(self, handler: Handler, connection: object, unnamed: frozenset[str], kwargs: dict[str, Any]) -> Any:
        """Calls the handler. Where the SDK passes the response without a name, a handler may call it as it likes."""
        if self.event in unnamed:
            return handler(connection, self.response, **kwargs)
        return handler(connection, **{self.keyword: self.response}, **kwargs)


_MESSAGES: dict[str, tuple[LiveTranscriptionEvents, str, type[Response]]] = {
    "Results": (LiveTranscriptionEvents.Transcript, "result", LiveResultResponse),
    "Metadata": (LiveTranscriptionEvents.Metadata, "metadata", MetadataResponse),
    "SpeechStarted": (LiveTranscriptionEvents.SpeechStarted, "speech_started", SpeechStartedResponse),
    "UtteranceEnd": (LiveTranscriptionEvents.UtteranceEnd, "utterance_end", UtteranceEndResponse),
    "Error": (LiveTranscriptionEvents.Error, "error", ErrorResponse),
}

OPEN = Call(LiveTranscriptionEvents.Open, "open", OpenResponse())
CLOSE = Call(LiveTranscriptionEvents.Close, "close", CloseResponse())


def of_message(message: Message) -> Call:
    if message.type not in _MESSAGES:
        return Call(LiveTranscriptionEvents.Unhandled, "unhandled", UnhandledResponse("Unhandled", message.text))
    event, keyword, kind = _MESSAGES[message.type]
    return Call(event, keyword, build(kind, message.data))


def of_death(death: Death) -> Call:
    return Call(LiveTranscriptionEvents.Error, "error", ErrorResponse("Death", death.reason, death.detail))


def of_failure(error: SidecarError) -> Call:
    kind = type(error).__name__
    return Call(LiveTranscriptionEvents.Error, "error", ErrorResponse(kind, getattr(error, "code", kind), str(error)))


def control(data: str | bytes) -> str:
    """The type of a message to Deepgram, empty for audio. No audio at all ends the stream, as it does at Deepgram's."""
    if isinstance(data, bytes):
        return "" if data else "CloseStream"
    return Message(data).type


@dataclass
class Handlers:
    """Those of one connection."""

    _by_event: dict[str, list[Handler]] = field(default_factory=dict[str, list[Handler]])

    def add(self, event: str, handler: Handler) -> None:
        self._by_event.setdefault(LiveTranscriptionEvents(event), []).append(handler)

    def of(self, call: Call) -> list[Handler]:
        return list(self._by_event.get(call.event, []))
