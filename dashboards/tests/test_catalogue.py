"""Queries name only what the daemon exports, and all of it can be seen."""

import re
from collections.abc import Iterator

import catalogue
import lint
import promql
import promql_parser
import pytest
import yaml
from conftest import DASHBOARDS, PROJECT, Dashboard
from promql_parser import Expr, MatchOp, VectorSelector

SERIES = catalogue.series()

# What Prometheus itself makes of targets and alerts.
OWN_SERIES = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}

# Metrics on no panel and in no alert; more than a few would mean that the catalogue has what nobody reads.
UNSHOWN_MAX = 3


def queries(dashboard: Dashboard) -> Iterator[str]:
    """Those of panels, annotations and variables."""
    yield from (target["expr"] for panel in lint.panels(dashboard) for target in panel["targets"])
    yield from (annotation["expr"] for annotation in dashboard["annotations"]["list"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"]).group(1)


def test_the_catalogue_is_read_whole() -> None:
    assert len(catalogue.metrics()) > 100
    assert set(catalogue.metrics()) >= catalogue.EXEMPLARS
    stages = SERIES["deepgram_sidecar_connection_deaths_by_stage_total"].labels["stage"]
    assert {"awaiting_audio", "streaming"} <= stages
    assert SERIES["deepgram_sidecar_build_info"].labels["version"] == frozenset()


def test_queries_name_only_series_labels_and_values_that_exist(dashboards: dict[str, Dashboard]) -> None:
    for dashboard in dashboards.values():
        for query in queries(dashboard):
            expr = promql.parse(query)
            for selector in promql.selectors(expr):
                assert list(_unknown(selector)) == [], query
            assert _groupings(expr) <= _labels(expr), query


def test_a_legend_names_only_labels_that_its_query_keeps(dashboards: dict[str, Dashboard]) -> None:
    for panel in (it for dashboard in dashboards.values() for it in lint.panels(dashboard)):
        for target in panel["targets"]:
            expr = promql.parse(target["expr"])
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert legend <= (_groupings(expr) or _labels(expr)), panel["title"]


@pytest.mark.parametrize(
    "query",
    [
        "deepgram_sidecar_sessions_total",
        "deepgram_sidecar_sessions_active{status='open'}",
        "deepgram_sidecar_sessions_active{state='opened'}",
        "deepgram_sidecar_sessions_active{state=~'open|opened'}",
        "deepgram_sidecar_send_gap_seconds",
    ],
)
def test_a_name_that_does_not_exist_is_found(query: str) -> None:
    (selector,) = promql.selectors(promql.parse(query))
    assert list(_unknown(selector))


def test_each_metric_is_on_a_panel_or_in_an_alert(dashboards: dict[str, Dashboard]) -> None:
    shown = {SERIES[name].metric for name in _shown(dashboards) if name in SERIES}
    unshown = yaml.safe_load((DASHBOARDS / "unshown.yaml").read_text())
    assert set(catalogue.metrics()) - shown == set(unshown)
    assert all(unshown.values()), "each needs a reason"
    assert len(unshown) <= UNSHOWN_MAX


def _shown(dashboards: dict[str, Dashboard]) -> Iterator[str]:
    for dashboard in dashboards.values():
        for panel in lint.panels(dashboard):
            for target in panel["targets"]:
                yield from (it.name for it in promql.selectors(promql.parse(target["expr"])))
    for rules in (PROJECT / "alerts").glob("*.yaml"):
        yield from re.findall(r"\b(?:deepgram_sidecar|process)_\w+", rules.read_text())


def _unknown(selector: VectorSelector) -> Iterator[str]:
    """What of a selector does not exist."""
    own = _own_labels(selector)
    if own is None:
        yield f"no series {selector.name}"
        return
    for label, (op, value) in promql.matchers(selector).items():
        if label not in own | catalogue.TARGET_LABELS:
            yield f"{selector.name} has no label {label}"
        elif selector.name in SERIES:
            known = SERIES[selector.name].labels.get(label)
            wanted = value.split("|") if op in (MatchOp.Re, MatchOp.NotRe) else [value]
            yield from (f"{label} is never {it}" for it in wanted if known and not _matches(it, known))


def _matches(pattern: str, values: frozenset[str]) -> bool:
    return any(re.fullmatch(pattern, value) for value in values)


def _own_labels(selector: VectorSelector) -> set[str] | None:
    if selector.name in OWN_SERIES:
        return OWN_SERIES[selector.name]
    return set(SERIES[selector.name].labels) if selector.name in SERIES else None


def _labels(expr: Expr) -> set[str]:
    """All labels that the series of a query can have."""
    own = (_own_labels(it) or set() for it in promql.selectors(expr))
    return catalogue.TARGET_LABELS.union(*own)


def _groupings(expr: Expr) -> set[str]:
    """The labels by which a query groups or matches."""
    found: set[str] = set()
    for node in promql.nodes(expr):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            found |= set(node.modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and node.modifier:
            found |= set(node.modifier.group_labels or [])
            found |= set(node.modifier.matching.labels if node.modifier.matching else [])
    return found
