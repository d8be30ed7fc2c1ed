"""What can go wrong, one class for each thing that an application would do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .messages import Death


class SidecarError(Exception):
    """All errors of this package, wrong arguments apart."""


class SidecarGone(SidecarError):
    """No sidecar listens on the socket, or it went away without ending the session: whatever is called next raises it.

    Nothing is retried. `reopen()` opens a new session; audio without a final result is the application's to send again.
    """


class ProtocolError(SidecarError):
    """What came is not the protocol, so the session was closed. The peer is no sidecar, or one with a bug."""


class SendBlocked(SidecarError, TimeoutError):
    """There was no room in time. Nothing of the frame was sent, so it can be sent again."""


class SessionEnded(SidecarError):
    """The session has ended or was closed, so nothing can be sent.

    `wait()` says how it ended: `drained` where the sidecar was shut down. One that went away is `SidecarGone`.
    """


class SessionDead(SidecarError):
    """Deepgram's connection died for good, so no message will come.

    `finish()` ends the session and brings its summary.
    """

    def __init__(self, death: Death) -> None:
        super().__init__(f"the connection to Deepgram died: {death.reason} ({death.detail})")
        self.death = death


class SessionFailed(SidecarError):
    """The sidecar refused or ended the session with an ERROR. Codes that are not known yet are this class itself."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.code = _text(members, "code") or "unknown"
        self.message = _text(members, "message") or "no message"
        self.field = _text(members, "field")
        super().__init__(f"{self.code}: {self.message}" + (f" ({self.field})" if self.field else ""))


class InvalidRequest(SessionFailed):
    """OPEN, UPDATE or TEXT asks for something that cannot be had; `field` says where."""


class BrokenProtocol(SessionFailed):
    """A frame that the session's state, or the sidecar's version or limits, do not allow."""


class SessionIdInUse(SessionFailed):
    """Another session has this id, or the last one with it has not ended yet."""


class SidecarBusy(SessionFailed):
    """The sidecar has as many sessions as it may, or is shutting down. Later, or elsewhere, it may work."""


class PeerNotAllowed(SessionFailed):
    """The sidecar does not serve this process's user or group."""


class ConnectFailed(SessionFailed):
    """Deepgram could not be reached or refused. On an opened session: recovery has given up."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        self.reason = _text(members, "reason")
        self.status = _integer(members, "status")
        self.detail = _text(members, "detail")
        self.request_id = _text(members, "request_id")
        self.retry_after_ms = _integer(members, "retry_after_ms")

    def __str__(self) -> str:
        """With Deepgram's own words, to which `message` may refer, and the id that its support asks for."""
        told = super().__str__()
        told += f"; request_id: {self.request_id}" if self.request_id else ""
        return told + (f"; detail: {self.detail}" if self.detail else "")


_BY_CODE: dict[str, type[SessionFailed]] = {
    "bad_frame": BrokenProtocol,
    "frame_too_large": BrokenProtocol,
    "unknown_frame_type": BrokenProtocol,
    "unexpected_frame": BrokenProtocol,
    "invalid_open": InvalidRequest,
    "invalid_update": InvalidRequest,
    "reserved_message": InvalidRequest,
    "unsupported_protocol": InvalidRequest,
    "session_id_in_use": SessionIdInUse,
    "too_many_sessions": SidecarBusy,
    "draining": SidecarBusy,
    "peer_not_allowed": PeerNotAllowed,
    "connect_failed": ConnectFailed,
}


def session_failed(members: Mapping[str, Any]) -> SessionFailed:
    """The exception of an ERROR frame."""
    return _BY_CODE.get(str(members.get("code")), SessionFailed)(members)


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _integer(members: Mapping[str, Any], name: str) -> int | None:
    value = members.get(name)
    return value if isinstance(value, int) else None
