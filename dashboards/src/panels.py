"""The kinds of panel. Each takes a title, a description (what is normal, what to do), a unit, and queries.

`limits` are the alerts whose thresholds the panel shows; it links to their runbook. `links` are where a
click on a value leads. `none` is shown in place of an empty graph.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import (
    heatmap as heatmaps,
)
from grafana_foundation_sdk.builders import (
    stat as stats,
)
from grafana_foundation_sdk.builders import (
    table as tables,
)
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from . import links as to
from .limits import Limit, thresholds
from .variables import DATASOURCE

Links = Sequence[dashboard.DashboardLink]

HEIGHT = 8
STAT_HEIGHT = 4
NOTHING = "nothing in this time"


class Query(NamedTuple):
    """One query of a panel; `exemplar` also fetches the traces behind its points."""

    expr: str
    legend: str = ""
    exemplar: bool = False


class State(NamedTuple):
    """How a state timeline shows a value."""

    text: str
    colour: str


def stat(
    title: str,
    description: str,
    unit: str,
    expr: str,
    *,
    limits: Sequence[Limit] = (),
    links: Links = (),
    none: str = NOTHING,
    width: int = 4,
) -> stats.Panel:
    """One number, with its history behind it unless it covers the whole time range."""
    is_over_range = "$__range" in expr
    panel = stats.Panel()
    panel.graph_mode(BigValueGraphMode.NONE if is_over_range else BigValueGraphMode.AREA)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.color_mode(BigValueColorMode.BACKGROUND if limits else BigValueColorMode.VALUE)
    panel.height(STAT_HEIGHT).span(width)
    if not limits:
        panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("blue"))
    _complete(panel, title, description, unit, [Query(expr)], limits, links, none)
    if is_over_range:
        panel.targets([_target(0, Query(expr)).instant()])
    return panel


def series(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limits: Sequence[Limit] = (),
    links: Links = (),
    none: str = NOTHING,
    width: int = 8,
) -> timeseries.Panel:
    """Lines. A gap in the data stays a gap: a pod that was not scraped is not necessarily healthy."""
    panel = timeseries.Panel().line_width(1).fill_opacity(8).span_nulls(False).axis_soft_min(0)
    panel.show_points(VisibilityMode.AUTO).height(HEIGHT).span(width)
    if limits:
        style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(style)
    _legible(panel)
    return _complete(panel, title, description, unit, queries, limits, links, none)


def bars(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limits: Sequence[Limit] = (),
    links: Links = (),
    none: str = NOTHING,
    width: int = 8,
) -> timeseries.Panel:
    """Stacked bars, for what happens rather than lasts."""
    panel = series(title, description, unit, *queries, limits=limits, links=links, none=none, width=width)
    stacking = common.StackingConfig().mode(StackingMode.NORMAL)
    return panel.draw_style(GraphDrawStyle.BARS).stacking(stacking).fill_opacity(70)


def heatmap(
    title: str, description: str, unit: str, expr: str, *, none: str = NOTHING, width: int = 8
) -> heatmaps.Panel:
    """How many observations fell into each bucket. The unit is the buckets' unit."""
    colours = heatmaps.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    panel = heatmaps.Panel().calculate(False).color(colours).cell_gap(1)
    panel.y_axis(heatmaps.YAxisConfig().unit(unit)).show_color_scale(True).hide_y_histogram()
    panel.height(HEIGHT).span(width)
    _describe(panel, title, description, none)
    panel.with_target(_target(0, Query(expr, "{{le}}")).range().format(PromQueryFormat.HEATMAP))
    return panel.unit(unit)


def table(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    columns: dict[str, str] | None = None,
    row_links: dict[str, Links] | None = None,
    none: str = NOTHING,
    width: int = 8,
) -> tables.Panel:
    """The latest values as rows; queries with the same labels are columns of one table.

    `columns` renames fields, `Value` that of a query; an empty name hides one. `row_links` makes a column's
    cells links, which may name the row's other fields.
    """
    panel = tables.Panel().height(HEIGHT).span(width).filterable(True)
    _describe(panel, title, description, none)
    panel.unit(unit)
    for index, query in enumerate(queries):
        panel.with_target(_target(index, query).instant().format(PromQueryFormat.TABLE))
    if len(queries) > 1:
        panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(_organized(columns or {}))
    for column, links in (row_links or {}).items():
        properties = [DynamicConfigValue("links", [_row_link(it) for it in links])]
        panel.override_by_name(column, properties)
    return panel


def timeline(
    title: str,
    description: str,
    *queries: Query,
    states: dict[int, State],
    links: Links = (),
    none: str = NOTHING,
    width: int = 8,
) -> statetimeline.Panel:
    """A band per series, coloured by the state that its value represents."""
    mapping = {str(value): ValueMappingResult(it.text, it.colour) for value, it in states.items()}
    panel = statetimeline.Panel().height(HEIGHT).span(width).mappings([ValueMap(mapping)])
    panel.show_value(VisibilityMode.NEVER).row_height(0.8).merge_values(True)
    panel.legend(common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM))
    return _complete(panel, title, description, units.Short, queries, (), links, none)


def _complete(
    panel: Any,
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    limits: Sequence[Limit],
    links: Links,
    none: str,
) -> Any:
    """What all panels with values over time have in common."""
    _describe(panel, title, description, none)
    panel.unit(unit).data_links(list(links))
    for index, query in enumerate(queries):
        panel.with_target(_target(index, query).range())
    if limits:
        panel.thresholds(thresholds(*limits))
        panel.links([to.to_runbook(limit.alert) for limit in limits])
    return panel


def _describe(panel: Any, title: str, description: str, none: str) -> None:
    panel.title(title).description(description).datasource(DATASOURCE).no_value(none)


def _target(index: int, query: Query) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id("ABCDEFGH"[index])
    target.legend_format(query.legend or "__auto").datasource(DATASOURCE)
    return target.exemplar(True) if query.exemplar else target


def _legible(panel: timeseries.Panel) -> None:
    """A series keeps its colour on all pages, since it comes from its name."""
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    panel.legend(legend.placement(LegendPlacement.BOTTOM))
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    panel.tooltip(tooltip.sort(SortOrder.DESCENDING))
    panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))


def _organized(columns: dict[str, str]) -> DataTransformerConfig:
    hidden = {"Time": True} | {name: True for name, shown in columns.items() if not shown}
    renamed = {name: shown for name, shown in columns.items() if shown}
    order = {name: index for index, name in enumerate(renamed)}
    options = {"excludeByName": hidden, "indexByName": order, "renameByName": renamed}
    return DataTransformerConfig(id_val="organize", options=options)


def _row_link(link: dashboard.DashboardLink) -> dict[str, object]:
    model = link.build()
    return {"title": model.title, "url": model.url, "targetBlank": model.target_blank}
