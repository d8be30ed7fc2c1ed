"""The live connections of Deepgram's SDK, versions 3 and 4, over the sidecar: the SDK need not be installed.

An application changes its imports and keeps its handlers. What is different: the sidecar keeps the connection alive,
so that `keep_alive` does nothing; `finish` returns when Deepgram's last results have been handed out; a connection's
death is always an Error before the Close; and a handler that raises is logged, and the session goes on.
"""

from .asynclive import AsyncListenWebSocketClient
from .client import DeepgramClient, DeepgramClientOptions
from .handlers import LiveTranscriptionEvents
from .live import ListenWebSocketClient
from .options import ListenWebSocketOptions, LiveOptions
from .responses import (
    CloseResponse,
    ErrorResponse,
    LiveResultResponse,
    MetadataResponse,
    OpenResponse,
    SpeechStartedResponse,
    UnhandledResponse,
    UtteranceEndResponse,
)

AsyncLiveClient = AsyncListenWebSocketClient
LiveClient = ListenWebSocketClient

__all__ = [
    "AsyncListenWebSocketClient",
    "AsyncLiveClient",
    "CloseResponse",
    "DeepgramClient",
    "DeepgramClientOptions",
    "ErrorResponse",
    "ListenWebSocketClient",
    "ListenWebSocketOptions",
    "LiveClient",
    "LiveOptions",
    "LiveResultResponse",
    "LiveTranscriptionEvents",
    "MetadataResponse",
    "OpenResponse",
    "SpeechStartedResponse",
    "UnhandledResponse",
    "UtteranceEndResponse",
]
