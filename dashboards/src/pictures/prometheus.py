"""Prometheus' answers to a panel's queries, with Grafana's variables put in."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

TIMEOUT = 30
POINTS = 200
# Grafana's, for a data source that says nothing else.
SCRAPES_IN_RATE_INTERVAL = 4

PREFIX = "deepgram_sidecar_"


class Answer(NamedTuple):
    """One series: its labels, its times as Unix seconds, its values."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]


class PrometheusError(Exception):
    """Prometheus is away, or refuses a query."""


@dataclass
class Prometheus:
    """A Prometheus and the time that the pictures show, in seconds up to now."""

    url: str
    window: int
    end: float = field(default_factory=time.time)
    # What stands for each variable, as patterns.
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.step = max(1, self.window // POINTS)
        self.variables |= {
            "$__rate_interval": f"{self.step + SCRAPES_IN_RATE_INTERVAL * self._scrape_interval()}s",
            "$__range": f"{self.window}s",
            "$namespace": ".*",
            "$pod": ".*",
        }

    def for_page(self, session_id: str) -> None:
        """Chooses all jobs with sidecars, those of single sessions included, and one session."""
        jobs = {it.labels["job"] for metric in ("build_info", "live_session_info") for it in self._seen(metric)}
        if not jobs:
            raise PrometheusError(f"{self.url} has seen no sidecar within {self.window} s: is it scraped?")
        self.variables["$job"] = "|".join(sorted(jobs))
        self.variables["$session_id"] = session_id or self._notable_session()

    def instant(self, expr: str) -> list[Answer]:
        found = self._ask("query", query=self._filled(expr), time=self.end)["result"]
        return [_answer(it["metric"], [it["value"]]) for it in found]

    def range(self, expr: str) -> list[Answer]:
        window = {"start": self.end - self.window, "end": self.end, "step": self.step}
        found = self._ask("query_range", query=self._filled(expr), **window)["result"]
        return [_answer(it["metric"], it["values"]) for it in found]

    def exemplars(self, expr: str) -> Iterator[tuple[float, float]]:
        """Times and values."""
        window = {"start": self.end - self.window, "end": self.end}
        for series in self._ask("query_exemplars", query=self._filled(expr), **window):
            for exemplar in series["exemplars"]:
                yield float(exemplar["timestamp"]), float(exemplar["value"])

    def _filled(self, expr: str) -> str:
        for name, value in self.variables.items():
            expr = expr.replace(name, value)
        return expr

    def _scrape_interval(self) -> int:
        """The longest one, so that each rate has enough points."""
        texts = [it["scrapeInterval"] for it in self._ask("targets", state="active")["activeTargets"]]
        return max((_seconds(text) for text in texts), default=15)

    def _seen(self, metric: str) -> list[Answer]:
        return self.instant(f"last_over_time({PREFIX}{metric}[$__range])")

    def _notable_session(self) -> str:
        """One that died, if any did, since its page has more to show; else the oldest."""
        died = [it.labels["session_id"] for it in self._seen("live_session_death_info")]
        ages = {it.labels["session_id"]: it.values[-1] for it in self._seen("live_session_age_seconds")}
        return max(died or ages, key=lambda it: ages.get(it, 0), default="")

    def _ask(self, path: str, **parameters: object) -> Any:
        address = f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        try:
            with urlopen(address, timeout=TIMEOUT) as response:
                return json.load(response)["data"]
        except HTTPError as error:
            raise PrometheusError(f"{parameters.get('query', path)}: {error.read().decode()}") from error
        except URLError as error:
            raise PrometheusError(f"{self.url}: {error.reason}. Is this a running Prometheus?") from error


def _answer(labels: dict[str, str], points: list[tuple[float, str]]) -> Answer:
    finite = [(float(at), float(text)) for at, text in points if math.isfinite(float(text))]
    return Answer(labels, [at for at, _ in finite], [value for _, value in finite])


def _seconds(text: str) -> int:
    """A scrape interval as Prometheus writes it: 500ms, 15s, 1m, 1m30s."""
    total, number = 0.0, ""
    for part in text.replace("ms", "i"):
        if part.isdigit():
            number += part
        else:
            total += int(number) * {"i": 0.001, "s": 1, "m": 60, "h": 3600}[part]
            number = ""
    return math.ceil(total)
