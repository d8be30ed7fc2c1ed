"""What handlers get: Deepgram's messages with attributes, also by key as in `result["channel"]`.

Members that are not listed here are left out, and a list or value that did not come is its default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

_T = TypeVar("_T")


@dataclass
class Response:
    """What all of them can do."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None

    def __str__(self) -> str:
        return self.to_json(indent=4)


@dataclass
class Word(Response):
    word: str = ""
    start: float = 0
    end: float = 0
    confidence: float = 0
    punctuated_word: str | None = None
    speaker: int | None = None
    language: str | None = None


@dataclass
class Alternative(Response):
    transcript: str = ""
    confidence: float = 0
    words: list[Word] = field(default_factory=list[Word])
    languages: list[str] | None = None


@dataclass
class Hit(Response):
    confidence: float = 0
    start: float = 0
    end: float = 0
    snippet: str | None = None


@dataclass
class Search(Response):
    query: str = ""
    hits: list[Hit] = field(default_factory=list[Hit])


@dataclass
class Channel(Response):
    alternatives: list[Alternative] = field(default_factory=list[Alternative])
    search: list[Search] | None = None


@dataclass
class ModelInfo(Response):
    name: str = ""
    version: str = ""
    arch: str = ""


@dataclass
class Metadata(Response):
    model_info: ModelInfo = field(default_factory=ModelInfo)
    request_id: str = ""
    model_uuid: str = ""
    extra: dict[str, Any] | None = None


@dataclass
class LiveResultResponse(Response):
    type: str = ""
    channel: Channel = field(default_factory=Channel)
    metadata: Metadata = field(default_factory=Metadata)
    channel_index: list[int] = field(default_factory=list[int])
    duration: float = 0
    start: float = 0
    is_final: bool = False
    from_finalize: bool | None = None
    speech_final: bool = False


@dataclass
class MetadataResponse(Response):
    type: str = ""
    transaction_key: str = ""
    request_id: str = ""
    sha256: str = ""
    created: str = ""
    duration: float = 0
    channels: int = 0
    models: list[str] | None = None
    model_info: dict[str, ModelInfo] | None = None
    extra: dict[str, Any] | None = None


@dataclass
class SpeechStartedResponse(Response):
    type: str = ""
    channel: list[int] = field(default_factory=list[int])
    timestamp: float = 0


@dataclass
class UtteranceEndResponse(Response):
    type: str = ""
    channel: list[int] = field(default_factory=list[int])
    last_word_end: float = 0


@dataclass
class OpenResponse(Response):
    type: str = "Open"


@dataclass
class CloseResponse(Response):
    type: str = "Close"


@dataclass
class ErrorResponse(Response):
    """Deepgram's own, or the sidecar's: then `type` is `Death` or the exception's name, and `description` says what it
    was.
    """

    type: str = ""
    description: str = ""
    message: str = ""
    variant: str | None = None


@dataclass
class UnhandledResponse(Response):
    type: str = ""
    raw: str = ""


def build(kind: type[_T], data: Mapping[str, Any]) -> _T:
    """The response of this kind. What has not the shape that it should have is left at its default."""
    values = {
        name: _value(hint, data[name]) for name, hint in _hints(cast(Any, kind)).items() if data.get(name) is not None
    }
    return kind(**{name: value for name, value in values.items() if value is not None})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


def _value(hint: Any, value: Any) -> Any:
    if isinstance(hint, UnionType):  # `X | None`
        return _value(get_args(hint)[0], value)
    if is_dataclass(hint):
        return build(cast(type[Any], hint), cast(Mapping[str, Any], value)) if isinstance(value, dict) else None
    if get_origin(hint) is list:
        return _items(get_args(hint)[0], value) if isinstance(value, list) else None
    if get_origin(hint) is dict:
        return _members(get_args(hint)[1], value) if isinstance(value, dict) else None
    return value


def _items(hint: Any, values: Any) -> list[Any]:
    return [item for item in (_value(hint, value) for value in values) if item is not None]


def _members(hint: Any, values: Any) -> dict[str, Any]:
    return {name: _value(hint, value) for name, value in values.items()}
