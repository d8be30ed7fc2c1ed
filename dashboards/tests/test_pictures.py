"""What the pictures say in words."""

import pytest
from dashboards.src.pictures import prometheus, units


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0005, "percentunit", "0.1 %"),
        (0, "s", "0 s"),
        (0.25, "s", "250 ms"),
        (90, "s", "90 s"),
        (600, "s", "10 min"),
        (7200, "s", "2 h"),
        (3 * 1024, "bytes", "3 KiB"),
        (2 * 1024**2, "binBps", "2 MiB/s"),
        (1500, "short", "1.5 K"),
        (2, "cps", "2 c/s"),
    ],
)
def test_a_value_reads_as_in_grafana(value: float, unit: str, text: str) -> None:
    assert units.text(value, unit) == text


def test_decimals_of_a_panel_are_kept() -> None:
    assert units.text(1.01, "short", 0) == "1"
    assert units.text(0.12345, "percentunit", 2) == "12.35 %"


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 1), ("15s", 15), ("1m", 60), ("1m30s", 90)])
def test_scrape_intervals_are_read_and_rounded_up(text: str, seconds: int) -> None:
    assert prometheus._seconds(text) == seconds


def test_what_is_no_number_is_no_point() -> None:
    answer = prometheus._answer({"pod": "a"}, [(1, "2.5"), (2, "NaN"), (3, "+Inf")])
    assert (answer.times, answer.values) == ([1.0], [2.5])


def test_without_an_answer_it_says_what_to_look_at() -> None:
    with pytest.raises(prometheus.PrometheusError, match="Is this a running Prometheus"):
        prometheus.Prometheus("http://127.0.0.1:1", window=60)
