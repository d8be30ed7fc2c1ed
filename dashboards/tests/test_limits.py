"""A panel turns red where its alert begins, and an alert leads to a page."""

import re

import promql
import promql_parser
import pytest
import yaml
from conftest import PROJECT, Dashboard
from dashboards.src import limits
from dashboards.src.limits import Limit

LIMITS = [it for it in vars(limits).values() if isinstance(it, Limit) and it.name]


def alerts() -> list[dict]:
    files = (yaml.safe_load(path.read_text()) for path in (PROJECT / "alerts").glob("*.yaml"))
    rules = (rule for file in files for group in file.get("groups", []) for rule in group["rules"])
    return [rule for rule in rules if "alert" in rule]


def numbers(expression: str) -> set[float]:
    nodes = promql.nodes(promql_parser.parse(expression))
    return {node.val for node in nodes if isinstance(node, promql_parser.NumberLiteral)}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda it: it.name)
def test_a_limit_stands_in_the_rule_of_its_alert(limit: Limit) -> None:
    expressions = [rule["expr"] for rule in alerts() if rule["alert"] == limit.alert]
    found = set().union(*map(numbers, expressions))
    assert (limit.value if limit.rule is None else limit.rule) in found


def test_an_alert_leads_to_a_page_and_sets_variables_that_it_has(dashboards: dict[str, Dashboard]) -> None:
    pages = {it["uid"]: {variable["name"] for variable in it["templating"]["list"]} for it in dashboards.values()}
    for url in (rule["annotations"]["dashboard_url"] for rule in alerts()):
        uid, _, parameters = url.removeprefix("/d/").partition("?")
        assert set(re.findall(r"var-(\w+)=", parameters)) <= pages[uid], url
