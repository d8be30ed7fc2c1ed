"""The marks on all graphs of a page: new versions, and alerts."""

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery
from grafana_foundation_sdk.models import dashboard

from .queries import PREFIX, SELECTED_ALERTS
from .variables import DATASOURCE

# Without the job: the session page selects another one, but shows the same marks.
_PODS = 'namespace=~"$namespace",pod=~"$pod"'
_BUILDS = f"count by (version, revision) ({PREFIX}build_info{{{_PODS}}}"


def annotations() -> list[AnnotationQuery]:
    return [versions(), alerts()]


def versions() -> AnnotationQuery:
    """Each version from when it first runs, for five minutes."""
    expr = f"{_BUILDS}) unless {_BUILDS} offset 5m)"
    return _Titled("New version", expr, "blue", "deepgram-sidecar {{version}}", "{{revision}}")


def alerts() -> AnnotationQuery:
    """Each alert while it fires."""
    expr = f'max by (alertname, severity) (ALERTS{{{_without_job(SELECTED_ALERTS)},alertstate="firing"}})'
    return _Titled("Alert", expr, "red", "{{alertname}}", "{{severity}}")


def _without_job(selected: str) -> str:
    return selected.replace(',job=~"$job|"', "")


class _Titled(AnnotationQuery):
    """Adds what Prometheus' data source needs to label a mark, which the SDK's annotation lacks."""

    def __init__(self, name: str, expr: str, colour: str, title: str, text: str) -> None:
        super().__init__()
        self.name(name).datasource(DATASOURCE).enable(True).icon_color(colour).expr(expr)
        self._words = {"titleFormat": title, "textFormat": text, "step": "60s"}

    def build(self) -> dashboard.AnnotationQuery:
        model = super().build()
        plain, words = model.to_json, self._words
        model.to_json = lambda: {**plain(), **words}
        return model
