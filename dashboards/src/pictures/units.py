"""Values as Grafana writes them, for the units that the dashboards use."""

import time

BINARY = ("B", "KiB", "MiB", "GiB")


def text(value: float, unit: str, decimals: int | None = None) -> str:
    if unit == "percentunit":
        return f"{value * 100:.{1 if decimals is None else decimals}f} %"
    if unit == "s":
        return _duration(value)
    if unit in ("bytes", "binBps"):
        return _bytes(value) + ("/s" if unit == "binBps" else "")
    if unit == "currencyUSD":
        return f"${value:.{2 if decimals is None else decimals}f}"
    if unit == "dateTimeFromNow":
        return f"{_duration(time.time() - value / 1000)} ago"
    suffix = {"cps": " c/s", "reqps": " req/s"}.get(unit, "")
    return _short(value, decimals) + suffix


def _short(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if abs(value) >= 1000:
        return f"{value / 1000:.3g} K"
    return f"{value:.3g}"


def _duration(seconds: float) -> str:
    if seconds == 0:
        return "0 s"
    if abs(seconds) < 1:
        return f"{seconds * 1000:.3g} ms"
    if abs(seconds) < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if abs(seconds) < 6000 else f"{seconds / 3600:.3g} h"


def _bytes(value: float) -> str:
    power = 0
    while abs(value) >= 1024 and power < len(BINARY) - 1:
        value, power = value / 1024, power + 1
    return f"{value:.3g} {BINARY[power]}"
