"""A dashboard: rows of panels under the same variables, links and annotations."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from . import links
from .annotations import annotations

TAG = "deepgram-sidecar"


@dataclass(frozen=True)
class Page:
    """`name` is the file's, and the end of the uid; rows are titles with their panels."""

    name: str
    description: str
    variables: list
    rows: list[tuple[str, list]]

    def to_json(self) -> str:
        """The dashboard as Grafana imports it; the same bytes for the same code."""
        return json.dumps(self._build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"

    def _build(self) -> Any:
        board = Dashboard(f"deepgram-sidecar / {links.TITLES[self.name]}")
        board.uid(links.uid(self.name)).description(self.description).tags([TAG]).readonly()
        board.tooltip(DashboardCursorSync.CROSSHAIR).time("now-1h", "now").refresh("30s")
        board.timezone("browser").links(links.navigation(self.name))
        board.variables(self.variables).annotations(annotations())
        for panel in self._numbered():
            board.with_row(panel) if isinstance(panel, Row) else board.with_panel(panel)
        return board.build()

    def _numbered(self) -> Iterable[Any]:
        """Rows and panels in order. An id is part of a panel's address, so each needs its own."""
        panels = [it for title, row in self.rows for it in (Row(title), *row)]
        return (panel.id(number) for number, panel in enumerate(panels, start=1))
