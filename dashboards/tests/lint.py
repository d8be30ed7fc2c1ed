"""The rules of Grafana's dashboard-linter, which cannot be installed from the Go module proxy.

Each rule has that program's name and yields what it finds; `dashboards/.lint` has the exceptions, in that
program's format, so that it can be run over the same files where it is at hand.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import promql
from promql_parser import MatchOp

Dashboard = dict[str, Any]
Panel = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    rule: str
    dashboard: str
    message: str
    panel: str | None = None
    target: int | None = None

    def is_excepted_by(self, entry: dict[str, Any]) -> bool:
        own = {"dashboard": self.dashboard, "panel": self.panel, "targetIdx": self.target}
        return all(own[key] == value for key, value in entry.items())


Rule = Callable[[Dashboard], Iterator[Finding]]
RULES: dict[str, Rule] = {}


def findings(dashboard: Dashboard) -> list[Finding]:
    return [finding for rule in RULES.values() for finding in rule(dashboard)]


def panels(dashboard: Dashboard) -> list[Panel]:
    """All panels that are no rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def _rule(name: str, places: Callable[[Dashboard], Iterator[tuple]]) -> Callable:
    """Makes a rule of a check, which is handed each of the places and says what is wrong there."""

    def register(check: Callable[[Any], Iterator[str]]) -> Callable[[Any], Iterator[str]]:
        def rule(dashboard: Dashboard) -> Iterator[Finding]:
            for subject, *where in places(dashboard):
                yield from (Finding(name, dashboard["title"], it, *where) for it in check(subject))

        RULES[name] = rule
        return check

    return register


def _whole(dashboard: Dashboard) -> Iterator[tuple]:
    yield (dashboard,)


def _each_panel(dashboard: Dashboard) -> Iterator[tuple]:
    return ((panel, panel.get("title")) for panel in panels(dashboard))


def _each_query(dashboard: Dashboard) -> Iterator[tuple]:
    for panel in panels(dashboard):
        for index, target in enumerate(panel.get("targets", [])):
            yield target["expr"], panel.get("title"), index


def _variables(dashboard: Dashboard, kind: str) -> list[dict[str, Any]]:
    return [it for it in dashboard["templating"]["list"] if it["type"] == kind]


@_rule("template-datasource-rule", _whole)
def _names_datasources_by_kind(dashboard: Dashboard) -> Iterator[str]:
    sources = _variables(dashboard, "datasource")
    if not sources:
        yield "has no variable for the data source"
    for source in sources:
        kind = source["query"]
        allowed = {(f"{kind}_datasource", f"{kind.title()} data source")}
        if len(sources) == 1:
            allowed.add(("datasource", "Data source"))
        if (source["name"], source["label"]) not in allowed:
            yield f"{source['name']} should be one of {allowed}"


def _check_template(dashboard: Dashboard, name: str) -> Iterator[str]:
    variable = next((it for it in dashboard["templating"]["list"] if it["name"] == name), None)
    if variable is None:
        yield f"has no variable {name}"
        return
    wanted = {"type": "query", "label": name.title(), "multi": True, "allValue": ".+"}
    for key, value in wanted.items():
        if variable.get(key) != value:
            yield f"{name}: {key} should be {value}, is {variable.get(key)}"
    if variable["datasource"]["uid"] != "${datasource}":
        yield f"{name} does not ask the chosen data source"


@_rule("template-job-rule", _whole)
def _has_a_job(dashboard: Dashboard) -> Iterator[str]:
    return _check_template(dashboard, "job")


@_rule("template-instance-rule", _whole)
def _has_an_instance(dashboard: Dashboard) -> Iterator[str]:
    return _check_template(dashboard, "instance")


@_rule("template-label-promql-rule", _whole)
def _asks_for_labels_in_promql(dashboard: Dashboard) -> Iterator[str]:
    for variable in _variables(dashboard, "query"):
        query = variable["query"]["query"]
        match = re.fullmatch(r"label_values\((.+), \w+\)", query)
        if match is None:
            yield f"{variable['name']}: {query} is no label_values(selector, label)"
        else:
            yield from _parse_error(match.group(1))


@_rule("template-on-time-change-reload-rule", _whole)
def _looks_up_variables_with_the_time(dashboard: Dashboard) -> Iterator[str]:
    for variable in _variables(dashboard, "query"):
        if variable["refresh"] != 2:
            yield f"{variable['name']} does not follow the time"


@_rule("uneditable-dashboard-rule", _whole)
def _is_not_editable(dashboard: Dashboard) -> Iterator[str]:
    if dashboard["editable"]:
        yield "can be edited, and would lose it with the next release"


@_rule("panel-datasource-rule", _each_panel)
def _uses_the_chosen_datasource(panel: Panel) -> Iterator[str]:
    if panel["datasource"]["uid"] != "${datasource}":
        yield "does not use the chosen data source"


@_rule("panel-title-description-rule", _each_panel)
def _says_what_it_is(panel: Panel) -> Iterator[str]:
    yield from (f"has no {key}" for key in ("title", "description") if not panel.get(key))


@_rule("panel-units-rule", _each_panel)
def _has_a_unit(panel: Panel) -> Iterator[str]:
    if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
        yield f"has no unit of {sorted(UNITS)}"


@_rule("panel-no-targets-rule", _each_panel)
def _asks_something(panel: Panel) -> Iterator[str]:
    if not panel.get("targets"):
        yield "has no queries"


@_rule("target-promql-rule", _each_query)
def _parse_error(query: str) -> Iterator[str]:
    try:
        promql.parse(query)
    except ValueError as error:
        yield f"{query}: {error}"


@_rule("target-rate-interval-rule", _each_query)
def _rates_over_the_rate_interval(query: str) -> Iterator[str]:
    interval = timedelta(hours=1, minutes=17)
    for function, selector in promql.windows(promql.parse(query)):
        if function in ("rate", "irate") and selector.range != interval:
            yield f"{query}: {function} without $__rate_interval"


def _check_matcher(query: str, label: str) -> Iterator[str]:
    for selector in promql.selectors(promql.parse(query)):
        if promql.matchers(selector).get(label) != (MatchOp.Re, f"${label}"):
            yield f'{selector} does not select {label}=~"${label}"'


@_rule("target-job-rule", _each_query)
def _selects_the_job(query: str) -> Iterator[str]:
    return _check_matcher(query, "job")


@_rule("target-instance-rule", _each_query)
def _selects_the_instance(query: str) -> Iterator[str]:
    return _check_matcher(query, "instance")


# Beyond dashboard-linter: the labels that operators know their pods by.
@_rule("target-pod-rule", _each_query)
def _selects_the_pod(query: str) -> Iterator[str]:
    yield from _check_matcher(query, "namespace")
    yield from _check_matcher(query, "pod")


@_rule("target-counter-agg-rule", _each_query)
def _takes_counters_as_rates(query: str) -> Iterator[str]:
    expr = promql.parse(query)
    moving = [it.vector_selector for name, it in promql.windows(expr) if name in ("rate", "irate", "increase")]
    for selector in promql.selectors(expr):
        if (selector.name or "").endswith("_total") and str(selector) not in map(str, moving):
            yield f"{selector} is a counter, and neither rate nor increase is taken"


# Those of Grafana's units that the pages use.
UNITS = {"short", "percentunit", "s", "bytes", "binBps", "cps", "reqps", "dateTimeFromNow", "currencyUSD"}
