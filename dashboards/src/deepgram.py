"""The Deepgram page: is Deepgram healthy, as seen from here, or is it the network or the account."""

from collections.abc import Callable

from grafana_foundation_sdk.models import units

from . import limits, recovery
from . import links as to
from .page import Page
from .panels import Query, bars, heatmap, series, stat, table
from .queries import (
    buckets,
    increase,
    largest,
    median_over_range,
    moved,
    over_range,
    quantile,
    rate,
    select,
    share,
    total,
)
from .variables import fleet_variables, logs

NAME = "deepgram"
ATTEMPTS = "upstream_connect_attempts_total"
WITHHELD = "upstream_dials_withheld_total"
ACCOUNT = "~http_401|http_402|http_403"


def page() -> Page:
    return Page(
        name=NAME,
        description="Is Deepgram healthy, as seen from here? Or is it the network, or the account?",
        variables=[*fleet_variables(), logs()],
        rows=[
            ("Now", _now()),
            ("Connecting", _connecting()),
            ("How connections end", _ends()),
            ("Recovery", [*recovery.outcomes(), *recovery.costs()]),
            ("Transcripts", _transcripts()),
            ("Finalize", _finalize()),
            ("Traffic", _traffic()),
        ],
    )


def _now() -> list:
    return [
        stat(
            "Connections up",
            "Live connections to Deepgram. They count against the account's limit.",
            units.Short,
            total(select("upstream_connections_active")),
            links=[to.to_page("session", NAME)],
        ),
        stat(
            "Failed attempts to connect",
            "As a share of all attempts, dialled or not, over the time range. Under 1 % is normal. The row below shows "
            "why they fail.",
            units.PercentUnit,
            _failed(over_range),
            limits=[limits.CONNECT_FAILURES],
            none="no attempts",
        ).decimals(1),
        stat(
            "Refused by the account",
            "Attempts answered with 401, 402 or 403, over the time range: the key, the credit or its permissions. "
            "Zero is normal.",
            units.Short,
            total(over_range(ATTEMPTS, reason=ACCOUNT)),
            limits=[limits.REFUSED],
        ).decimals(0),
        stat(
            "Over the limit",
            "Attempts answered with 429, over the time range: more concurrent streams than the account allows.",
            units.Short,
            total(over_range(ATTEMPTS, reason="http_429")),
            limits=[limits.RATE_LIMITED],
        ).decimals(0),
        stat(
            "Transcript lag, p95",
            "How far interim results are behind the audio sent. Half a second is normal.",
            units.Seconds,
            quantile(0.95, "transcript_latency_seconds", kind="interim"),
            limits=[limits.TRANSCRIPT_LATENCY],
            none="no interim results",
        ),
        stat(
            "Finalize, p95",
            "Time from a Finalize to the result that answers it. A few hundred milliseconds is normal.",
            units.Seconds,
            quantile(0.95, "finalize_latency_seconds"),
            limits=[limits.FINALIZE_SLOW],
            none="no finalizes",
        ),
    ]


def _connecting() -> list:
    return [
        series(
            "Attempts to connect by result",
            "Attempts per second. `ok` is normal; `dns`, `tcp`, `tls` and `timeout` point to the network, `http_4xx` "
            "to the account or the request, `http_5xx` to Deepgram.",
            units.CountsPerSecond,
            Query(total(rate(ATTEMPTS), "result, reason"), "{{result}}: {{reason}}"),
        ),
        bars(
            "Refusals by status",
            "Upgrades that Deepgram refused, by HTTP status. 401: key; 402: credit; 403: permissions; 429: too many "
            "streams; 400: a parameter; 5xx: Deepgram.",
            units.Short,
            Query(moved(total(increase(ATTEMPTS, reason="~http_.*"), "reason")), "{{reason}}"),
            limits=[limits.REFUSED],
            links=[to.to_logs()],
            none="nothing was refused",
        ),
        series(
            "Share of attempts that fail",
            "Those that were not dialled count too. The line is the alert threshold.",
            units.PercentUnit,
            Query(_failed(rate), "failed"),
            limits=[limits.CONNECT_FAILURES],
            none="no attempts",
        ),
        series(
            "Time to connect by phase, p95",
            "Which phase is slow: `queued` is behind other sessions' dials, `dns` and `tcp` are the network, `tls` the "
            "distance and CPU, `upgrade` Deepgram.",
            units.Seconds,
            Query(quantile(0.95, "upstream_connect_duration_seconds", "phase"), "{{phase}}"),
            none="no attempts succeeded",
        ),
        series(
            "Dials held back",
            "Sidecars that dial nothing but single probes, by what holds them back: the credential is refused, "
            "Deepgram is busy or broken, or the sidecar is out of its own resources.",
            units.Short,
            Query(total(select("upstream_dials_held"), "blocker"), "{{blocker}}"),
        ),
        series(
            "Sessions that wait to dial",
            "Sessions in line, behind other sessions' dials or for the next probe; each waits a minute at most.",
            units.Short,
            Query(total(select("upstream_dials_waiting")), "waiting"),
        ),
        bars(
            "Attempts without a dial",
            "Sessions told what others had just been told, instead of dialling for the same refusal.",
            units.Short,
            Query(moved(total(increase(WITHHELD), "reason")), "{{reason}}"),
        ),
        series(
            "Audio that waited for a connection, p95",
            "Audio received before the connection was up. More than a second is noticeable as a late first word.",
            units.Seconds,
            Query(quantile(0.95, "connect_buffered_audio_seconds"), "p95"),
            none="no connection came up",
        ),
        series(
            "Ping round trip",
            "Time from a ping to its pong, end to end, and how long the oldest ping has waited for its pong. A jump "
            "means a route change or a busy network; a wait that climbs is a half-open link, which dies at "
            "liveness.ping_timeout.",
            units.Seconds,
            Query(quantile(0.5, "upstream_ping_rtt_seconds"), "p50"),
            Query(quantile(0.99, "upstream_ping_rtt_seconds"), "p99"),
            Query(largest(select("upstream_ping_pending_max_seconds")), "longest wait"),
            none="no pings",
        ),
    ]


def _failed(over: Callable[..., str]) -> str:
    """The share of attempts that failed. Those that were not dialled are a failure of their session all the same."""
    withheld = total(over(WITHHELD))
    failed = f"({total(over(ATTEMPTS, result='failed'))} + {withheld})"
    return share(failed, f"({total(over(ATTEMPTS))} + {withheld})")


def _ends() -> list:
    return [
        bars(
            "Deaths by reason",
            "What killed connections. The dots are traces of sessions that died.",
            units.Short,
            Query(moved(total(increase("connection_deaths_total"), "reason")), "{{reason}}", exemplar=True),
            limits=[limits.DEATHS],
            links=[to.to_reasons(), to.to_page("fleet", NAME)],
            none="no connection died",
        ),
        bars(
            "Deaths by stage and class",
            "At which stage of their life connections die, and who must act.",
            units.Short,
            Query(moved(total(increase("connection_deaths_by_stage_total"), "stage, class")), "{{stage}}: {{class}}"),
            links=[to.to_reasons()],
            none="no connection died",
        ),
        series(
            "Closes by code",
            "Connections closed by Deepgram, requested or not: the close code, and Deepgram's own code. 1000 is "
            "normal; `net_0001` means that Deepgram heard nothing from us for too long.",
            units.CountsPerSecond,
            Query(moved(total(rate("upstream_closes_total"), "code, dg_code")), "{{code}} {{dg_code}}"),
            none="no connection ended",
        ),
        table(
            "Age at death",
            "Median age of connections when they died, by reason. Equal ages point to a timer.",
            units.Seconds,
            Query(median_over_range("connection_age_at_death_seconds", "reason")),
            columns={"reason": "reason", "Value": "median age"},
            row_links={"reason": [to.to_reasons()]},
            none="no connection died",
        ),
        table(
            "Silence before death",
            "Median time since the last send and since the last receive, by reason. If ours is long, we were late; "
            "if theirs is long, Deepgram or the network was gone.",
            units.Seconds,
            Query(median_over_range("death_send_age_seconds", "reason")),
            Query(median_over_range("death_receive_age_seconds", "reason")),
            columns={"reason": "reason", "Value #A": "our silence", "Value #B": "their silence"},
            row_links={"reason": [to.to_reasons()]},
            none="no connection died",
            width=16,
        ),
    ]


def _transcripts() -> list:
    results = total(rate("upstream_messages_total", direction="received", type="~results_.*"))
    return [
        series(
            "Interim results behind audio",
            "How far interim results are behind the audio sent. The dots are traces. The line is the alert threshold.",
            units.Seconds,
            *_quantiles("transcript_latency_seconds", kind="interim"),
            limits=[limits.TRANSCRIPT_LATENCY],
            links=[to.to_page("session", NAME)],
            none="no interim results",
        ),
        series(
            "Final results behind audio",
            "The same for final results, which wait for the end of an utterance: seconds are normal.",
            units.Seconds,
            *_quantiles("transcript_latency_seconds", kind="final"),
            links=[to.to_page("session", NAME)],
            none="no final results",
        ),
        series(
            "First result",
            "Time from a session's first audio to its first result.",
            units.Seconds,
            *_quantiles("first_result_seconds"),
            none="no first results",
        ),
        series(
            "Results for each second of audio",
            "About one to two with interim results. If it falls while audio continues, results are stalling.",
            units.Short,
            Query(share(results, total(rate("audio_seconds_total"))), "results"),
            none="no audio",
        ),
        series(
            "Stalled sessions",
            "Sessions that send audio but get no results. The line is the alert threshold.",
            units.Short,
            Query(total(select("stalled_sessions")), "stalled"),
            limits=[limits.STALLED],
            links=[to.to_page("session", NAME)],
        ),
        bars(
            "Stalls that are over",
            "How stalls ended: `recovered`, or because the connection or the session ended.",
            units.Short,
            Query(total(increase("transcript_stalls_total"), "outcome"), "{{outcome}}"),
        ),
    ]


def _quantiles(histogram: str, **labels: str) -> list[Query]:
    """p50 and p95, and the traces behind the slow ones."""
    return [
        Query(quantile(0.5, histogram, **labels), "p50"),
        Query(quantile(0.95, histogram, **labels), "p95", exemplar=True),
        Query(quantile(0.99, histogram, **labels), "p99"),
    ]


def _finalize() -> list:
    errors, requests = total(rate("finalize_errors_total")), total(rate("finalize_requests_total"))
    return [
        series(
            "Finalize round trip",
            "Time from a Finalize to the result that answers it. The dots are traces. The line is the alert threshold.",
            units.Seconds,
            *_quantiles("finalize_latency_seconds"),
            limits=[limits.FINALIZE_SLOW],
            links=[to.to_page("session", NAME)],
            none="no finalizes",
        ),
        series(
            "Finalizes asked for and answered",
            "Per second. Answered should track asked for; the rest failed, were skipped, or are in flight.",
            units.CountsPerSecond,
            Query(requests, "asked for"),
            Query(total(rate("finalizes_answered_total")), "answered"),
        ),
        series(
            "Share of finalizes that fail",
            "Failed or timed out. The line is the alert threshold.",
            units.PercentUnit,
            Query(share(errors, requests), "failed"),
            limits=[limits.FINALIZE_ERRORS],
            none="no finalizes",
        ),
        bars(
            "Finalizes failed or skipped",
            "`timeout`: no answer; `write_failed`: could not be written. Skipped ones are not errors: the connection "
            "was dead, or died first.",
            units.Short,
            Query(total(increase("finalize_errors_total"), "reason"), "failed: {{reason}}"),
            Query(total(increase("finalizes_skipped_total"), "cause"), "skipped: {{cause}}"),
        ),
        series(
            "Finalizes in flight",
            "Finalizes still awaiting an outcome. If it keeps growing, Deepgram is not answering.",
            units.Short,
            Query(total(select("finalize_inflight")), "in flight"),
        ),
        heatmap(
            "Finalize errors of each session",
            "Failed or unanswered finalizes per ended session: is it one session or all of them?",
            units.Short,
            buckets("session_finalize_errors"),
        ),
    ]


def _traffic() -> list:
    return [
        series(
            "Messages from Deepgram",
            "Per second, by type. If a type disappears, or `other` appears, something changed at Deepgram.",
            units.CountsPerSecond,
            Query(moved(total(rate("upstream_messages_total", direction="received"), "type")), "{{type}}"),
            none="no messages",
        ),
        series(
            "Messages to Deepgram",
            "Per second, by type.",
            units.CountsPerSecond,
            Query(moved(total(rate("upstream_messages_total", direction="sent"), "type")), "{{type}}"),
            none="no messages",
        ),
        series(
            "Bytes on the wire",
            "Bytes per second to and from Deepgram, TLS included.",
            units.BytesPerSecondIEC,
            Query(total(rate("upstream_bytes_total"), "direction"), "{{direction}}"),
        ),
        series(
            "Audio in flight",
            "Seconds of audio accepted but neither final nor lost yet: what would be lost if connections died now.",
            units.Seconds,
            Query(total(select("audio_in_flight_seconds")), "in flight"),
            links=[to.to_page("session", NAME)],
        ),
        series(
            "Deepgram's voice",
            "Bytes per second of Deepgram's binary messages, by endpoint: what applications are given to play.",
            units.BytesPerSecondIEC,
            Query(total(rate("upstream_voice_bytes_total"), "endpoint"), "{{endpoint}}"),
        ),
        bars(
            "API key reloads",
            "Reloads of a changed key file. On `failed` the old key stays in use: check the file.",
            units.Short,
            Query(total(increase("api_key_reloads_total"), "result"), "{{result}}"),
            links=[to.to_logs()],
        ),
    ]
