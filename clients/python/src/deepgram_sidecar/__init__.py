"""Client of deepgram-sidecar, the daemon that holds an application's Deepgram streams.

`SidecarSession` and `AsyncSidecarSession` speak the sidecar's own protocol. `transport_factory` and
`async_transport_factory` lead Deepgram's own SDK through the sidecar's socket. `deepgram_sidecar.legacy` has the
surface of that SDK's versions 3 and 4.
"""

from .aio import AsyncSidecarSession
from .errors import (
    BrokenProtocol,
    ConnectFailed,
    InvalidRequest,
    PeerNotAllowed,
    ProtocolError,
    SendBlocked,
    SessionDead,
    SessionEnded,
    SessionFailed,
    SessionIdInUse,
    SidecarBusy,
    SidecarError,
    SidecarGone,
)
from .messages import Death, Event, Message, Opened, Summary
from .options import Prelude, SessionOptions
from .session import SidecarSession
from .transport import (
    AsyncSidecarTransport,
    SidecarTransport,
    async_transport_factory,
    transport_factory,
    use_socket,
)

__version__ = "0.1.0"

__all__ = [
    "AsyncSidecarSession",
    "AsyncSidecarTransport",
    "BrokenProtocol",
    "ConnectFailed",
    "Death",
    "Event",
    "InvalidRequest",
    "Message",
    "Opened",
    "PeerNotAllowed",
    "Prelude",
    "ProtocolError",
    "SendBlocked",
    "SessionDead",
    "SessionEnded",
    "SessionFailed",
    "SessionIdInUse",
    "SessionOptions",
    "SidecarBusy",
    "SidecarError",
    "SidecarGone",
    "SidecarSession",
    "SidecarTransport",
    "Summary",
    "async_transport_factory",
    "transport_factory",
    "use_socket",
]
