"""The dashboards are clean, and each rule can find something."""

from collections.abc import Callable
from copy import deepcopy

import lint
import pytest
import yaml
from conftest import DASHBOARDS, Dashboard
from lint import Finding


def test_the_dashboards_are_clean_but_for_listed_exceptions(dashboards: dict[str, Dashboard]) -> None:
    found = [it for dashboard in dashboards.values() for it in lint.findings(dashboard)]
    assert [it for it in found if not _excepting(it)] == []


def test_each_exception_has_a_reason_and_is_needed(dashboards: dict[str, Dashboard]) -> None:
    found = [it for dashboard in dashboards.values() for it in lint.findings(dashboard)]
    needed = [entry for it in found for entry in _excepting(it)]
    for rule, exclusion in _exclusions().items():
        assert rule in lint.RULES
        assert exclusion["reason"]
        for entry in exclusion.get("entries", [{}]):
            assert (rule, entry) in needed, f"{rule} has no need of {entry}"


def _exclusions() -> dict[str, dict]:
    return yaml.safe_load((DASHBOARDS / ".lint").read_text())["exclusions"]


def _excepting(finding: Finding) -> list[tuple[str, dict]]:
    """The entries that except a finding."""
    exclusion = _exclusions().get(finding.rule)
    entries = [] if exclusion is None else exclusion.get("entries", [{}])
    return [(finding.rule, entry) for entry in entries if finding.is_excepted_by(entry)]


def _variable(dashboard: Dashboard, name: str) -> dict:
    return next(it for it in dashboard["templating"]["list"] if it["name"] == name)


def _panel(dashboard: Dashboard) -> dict:
    return lint.panels(dashboard)[0]


def _query(dashboard: Dashboard, text: str) -> None:
    _panel(dashboard)["targets"][0]["expr"] = text


SELECTED = 'job=~"$job",namespace=~"$namespace",pod=~"$pod"'

BREAKAGES: dict[str, Callable[[Dashboard], object]] = {
    "template-datasource-rule": lambda it: _variable(it, "datasource").update(name="prometheus"),
    "template-job-rule": lambda it: _variable(it, "job").update(multi=False),
    "template-instance-rule": lambda it: None,
    "template-label-promql-rule": lambda it: _variable(it, "pod").update(query={"query": "label_values(up{, pod)"}),
    "template-on-time-change-reload-rule": lambda it: _variable(it, "pod").update(refresh=1),
    "uneditable-dashboard-rule": lambda it: it.update(editable=True),
    "panel-datasource-rule": lambda it: _panel(it).update(datasource={"uid": "prometheus"}),
    "panel-title-description-rule": lambda it: _panel(it).update(description=""),
    "panel-units-rule": lambda it: _panel(it)["fieldConfig"]["defaults"].pop("unit"),
    "panel-no-targets-rule": lambda it: _panel(it).update(targets=[]),
    "target-promql-rule": lambda it: _query(it, "sum(up{)"),
    "target-rate-interval-rule": lambda it: _query(it, f"rate(x_total{{{SELECTED}}}[5m])"),
    "target-job-rule": lambda it: _query(it, 'up{namespace=~"$namespace",pod=~"$pod"}'),
    "target-instance-rule": lambda it: None,
    "target-pod-rule": lambda it: _query(it, 'up{job=~"$job",namespace=~"$namespace"}'),
    "target-counter-agg-rule": lambda it: _query(it, f"max_over_time(x_total{{{SELECTED}}}[5m])"),
}


@pytest.mark.parametrize("rule", lint.RULES)
def test_each_rule_finds_what_it_is_for(rule: str, dashboards: dict[str, Dashboard]) -> None:
    broken = deepcopy(dashboards["fleet"])
    before = len(list(lint.RULES[rule](broken)))
    BREAKAGES[rule](broken)
    after = len(list(lint.RULES[rule](broken)))
    # The fleet page has no instance, which is the exception.
    assert after > before or rule.endswith("instance-rule") and before > 0
