"""Where a page leads: to the other pages, the runbook, traces and logs."""

import json
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

DOCS = "https://github.com/deepgram-sidecar/deepgram-sidecar/blob/main/docs"
RUNBOOK = f"{DOCS}/runbook.md"

TITLES = {"fleet": "Fleet", "pod": "Pod", "deepgram": "Deepgram", "session": "Session"}

# Single sessions have their own scrape job, so a link to or from that page omits the job, which would
# select nothing there.
_WITH_JOB = "${datasource:queryparam}&${job:queryparam}&${namespace:queryparam}"
_WITHOUT_JOB = "${datasource:queryparam}&${namespace:queryparam}"
TIME = "${__url_time_range}"


def uid(page: str) -> str:
    return f"deepgram-sidecar-{page}"


def url(page: str, source: str, pod: str = "${pod:queryparam}", extra: str = "") -> str:
    """The address of a page with the variables of the page `source`."""
    variables = _WITHOUT_JOB if "session" in (page, source) else _WITH_JOB
    return "&".join(filter(None, [f"/d/{uid(page)}?{variables}", pod, extra]))


def navigation(source: str) -> list[DashboardLink]:
    """The links at the top of the page `source`: the other pages and the runbook."""
    pages = [_link(TITLES[it], url(it, source)).keep_time(True) for it in TITLES if it != source]
    return [*pages, _link("Runbook", RUNBOOK).target_blank(True).icon("doc")]


def to_page(page: str, source: str, title: str = "") -> DashboardLink:
    """A panel's link to the page that explains it."""
    return _link(title or f"{TITLES[page]} page", f"{url(page, source)}&{TIME}")


def to_pod(source: str) -> DashboardLink:
    """From a value that has a pod to that pod's page."""
    pod = "var-pod=${__field.labels.pod}"
    return _link("This pod", f"{url('pod', source, pod)}&{TIME}")


def to_pod_of_row(source: str) -> DashboardLink:
    """The same from a row of a table."""
    pod = "var-pod=${__data.fields.pod}"
    return _link("This pod", f"{url('pod', source, pod)}&{TIME}")


def to_session_of_row(source: str) -> DashboardLink:
    """From a row of a table to that session's life."""
    session = "var-session_id=${__data.fields.session_id}"
    return _link("This session", f"{url('session', source, extra=session)}&{TIME}")


def to_runbook(alert: str) -> DashboardLink:
    """To what an alert means and what to do; without a name, to all of them."""
    if not alert:
        return _link("Runbook", RUNBOOK).target_blank(True)
    return _link(f"Runbook: {alert}", f"{RUNBOOK}#{alert.lower()}").target_blank(True)


def to_reasons() -> DashboardLink:
    return _link("What each reason means", f"{DOCS}/ipc-protocol.md").target_blank(True)


def to_trace(trace_id: str) -> DashboardLink:
    query = {"refId": "A", "queryType": "traceql", "query": trace_id}
    return _explore("Trace in Tempo", "${tempo_datasource}", query)


def to_logs(pod: str = "${pod:regex}", session_id: str = "") -> DashboardLink:
    """To the log lines of pods, by the container's name in the Helm chart, or of one session."""
    expr = f'{{container="deepgram-sidecar",pod=~"{pod}"}} | json'
    if session_id:
        expr += f' | session_id="{session_id}"'
    return _explore("Log lines in Loki", "${loki_datasource}", {"refId": "A", "expr": expr})


def _explore(title: str, datasource: str, query: dict[str, str]) -> DashboardLink:
    """A link into Explore, over the page's time range."""
    time = {"from": "${__from}", "to": "${__to}"}
    panes = {"a": {"datasource": datasource, "queries": [query], "range": time}}
    # Grafana substitutes what is between `${` and `}`, so it must stay unescaped.
    text = quote(json.dumps(panes, separators=(",", ":")), safe="${}_.:,[]()|")
    return _link(title, f"/explore?schemaVersion=1&panes={text}").target_blank(True)


def _link(title: str, target: str) -> DashboardLink:
    return DashboardLink(title).type(DashboardLinkType.LINK).icon("external link").url(target)
