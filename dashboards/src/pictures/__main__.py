"""`python -m dashboards.src.pictures URL [--window SECONDS] [--session ID] [--into DIRECTORY]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from PIL import Image

from .plots import TEXT, draw
from .prometheus import Prometheus, PrometheusError

DASHBOARDS = Path(__file__).parent.parent.parent
PICTURES = DASHBOARDS.parent / "docs" / "pictures"

# Grafana's grid: columns of a page, and what a unit of each direction takes here, in inches.
COLUMNS = 24
CELL = (0.52, 0.31)
DPI = 100
# A unit of height for a panel's title, and one for its axis and legend.
TITLE, FOOT = 0.9, 1.9

# The rows of each page that a reader sees first.
ROWS = {
    "fleet": ["Now", "Is anyone losing words?", "Why do connections die?"],
    "pod": ["Now", "KeepAlive", "Process"],
    "session": ["Sessions that need a look", "What became of $session_id", "The life of $session_id"],
    "deepgram": ["Now", "Connecting", "Transcripts", "Finalize"],
}


def main() -> int:
    arguments = _arguments()
    try:
        prometheus = Prometheus(arguments.url.rstrip("/"), arguments.window)
        prometheus.for_page(arguments.session)
        arguments.into.mkdir(parents=True, exist_ok=True)
        for name, rows in ROWS.items():
            _picture(name, rows, prometheus, arguments.into / f"{name}.png")
    except PrometheusError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make pictures", description="Draws the dashboards from a Prometheus.")
    parser.add_argument("url", help="where Prometheus answers, such as http://127.0.0.1:9090")
    parser.add_argument("--window", type=int, default=900, help="seconds up to now that are shown")
    parser.add_argument("--session", default="", help="the session of the session page; else one that died")
    parser.add_argument("--into", type=Path, default=PICTURES, help="the directory for the pictures")
    return parser.parse_args()


def _picture(name: str, rows: list[str], prometheus: Prometheus, file: Path) -> None:
    dashboard = json.loads((DASHBOARDS / f"{name}.json").read_text())
    panels = _moved_up(dashboard["panels"], rows)
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = pyplot.figure(figsize=(COLUMNS * CELL[0], height * CELL[1]), dpi=DPI, facecolor="#f4f5f5")
    for panel in panels:
        place = panel["gridPos"]
        if panel["type"] == "row":
            title = panel["title"].replace("$session_id", prometheus.variables["$session_id"])
            at = 1 - (place["y"] + 0.65) / height
            figure.text(0.006, at, title, fontsize=9, color=TEXT, weight="bold", va="center")
        else:
            _panel(figure, panel, height, prometheus)
    figure.savefig(file)
    pyplot.close(figure)
    _shrink(file)


def _moved_up(panels: list[dict[str, Any]], rows: list[str]) -> list[dict[str, Any]]:
    """The panels of these rows, without the space of those between."""
    if missing := set(rows) - {panel["title"] for panel in panels}:
        raise KeyError(f"no page has the rows {missing}: see ROWS")
    shown, top, offset, is_shown = [], 0, 0, False
    for panel in panels:
        place = panel["gridPos"]
        if panel["type"] == "row":
            is_shown = panel["title"] in rows
            offset = place["y"] - top
        if is_shown:
            place["y"] -= offset
            top = max(top, place["y"] + place["h"])
            shown.append(panel)
    return shown


def _panel(figure: Any, panel: dict[str, Any], height: int, prometheus: Prometheus) -> None:
    """A white box with the title, and the plot inside it."""
    place = panel["gridPos"]
    left, width = place["x"] / COLUMNS, place["w"] / COLUMNS
    bottom, tall = 1 - (place["y"] + place["h"]) / height, place["h"] / height
    gap = 0.0022
    box = figure.add_axes((left + gap, bottom + gap, width - 2 * gap, tall - 2 * gap))
    box.set(xticks=[], yticks=[], facecolor="white")
    for side in box.spines.values():
        side.set_color("#e0e0e0")
    figure.text(left + 0.006, bottom + tall - 0.45 / height, panel["title"], fontsize=7.5, color=TEXT, va="center")
    is_stat, is_table = panel["type"] == "stat", panel["type"] == "table"
    foot = 0.15 if is_stat or is_table else FOOT
    margin = 0.004 if is_stat or is_table else 0.034
    if panel["type"] == "state-timeline":
        margin = 0.1
    inner = (left + margin, bottom + foot / height, width - margin - 0.008, tall - (TITLE + foot) / height)
    draw(panel, figure.add_axes(inner), prometheus)


def _shrink(file: Path) -> None:
    """A palette does for flat colours, and takes a third of the space."""
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(colors=128, method=Image.Quantize.MEDIANCUT).save(file, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
