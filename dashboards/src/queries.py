"""PromQL shared by the pages."""

PREFIX = "deepgram_sidecar_"

# What each query selects, so that the variables at the top of a page hold for all of it.
SELECTED = 'job=~"$job",namespace=~"$namespace",pod=~"$pod"'

# An alert summed over pods has no pod label: a missing label must not hide it, hence the empty
# alternative.
SELECTED_ALERTS = 'alertname=~"DeepgramSidecar.*",job=~"$job|",namespace=~"$namespace|",pod=~"$pod|"'

# Prometheus' own series of each target; those of a process have standard names as well.
UP = "up"
PROCESS = "process_"


def select(metric: str, window: str = "", **labels: str) -> str:
    """The series of a metric, in a window of time if there is one.

    A label's value may begin with an operator: `~` a pattern, `!` what it is not, `!~` a pattern of that.
    """
    name = metric if metric == UP or metric.startswith(PROCESS) else PREFIX + metric
    matchers = [SELECTED, *(_matcher(label, value) for label, value in labels.items())]
    return f"{name}{{{','.join(matchers)}}}" + (f"[{window}]" if window else "")


def _matcher(label: str, value: str) -> str:
    for sign, operator in (("!~", "!~"), ("~", "=~"), ("!", "!=")):
        if value.startswith(sign):
            return f'{label}{operator}"{value.removeprefix(sign)}"'
    return f'{label}="{value}"'


def rate(metric: str, **labels: str) -> str:
    """A counter's increase per second."""
    return f"rate({select(metric, '$__rate_interval', **labels)})"


def increase(metric: str, **labels: str) -> str:
    """A counter's increase around each point of a graph."""
    return f"increase({select(metric, '$__rate_interval', **labels)})"


def over_range(metric: str, **labels: str) -> str:
    """A counter's increase over the page's time range."""
    return f"increase({select(metric, '$__range', **labels)})"


def total(vector: str, by: str = "") -> str:
    return f"sum by ({by}) ({vector})" if by else f"sum({vector})"


def largest(vector: str, by: str = "") -> str:
    return f"max by ({by}) ({vector})" if by else f"max({vector})"


def moved(vector: str) -> str:
    """Only values above zero: a long list of labels makes many series that never move."""
    return f"{vector} > 0"


def share(part: str, whole: str) -> str:
    """A ratio that is absent, rather than NaN, without traffic."""
    return f"{part} / ({whole} > 0)"


def quantile(q: float, histogram: str, by: str = "", **labels: str) -> str:
    """A quantile of a histogram's observations around each point of a graph; absent without observations."""
    grouping = f"le, {by}" if by else "le"
    return _known(f"histogram_quantile({q}, {total(rate(f'{histogram}_bucket', **labels), grouping)})")


def median_over_range(histogram: str, by: str) -> str:
    """The median of all observations in the page's time range."""
    return _known(f"histogram_quantile(0.5, {total(over_range(f'{histogram}_bucket'), f'le, {by}')})")


def _known(vector: str) -> str:
    """Drops NaN, for which no comparison holds."""
    return f"{vector} >= 0"


def buckets(histogram: str, **labels: str) -> str:
    """A histogram's observations by bucket, for a heatmap."""
    return total(increase(f"{histogram}_bucket", **labels), "le")
