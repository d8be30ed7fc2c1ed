"""The committed dashboards, as the tests read them."""

import json
from pathlib import Path
from typing import Any

import pytest

DASHBOARDS = Path(__file__).parent.parent
PROJECT = DASHBOARDS.parent

Dashboard = dict[str, Any]


@pytest.fixture(scope="session")
def dashboards() -> dict[str, Dashboard]:
    """All of them, by the name of their file."""
    return {path.stem: json.loads(path.read_text()) for path in DASHBOARDS.glob("*.json")}
