"""The variables at the top of each page."""

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from .queries import PREFIX

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

# A target outside Kubernetes has neither namespace nor pod, and must still be shown.
ANY_OR_NONE = ".*"


def fleet_variables() -> list:
    """Data source, job, namespace, pod; each narrows those after it."""
    return _selection("build_info")


def session_variables() -> list:
    """The same for per-session series, which have another job, plus the session."""
    return [
        *_selection("live_session_info"),
        _query("session_id", "Session", _where("live_session_info", "job", "namespace", "pod")),
    ]


def traces() -> DatasourceVariable:
    """The data source for links to traces. Without one, the links just lead nowhere."""
    return DatasourceVariable("tempo_datasource").label("Tempo data source").type("tempo")


def logs() -> DatasourceVariable:
    """The data source for links to log lines, with the same limitation."""
    return DatasourceVariable("loki_datasource").label("Loki data source").type("loki")


def _selection(metric: str) -> list:
    datasource = DatasourceVariable("datasource").label("Data source").type("prometheus")
    return [
        datasource,
        # All jobs are those that are listed, and not any: `up` and `process_*` exist for every job there is.
        _many("job", "Job", PREFIX + metric),
        _many("namespace", "Namespace", _where(metric, "job")).all_value(ANY_OR_NONE),
        _many("pod", "Pod", _where(metric, "job", "namespace")).all_value(ANY_OR_NONE),
    ]


def _where(metric: str, *variables: str) -> str:
    matchers = ",".join(f'{it}=~"${it}"' for it in variables)
    return f"{PREFIX}{metric}{{{matchers}}}"


def _many(name: str, label: str, selector: str) -> QueryVariable:
    variable = _query(name, label, selector).multi(True).include_all(True)
    return variable.current(VariableOption(selected=True, text=["All"], value=["$__all"]))


def _query(name: str, label: str, selector: str) -> QueryVariable:
    query = f"label_values({selector}, {name})"
    return (
        _Defined(name)
        .label(label)
        .query({"query": query, "refId": name})
        .datasource(DATASOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


class _Defined(QueryVariable):
    """Grafana's own JSON repeats the query as `definition`, which its settings page shows."""

    def build(self) -> VariableModel:
        model = super().build()
        plain = model.to_json
        model.to_json = lambda: {**plain(), "definition": model.query["query"]}
        return model
