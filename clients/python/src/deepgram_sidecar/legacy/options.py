"""What a live connection is started with."""

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeAlias

from ..options import SessionOptions


class LiveOptions(SimpleNamespace):
    """Deepgram's parameters, as keywords or attributes; any that Deepgram knows. None is left out."""

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


ListenWebSocketOptions = LiveOptions

Options: TypeAlias = LiveOptions | Mapping[str, Any] | None


def session_options(base: SessionOptions, options: Options, addons: Mapping[str, Any] | None) -> SessionOptions:
    """The sidecar's options, with Deepgram's parameters of this start."""
    given = options.to_dict() if isinstance(options, LiveOptions) else dict(options or {})
    params = {name: value for name, value in (given | dict(addons or {})).items() if value is not None}
    return replace(base, params={**base.params, **params})
