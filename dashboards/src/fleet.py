"""The fleet page: is anyone losing words, since when, for which reason, on which pods."""

from grafana_foundation_sdk.models import units

from . import gate, limits
from . import links as to
from .page import Page
from .panels import Query, State, bars, series, stat, table, timeline
from .queries import (
    SELECTED_ALERTS,
    increase,
    largest,
    moved,
    over_range,
    rate,
    select,
    share,
    total,
)
from .variables import fleet_variables

NAME = "fleet"


def page() -> Page:
    return Page(
        name=NAME,
        description="Is anyone losing words? Since when, for which reason, on which pods?",
        variables=fleet_variables(),
        rows=[
            ("Now", [*_words(), *_presence()]),
            ("Is anyone losing words?", _lost()),
            ("Why do connections die?", _deaths()),
            ("What does silence cost?", gate.savings(NAME)),
            ("Sessions", _sessions()),
            ("Rollout", _rollout()),
        ],
    )


# Audio that an application gives up itself does not count against the objective, as in the alerts.
OURS = "!~after_finish|app_gone"


def _words() -> list:
    """What users would notice."""
    accepted = total(over_range("audio_ledger_seconds_total", account="accepted"))
    return [
        stat(
            "Words lost",
            "Audio that never became text, as a share of what applications sent, over the time range; without what "
            "they gave up themselves. The objective is 0.1 %. If red, see the row below for since when and which pods.",
            units.PercentUnit,
            share(total(over_range("audio_lost_seconds_total", cause=OURS)), accepted),
            limits=[limits.WORDS_LOST],
            links=[to.to_page("deepgram", NAME)],
            none="no audio",
        ).decimals(2),
        stat(
            "Deaths",
            "Connections to Deepgram that ended without being asked to, over the time range. A few are normal in a "
            "large fleet; a rising number is not. With recovery they cost no words: see the row on deaths.",
            units.Short,
            total(over_range("connection_deaths_total")),
            links=[to.to_page("deepgram", NAME)],
        ).decimals(0),
        stat(
            "KeepAlive breaches",
            "Pauses in sending longer than Deepgram's idle timeout. Zero is normal: the sidecar exists to prevent "
            "them. If not zero, check the KeepAlive row of the pod page.",
            units.Short,
            total(over_range("keepalive_gap_violations_total", gap_level="breach")),
            limits=[limits.KEEPALIVE_GAP],
            links=[to.to_page("pod", NAME)],
        ).decimals(0),
        stat(
            "Finalize errors",
            "Finalizes that failed or timed out, as a share of those requested: last words may be missing. Under 1 % "
            "is normal.",
            units.PercentUnit,
            share(
                total(over_range("finalize_errors_total")),
                total(over_range("finalize_requests_total")),
            ),
            limits=[limits.FINALIZE_ERRORS],
            links=[to.to_page("deepgram", NAME)],
            none="no finalizes",
        ).decimals(2),
        stat(
            "Stalled sessions",
            "Sessions that send audio but get no results right now. Zero is normal. The session page lists them.",
            units.Short,
            total(select("stalled_sessions")),
            limits=[limits.STALLED],
            links=[to.to_page("session", NAME), to.to_page("deepgram", NAME)],
        ),
        stat(
            "Firing alerts",
            "Alerts firing now for the pods on this page. The row on deaths shows their history.",
            units.Short,
            f'count(ALERTS{{{SELECTED_ALERTS},alertstate="firing"}}) or vector(0)',
            limits=[limits.ANY_ALERT],
            links=[to.to_page("deepgram", NAME)],
        ),
    ]


def _presence() -> list:
    """Whether the sidecars are up, and how full."""
    return [
        stat(
            "Sidecars up",
            "The share of sidecars that Prometheus could scrape. 100 % is normal.",
            units.PercentUnit,
            f"sum({select('up')}) / count({select('up')})",
            limits=[limits.DOWN],
            links=[to.to_page("pod", NAME)],
            none="no targets",
        ),
        stat(
            "Ready",
            "The share of sidecars that accept sessions; draining ones count as not ready. 100 % is normal outside "
            "rollouts.",
            units.PercentUnit,
            f"avg({select('ready')})",
            limits=[limits.NOT_READY],
            links=[to.to_page("pod", NAME)],
        ),
        stat(
            "Live sessions",
            "Streams that applications have open right now.",
            units.Short,
            total(select("sessions_active")),
            links=[to.to_page("session", NAME)],
        ),
        stat(
            "Fullest pod",
            "Live sessions as a share of the pod's limit, for the fullest pod. Above 85 %, spread the load or raise "
            "ipc.max_sessions.",
            units.PercentUnit,
            largest(_fill()),
            limits=[limits.SESSIONS_NEAR_LIMIT],
            links=[to.to_page("pod", NAME)],
        ).decimals(0),
        stat(
            "Sessions turned away",
            "OPENs refused because the pod was full, over the time range. Zero is normal.",
            units.Short,
            total(over_range("sessions_rejected_total", reason="limit")),
            limits=[limits.SESSIONS_REJECTED],
            links=[to.to_page("pod", NAME)],
        ).decimals(0),
        stat(
            "Versions",
            "Versions running. More than one is only normal during a rollout.",
            units.Short,
            f"count(count by (version) ({select('build_info')}))",
            limits=[limits.VERSION_SKEW],
        ),
    ]


def _fill() -> str:
    by = "job, namespace, pod, instance"
    return f"sum by ({by}) ({select('sessions_active')}) / on ({by}) {select('sessions_limit')}"


def _lost() -> list:
    accepted = total(rate("audio_ledger_seconds_total", account="accepted"))
    return [
        bars(
            "Audio lost by cause",
            "Seconds of audio that never became text, by cause. Empty is normal. `dead`: a connection died; "
            "`connect_failed`: no connection could be made; `app_gone`: the application left before the end.",
            units.Seconds,
            Query(
                moved(total(increase("audio_lost_seconds_total"), "cause")),
                "{{cause}}",
            ),
            links=[to.to_page("deepgram", NAME)],
            none="no audio was lost",
        ),
        series(
            "Words lost against the objective",
            "The share of audio being lost over time. The line is the objective: anything above it uses up the "
            "error budget.",
            units.PercentUnit,
            Query(share(total(rate("audio_lost_seconds_total", cause=OURS)), accepted), "lost"),
            limits=[limits.WORDS_LOST],
            links=[to.to_page("deepgram", NAME)],
            none="no audio",
        ),
        table(
            "Pods that lose audio",
            "The ten pods that lost the most over the time range. One pod: its node or its rollout. All pods: "
            "Deepgram, the network or the account.",
            units.Seconds,
            Query(f"topk(10, {moved(total(over_range('audio_lost_seconds_total'), 'namespace, pod'))})"),
            columns={"namespace": "namespace", "pod": "pod", "Value": "lost"},
            row_links={"pod": [to.to_pod_of_row(NAME)]},
            none="no audio was lost",
        ),
        series(
            "Audio accepted, final, gated, lost and unknown",
            "Seconds of audio per second: accepted from applications, turned into final text, held back by VAD gates, "
            "lost; and unknown, of which Deepgram did not say whether it was processed. Final and gated lag accepted a "
            "little; if they stay lower, something is stuck.",
            units.Short,
            Query(total(rate("audio_ledger_seconds_total"), "account"), "{{account}}"),
            links=[to.to_page("deepgram", NAME)],
            width=12,
        ),
        bars(
            "Bytes lost by cause",
            "The same loss in bytes, which includes encodings without a known duration, such as containers: they are "
            "missing from panels that count seconds. Empty is normal.",
            units.BytesIEC,
            Query(moved(total(increase("audio_lost_bytes_total"), "cause")), "{{cause}}"),
            none="no audio was lost",
            width=12,
        ),
    ]


def _deaths() -> list:
    deaths = "connection_deaths_total"
    day_before = f"increase({select(deaths, '$__range')} offset 1d)"
    now = total(over_range(deaths), "reason")
    before = f"(sum by (reason) ({day_before}) or {now} * 0)"
    return [
        bars(
            "Deaths by reason",
            "Why connections died, and since when. The dots are traces of sessions that died. `net_0001_idle` should "
            "never appear. The alert counts over ten minutes; the line is its threshold.",
            units.Short,
            Query(moved(total(increase(deaths), "reason")), "{{reason}}", exemplar=True),
            limits=[limits.DEATHS],
            links=[to.to_reasons(), to.to_page("deepgram", NAME)],
            none="no connection died",
            width=12,
        ),
        timeline(
            "Alerts",
            "Alerts for these pods: since when, and whether they still fire. Each has a section in the runbook.",
            Query(_alert_states(), "{{alertname}}"),
            states={1: State("pending", limits.YELLOW), 2: State("firing", limits.RED)},
            links=[to.to_page("deepgram", NAME)],
            none="no alert is pending or firing",
            width=12,
        ),
        table(
            "Deaths in full",
            "Reason: the cause. Trigger: which operation detected it. Class: who must act; `account` is whoever owns "
            "the Deepgram contract.",
            units.Short,
            Query(moved(total(over_range(deaths), "reason, trigger, class"))),
            columns={"class": "class", "reason": "reason", "trigger": "trigger", "Value": "deaths"},
            row_links={"reason": [to.to_reasons(), to.to_page("deepgram", NAME)]},
            none="no connection died",
        ),
        table(
            "Deaths against the day before",
            "More or fewer deaths than at the same time the day before, by reason: what is new. Without a day of "
            "history, all count as new.",
            units.Short,
            Query(f"{now} - {before} != 0"),
            columns={"reason": "reason", "Value": "more than before"},
            row_links={"reason": [to.to_reasons()]},
            none="as many as the day before",
        ),
        table(
            "Pods with deaths",
            "The ten pods with the most deaths over the time range.",
            units.Short,
            Query(f"topk(10, {moved(total(over_range(deaths), 'namespace, pod'))})"),
            columns={"namespace": "namespace", "pod": "pod", "Value": "deaths"},
            row_links={"pod": [to.to_pod_of_row(NAME)]},
            none="no connection died",
        ),
        bars(
            "Recoveries by outcome",
            "What became of sessions whose connection died: `recovered`, and no word was lost unless the row above "
            "says so; `failed`, and the session has ended. Sessions in `latch` mode are in neither.",
            units.Short,
            Query(total(increase("recoveries_total"), "outcome"), "{{outcome}}"),
            links=[to.to_page("deepgram", NAME)],
            width=12,
        ),
        series(
            "Sessions that reconnect",
            "Sessions that have no connection that answers right now. Zero is normal.",
            units.Short,
            Query(total(select("sessions_active", state="reconnecting")), "reconnecting"),
            links=[to.to_page("session", NAME), to.to_page("deepgram", NAME)],
            width=12,
        ),
    ]


def _alert_states() -> str:
    """2 while an alert fires, 1 while it is only pending."""
    firing = f'ALERTS{{{SELECTED_ALERTS},alertstate="firing"}}'
    pending = f'ALERTS{{{SELECTED_ALERTS},alertstate="pending"}}'
    return f"max by (alertname) ({firing} * 2 or {pending})"


def _sessions() -> list:
    return [
        series(
            "Sessions by state",
            "Live sessions by state. Most should be open. If many stay in connecting or closing, Deepgram is slow; "
            "dead ones are waiting for their application to leave.",
            units.Short,
            Query(total(select("sessions_active"), "state"), "{{state}}"),
            links=[to.to_page("session", NAME)],
        ),
        series(
            "Opened and ended",
            "Sessions per second: accepted, and ended by outcome. `finished` is the normal end.",
            units.CountsPerSecond,
            Query(total(rate("sessions_opened_total")), "opened"),
            Query(total(rate("sessions_ended_total"), "outcome"), "{{outcome}}"),
        ),
        series(
            "Fill of each pod",
            "Live sessions as a share of the pod's limit. The line is the alert threshold.",
            units.PercentUnit,
            Query(_fill(), "{{pod}}"),
            limits=[limits.SESSIONS_NEAR_LIMIT],
            links=[to.to_pod(NAME)],
        ),
        bars(
            "Sessions refused by reason",
            "Refused OPENs. `limit`: the pod is full; `draining`: it is shutting down; `invalid_request`: a client "
            "error; `peer`: a client that is not allowed.",
            units.Short,
            Query(total(increase("sessions_rejected_total"), "reason"), "{{reason}}"),
            links=[to.to_page("pod", NAME)],
        ),
        bars(
            "Sessions aborted by cause",
            "Sessions ended by the application: it left, broke the protocol, or did not read.",
            units.Short,
            Query(total(increase("sessions_aborted_total"), "cause"), "{{cause}}"),
            links=[to.to_page("pod", NAME)],
        ),
        series(
            "Parked and resumed",
            "Sessions whose idle connection was closed because the keepalive budget was used up, and those that "
            "resumed on new audio.",
            units.CountsPerSecond,
            Query(total(rate("sessions_parked_total")), "parked"),
            Query(total(rate("sessions_resumed_total")), "resumed"),
        ),
    ]


def _rollout() -> list:
    return [
        series(
            "Sidecars by version",
            "Sidecars running each version.",
            units.Short,
            Query(f"count by (version, revision) ({select('build_info')})", "{{version}} {{revision}}"),
            links=[to.to_page("pod", NAME)],
        ),
        series(
            "Restarts",
            "Sidecar restarts, by pod. Zero is normal outside rollouts.",
            units.Short,
            Query(
                f"sum by (pod) (changes({select('process_start_time_seconds', '$__rate_interval')}))",
                "{{pod}}",
            ),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Not ready, draining",
            "Sidecars that accept no sessions, and those of them that are shutting down.",
            units.Short,
            Query(f"sum({select('ready')} == bool 0)", "not ready"),
            Query(total(select("draining")), "draining"),
            links=[to.to_page("pod", NAME)],
        ),
    ]
