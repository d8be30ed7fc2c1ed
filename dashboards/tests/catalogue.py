"""The metrics that the daemon exports, read from docs/metrics.md, which the code writes."""

import re
from dataclasses import dataclass

from conftest import PROJECT

PREFIX = "deepgram_sidecar_"

# What Prometheus, its configuration and its operator put on each series.
TARGET_LABELS = {"job", "namespace", "pod", "instance"}

EXEMPLARS = {
    "connection_deaths_total",
    "finalize_latency_seconds",
    "transcript_latency_seconds",
    "first_result_seconds",
}


@dataclass(frozen=True)
class Series:
    """What a selector may name: `metric` is its row of the catalogue, a label without values is open."""

    metric: str
    labels: dict[str, frozenset[str]]


def metrics() -> list[str]:
    return [name for name, _, _ in _rows()]


def series() -> dict[str, Series]:
    """Each series of each metric, by its full name; a histogram has three."""
    found = {}
    for name, kind, labels in _rows():
        suffixes = ["_bucket", "_sum", "_count"] if kind.startswith("histogram") else [""]
        for suffix in suffixes:
            own = labels | ({"le": frozenset()} if suffix == "_bucket" else {})
            full = name if name.startswith("process_") else PREFIX + name
            found[full + suffix] = Series(name, own)
    return found


def _rows() -> list[tuple[str, str, dict[str, frozenset[str]]]]:
    text = (PROJECT / "docs" / "metrics.md").read_text()
    _, catalogue = text.split("## The catalogue")
    cells = (re.split(r" *\| *", line.strip("| ")) for line in catalogue.splitlines() if line.startswith("| `"))
    return [(name.strip("`"), kind, _labels(rest[1] if len(rest) > 1 else "")) for name, kind, *rest in cells]


def _labels(cell: str) -> dict[str, frozenset[str]]:
    """`a`: `x`, `y`; `b`; 0.5 1.0 — two labels, the second with any value, and buckets."""
    parts = (part.partition(":") for part in cell.split("; ") if part.startswith("`"))
    return {name.strip("`"): frozenset(re.findall(r"`([^`]*)`", values)) for name, _, values in parts}
