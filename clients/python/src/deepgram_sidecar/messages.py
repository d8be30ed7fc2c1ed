"""What the sidecar tells: OPENED, MESSAGE, EVENT and FINISHED.

Members that are not known are ignored, and words of closed lists are plain strings: one that is not known is simply
another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, TypeVar, cast

from .errors import ProtocolError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Opened:
    """The first connection to Deepgram is up."""

    session_id: str
    request_id: str | None
    traceparent: str | None

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        return cls(
            session_id=_member(members, "session_id", str),
            request_id=_optional(members, "request_id", str),
            traceparent=_optional(members, "traceparent", str),
        )


@dataclass(frozen=True)
class Message:
    """A message of Deepgram's, its text as it came. The properties are for what most applications look at."""

    text: str

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """The message as JSON; empty where it is not a JSON object."""
        try:
            return _as_object(json.loads(self.text)) or {}
        except (ValueError, RecursionError):
            return {}

    @property
    def type(self) -> str:
        """`Results`, `Metadata`, `TurnInfo`, …; empty where there is none."""
        return str(self.data.get("type", ""))

    @property
    def transcript(self) -> str:
        """The best alternative of Results, or a Flux turn's transcript; empty for all else."""
        try:
            return str(self.data["channel"]["alternatives"][0]["transcript"])
        except (KeyError, IndexError, TypeError):
            return str(self.data.get("transcript", ""))

    @property
    def is_final(self) -> bool:
        """Whether these words will not change: final Results, or Flux's end of a turn."""
        return self.data.get("is_final") is True or self.data.get("event") == "EndOfTurn"

    @property
    def speech_final(self) -> bool:
        return self.data.get("speech_final") is True

    @property
    def from_finalize(self) -> bool:
        return self.data.get("from_finalize") is True


@dataclass(frozen=True)
class Event:
    """Something happened to the session: `dead`, `recovered`, `stalled`, `draining`, …

    `at_ms` counts from the session's OPEN. `members` has everything, by the contract's names.
    """

    name: str
    at_ms: int
    members: Mapping[str, Any] = field(repr=False)

    @staticmethod
    def of(members: Mapping[str, Any]) -> Event:
        kind = Death if members.get("event") == "dead" else Event
        return kind(name=_member(members, "event", str), at_ms=_member(members, "at_ms", int), members=members)


@dataclass(frozen=True)
class Death(Event):
    """A connection to Deepgram died."""

    @property
    def reason(self) -> str:
        return str(self.members.get("reason", "other"))

    @property
    def trigger(self) -> str:
        """The operation that noticed."""
        return str(self.members.get("trigger", "other"))

    @property
    def class_(self) -> str:
        """Who must act: `provider`, `account`, `network` or `sidecar`."""
        return str(self.members.get("class", "other"))

    @property
    def detail(self) -> str:
        """Close code and reason, or the error, for people."""
        return str(self.members.get("detail", ""))

    @property
    def connection(self) -> int | None:
        return _optional(self.members, "connection", int)

    @property
    def final_ms(self) -> int | None:
        """Session time up to which there are final results: what comes after it can be sent again."""
        return _optional(self.members, "final_ms", int)

    @property
    def recovering(self) -> bool:
        """Whether the session goes on, now or with the next audio."""
        return self.members.get("recovering") is True


@dataclass(frozen=True)
class Summary:
    """How the session ended. `members` has everything, by the contract's names; the rest is what one asks for first."""

    session_id: str
    outcome: str
    cut: bool
    death_reason: str | None
    duration_ms: int
    connections: int
    keepalives: int
    recoveries: int
    lost_ms: int | None
    members: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        death = _as_object(members.get("death"))
        return cls(
            session_id=_member(members, "session_id", str),
            outcome=_member(members, "outcome", str),
            cut=_member(members, "cut", bool),
            death_reason=None if death is None else str(death.get("reason", "other")),
            duration_ms=_member(members, "duration_ms", int),
            connections=_member(members, "connections", int),
            keepalives=_member(members, "keepalives", int),
            recoveries=_member(members, "recoveries", int),
            lost_ms=_optional(members, "lost_ms", int),
            members=members,
        )


def json_object(name: str, payload: bytes) -> Mapping[str, Any]:
    """The JSON object that a frame of the sidecar's own must be."""
    try:
        value = _as_object(json.loads(payload))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{name} is not JSON: {error}") from error
    if value is None:
        raise ProtocolError(f"{name} is not a JSON object")
    return value


def _as_object(value: Any) -> Mapping[str, Any] | None:
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else None


def _member(members: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    value = members.get(name)
    if not isinstance(value, kind):
        raise ProtocolError(f"`{name}` is not {kind.__name__} but {json.dumps(value)[:100]}")
    return value


def _optional(members: Mapping[str, Any], name: str, kind: type[_T]) -> _T | None:
    return None if members.get(name) is None else _member(members, name, kind)
