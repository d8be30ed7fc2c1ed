"""Queries as trees."""

from collections.abc import Iterator

import promql_parser
from promql_parser import Expr, MatrixSelector, VectorSelector

# A time that stands nowhere else, so that it is known again in the tree.
RATE_INTERVAL = "1h17m"

TIMES = {"$__rate_interval": RATE_INTERVAL, "$__range": "6h", "$__interval": "15s"}


def parse(query: str) -> Expr:
    """A query as Prometheus sees it once Grafana has put in the times."""
    for variable, time in TIMES.items():
        query = query.replace(variable, time)
    return promql_parser.parse(query)


def nodes(expr: Expr) -> Iterator[Expr]:
    found: list[Expr] = []
    promql_parser.walk(expr, found.append)
    return iter(found)


def selectors(expr: Expr) -> Iterator[VectorSelector]:
    return (node for node in nodes(expr) if isinstance(node, VectorSelector))


def windows(expr: Expr) -> Iterator[tuple[str, MatrixSelector]]:
    """Each selector over a window, with the function that it is handed to."""
    for node in nodes(expr):
        if isinstance(node, promql_parser.Call):
            yield from ((node.func.name, arg) for arg in node.args if isinstance(arg, MatrixSelector))


def matchers(selector: VectorSelector) -> dict[str, tuple[promql_parser.MatchOp, str]]:
    return {it.name: (it.op, it.value) for it in selector.matchers.matchers}
