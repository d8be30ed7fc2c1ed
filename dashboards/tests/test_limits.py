"""A panel turns red where its alert begins."""

import promql
import promql_parser
import pytest
import yaml
from conftest import PROJECT
from dashboards.src import limits
from dashboards.src.limits import Limit

LIMITS = [it for it in vars(limits).values() if isinstance(it, Limit) and it.name]


def expressions(alert: str) -> list[str]:
    """Those of all rules of that name."""
    files = (yaml.safe_load(path.read_text()) for path in (PROJECT / "alerts").glob("*.yaml"))
    rules = [rule for file in files for group in file.get("groups", []) for rule in group["rules"]]
    return [rule["expr"] for rule in rules if rule.get("alert") == alert]


def numbers(expression: str) -> set[float]:
    nodes = promql.nodes(promql_parser.parse(expression))
    return {node.val for node in nodes if isinstance(node, promql_parser.NumberLiteral)}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda it: it.name)
def test_a_limit_stands_in_the_rule_of_its_alert(limit: Limit) -> None:
    found = set().union(*map(numbers, expressions(limit.alert)))
    assert (limit.value if limit.rule is None else limit.rule) in found
