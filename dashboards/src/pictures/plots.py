"""Draws each kind of panel into a place of a figure."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import matplotlib.dates as dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from . import units
from .prometheus import Answer, Prometheus

Panel = dict[str, Any]

COLOURS = {"green": "#73bf69", "yellow": "#f2cc0c", "red": "#e02f44", "blue": "#3274d9"}
PALETTE = ["#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642", "#cca300"]
TEXT, FAINT = "#24292e", "#8e8e8e"
LEGEND_MAX = 6
ROWS_MAX = 8
CELL_MAX = 20


def draw(panel: Panel, axes: Axes, prometheus: Prometheus) -> None:
    """The panel's answers, or what it says when there are none."""
    answers = [_ask(target, prometheus) for target in panel["targets"]]
    if not any(answer.values for found in answers for answer in found):
        _nothing(panel, axes)
    else:
        KINDS[panel["type"]](panel, axes, answers, prometheus)


def _ask(target: dict, prometheus: Prometheus) -> list[Answer]:
    return prometheus.instant(target["expr"]) if target["instant"] else prometheus.range(target["expr"])


def _nothing(panel: Panel, axes: Axes) -> None:
    axes.set_axis_off()
    words = panel["fieldConfig"]["defaults"].get("noValue", "no data")
    axes.text(0.5, 0.5, words, ha="center", va="center", color=FAINT, fontsize=9)


def _stat(panel: Panel, axes: Axes, answers: list[list[Answer]], _: Prometheus) -> None:
    value = answers[0][0].values[-1]
    colour = _colour_of(panel, value)
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
    is_background = panel["options"]["colorMode"] == "background"
    axes.set_facecolor(colour if is_background else "white")
    shown = units.text(value, _unit(panel), panel["fieldConfig"]["defaults"].get("decimals"))
    size = 17 if len(shown) < 10 else 12
    axes.text(0.5, 0.5, shown, ha="center", va="center", fontsize=size, color="white" if is_background else colour)


def _colour_of(panel: Panel, value: float) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    if "thresholds" not in defaults:
        return COLOURS["blue"]
    steps = defaults["thresholds"]["steps"]
    passed = [it["color"] for it in steps if it["value"] is None or value >= it["value"]]
    return COLOURS[passed[-1]]


def _series(panel: Panel, axes: Axes, answers: list[list[Answer]], prometheus: Prometheus) -> None:
    named = [
        (_name(target, answer), answer)
        for target, found in zip(panel["targets"], answers, strict=True)
        for answer in found
    ]
    named.sort(key=lambda it: -sum(it[1].values))
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom.get("drawStyle") == "bars":
        _bars(axes, named, prometheus)
    else:
        _lines(axes, named, prometheus)
    _thresholds(panel, axes)
    _exemplars(panel, axes, prometheus)
    _over_time(panel, axes, prometheus)
    if len(named) > 1 or named[0][0]:
        axes.legend(*_shown(axes), loc="upper left", bbox_to_anchor=(0, -0.1), ncol=3, fontsize=6.5, frameon=False)


def _lines(axes: Axes, named: list[tuple[str, Answer]], prometheus: Prometheus) -> None:
    """A gap of more than two steps stays one."""
    for index, (name, answer) in enumerate(named):
        times, values = list(answer.times), list(answer.values)
        for at in reversed(np.flatnonzero(np.diff(times) > 2 * prometheus.step)):
            times.insert(at + 1, times[at] + prometheus.step)
            values.insert(at + 1, float("nan"))
        colour = PALETTE[index % len(PALETTE)]
        axes.plot(_moments(times), values, color=colour, linewidth=1, label=name)
        axes.fill_between(_moments(times), values, color=colour, alpha=0.08)


def _bars(axes: Axes, named: list[tuple[str, Answer]], prometheus: Prometheus) -> None:
    width = prometheus.step / 86400
    heights: dict[float, float] = {}
    for index, (name, answer) in enumerate(named):
        base = [heights.get(at, 0.0) for at in answer.times]
        colour = PALETTE[index % len(PALETTE)]
        axes.bar(_moments(answer.times), answer.values, width, base, color=colour, alpha=0.85, label=name)
        heights |= {at: low + value for at, low, value in zip(answer.times, base, answer.values, strict=True)}


def _thresholds(panel: Panel, axes: Axes) -> None:
    highest = axes.get_ylim()[1]
    for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", []):
        # A line far above all values would flatten them.
        if step["value"] is not None and step["value"] < 4 * highest:
            axes.axhline(step["value"], color=COLOURS[step["color"]], linestyle="--", linewidth=1)


def _exemplars(panel: Panel, axes: Axes, prometheus: Prometheus) -> None:
    """Dots, the highest of each step; a counter's are at the foot, as their value is the count's."""
    for target in (it for it in panel["targets"] if it.get("exemplar")):
        is_histogram = "_bucket" in target["expr"]
        highest: dict[int, float] = {}
        for at, value in prometheus.exemplars(target["expr"]):
            step = int(at // prometheus.step)
            highest[step] = max(highest.get(step, 0), value if is_histogram else 0)
        times = _moments([step * prometheus.step for step in highest])
        axes.scatter(times, highest.values(), s=4, color=COLOURS["blue"], zorder=3)


def _heatmap(panel: Panel, axes: Axes, answers: list[list[Answer]], prometheus: Prometheus) -> None:
    rows = sorted(answers[0], key=lambda it: float(it.labels["le"]))
    times = sorted({at for row in rows for at in row.times})
    counts = np.array([[dict(zip(row.times, row.values, strict=True)).get(at, 0) for at in times] for row in rows])
    # Buckets count all below their bound; a cell counts its own.
    cells = np.diff(counts, axis=0, prepend=0)
    edges = [*times, times[-1] + prometheus.step]
    cells = np.ma.masked_less(cells, 0.01)
    axes.pcolormesh(_moments(edges), np.arange(len(rows) + 1), cells, cmap="Oranges", rasterized=True)
    bounds = [f"≤ {units.text(float(row.labels['le']), _unit(panel))}" for row in rows[:-1]]
    axes.set_yticks(np.arange(len(rows))[::2] + 1, [*bounds, "more"][::2])
    _over_time(panel, axes, prometheus, values=False)


def _timeline(panel: Panel, axes: Axes, answers: list[list[Answer]], prometheus: Prometheus) -> None:
    states = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    named = [
        (_name(target, answer), answer)
        for target, found in zip(panel["targets"], answers, strict=True)
        for answer in found
    ]
    for row, (_, answer) in enumerate(named):
        colours = [COLOURS[states[str(int(value))]["color"]] for value in answer.values]
        axes.barh(row, prometheus.step / 86400, 0.8, _moments(answer.times), color=colours, align="center")
    axes.set_yticks(range(len(named)), [name.removeprefix("DeepgramSidecar") for name, _ in named])
    axes.set_ylim(-0.6, max(len(named), 3) - 0.4)
    _over_time(panel, axes, prometheus, values=False)


def _table(panel: Panel, axes: Axes, answers: list[list[Answer]], _: Prometheus) -> None:
    """The merged rows, under the names and in the order that the panel gives."""
    options = panel["transformations"][-1]["options"]
    order = options["indexByName"]
    columns = sorted(options["renameByName"].items(), key=lambda it: order[it[0]])
    rows = _merged(answers)
    first = next((field for field, _ in columns if field.startswith("Value")), None)
    rows.sort(key=lambda row: -float(row.get(first, 0)))
    cells = [[_cell(row.get(field, ""), panel) for field, _ in columns] for row in rows[:ROWS_MAX]]
    axes.set_axis_off()
    table = axes.table(
        cells, colLabels=[name for _, name in columns], loc="upper center", cellLoc="left", edges="horizontal"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    table.scale(1, 1.15)
    for cell in table.get_celld().values():
        cell.set_edgecolor("#dddddd")


def _merged(answers: list[list[Answer]]) -> list[dict[str, Any]]:
    """Rows of all queries whose shared labels agree, as Grafana merges them."""
    rows = [dict(it.labels) for it in answers[0]]
    for query, found in enumerate(answers):
        name = "Value" if len(answers) == 1 else f"Value #{'ABCDEFGH'[query]}"
        for answer in found:
            for row in rows:
                if all(row.get(key) == value for key, value in answer.labels.items()):
                    row[name] = answer.values[-1] if answer.values else ""
    return rows


def _cell(value: Any, panel: Panel) -> str:
    shown = units.text(value, _unit(panel), None) if isinstance(value, float) else str(value)
    return shown if len(shown) <= CELL_MAX else f"{shown[: CELL_MAX - 1]}…"


def _over_time(panel: Panel, axes: Axes, prometheus: Prometheus, values: bool = True) -> None:
    """The axes that all panels over time share."""
    axes.set_xlim(*_moments([prometheus.end - prometheus.window, prometheus.end]))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.tick_params(labelsize=6.5, colors=TEXT, length=0)
    axes.grid(color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    if values:
        # What is zero throughout would be drawn on a scale of hundredths.
        axes.set_ylim(0, axes.get_ylim()[1] if axes.dataLim.y1 > 0 else 1)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.text(value, _unit(panel))))


def _moments(times: list[float]) -> list[float]:
    return [dates.date2num(datetime.fromtimestamp(it)) for it in times]


def _name(target: dict, answer: Answer) -> str:
    legend = target["legendFormat"]
    if legend == "__auto":
        return ", ".join(answer.labels.values())
    return re.sub(r"{{(\w+)}}", lambda it: answer.labels.get(it.group(1), ""), legend)


def _shown(axes: Axes) -> tuple[list, list]:
    handles, labels = axes.get_legend_handles_labels()
    return handles[:LEGEND_MAX], labels[:LEGEND_MAX]


def _unit(panel: Panel) -> str:
    return panel["fieldConfig"]["defaults"].get("unit", "short")


KINDS: dict[str, Callable] = {
    "stat": _stat,
    "timeseries": _series,
    "heatmap": _heatmap,
    "state-timeline": _timeline,
    "table": _table,
}
