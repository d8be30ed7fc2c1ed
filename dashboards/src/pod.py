"""The pod page: what one sidecar, or a few, are doing, and whether the trouble is theirs."""

from grafana_foundation_sdk.models import units

from . import limits, process
from . import links as to
from .page import Page
from .panels import Query, bars, heatmap, series, stat
from .queries import (
    buckets,
    increase,
    largest,
    moved,
    over_range,
    quantile,
    rate,
    select,
    share,
    total,
)
from .variables import fleet_variables, logs

NAME = "pod"


def page() -> Page:
    return Page(
        name=NAME,
        description="What are these sidecars doing, and is the trouble theirs?",
        variables=[*fleet_variables(), logs()],
        rows=[
            ("Now", _now()),
            ("Applications", _applications()),
            ("Sessions", _sessions()),
            ("KeepAlive", _keepalive()),
            ("Queues and back-pressure", _queues()),
            ("Process", process.resources()),
            ("Telemetry", process.telemetry()),
        ],
    )


def _now() -> list:
    return [
        stat(
            "Ready",
            "The share of these pods that take sessions. If not 100 %, /readyz of the pod names what blocks it.",
            units.PercentUnit,
            f"avg({select('ready')})",
            limits=[limits.NOT_READY],
        ),
        stat(
            "Live sessions",
            "Streams that applications have open on these pods.",
            units.Short,
            total(select("sessions_active")),
            links=[to.to_page("session", NAME)],
        ),
        stat(
            "Seconds lost",
            "Audio of these pods that never became text, over the time shown. None is normal; the fleet page says why.",
            units.Seconds,
            total(over_range("audio_lost_seconds_total")),
            links=[to.to_page("fleet", NAME)],
        ),
        stat(
            "Longest silence now",
            "Time since the last send on the connection that has been silent for longest. With the default interval "
            "it stays near 5 s; Deepgram closes at 10.",
            units.Seconds,
            largest(select("send_age_max_seconds")),
            links=[to.to_page("session", NAME)],
        ).decimals(1),
        stat(
            "Started",
            "When the youngest of these pods started. A time that nobody expects is a restart.",
            units.DateTimeFromNow,
            largest(select("process_start_time_seconds")) + " * 1000",
        ).graph_mode("none"),
        stat(
            "Panics",
            "Bugs of the sidecar, over the time shown. None is normal: send the log line to its maintainers.",
            units.Short,
            total(over_range("panics_total")),
            limits=[limits.PANICKED],
            links=[to.to_logs()],
        ).decimals(0),
    ]


def _applications() -> list:
    return [
        series(
            "Connected applications",
            "Connections of applications that are open, by pod. None means that the application does not use its "
            "sidecar.",
            units.Short,
            Query(total(select("app_connections_active"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Connections by result",
            "Connections of applications per second, by what became of them. `rejected_peer`: a user or group that "
            "is not allowed.",
            units.CountsPerSecond,
            Query(total(rate("app_connections_total"), "result"), "{{result}}"),
        ),
        bars(
            "Connections without a session",
            "Accepted connections that ended without an OPEN, by cause: a client that connects too early, or a probe.",
            units.Short,
            Query(total(increase("app_connections_unopened_total"), "cause"), "{{cause}}"),
        ),
        bars(
            "Errors told to applications",
            "ERROR frames by code. Frames and OPENs that the protocol does not know mean a broken client library.",
            units.Short,
            Query(moved(total(increase("app_protocol_errors_total"), "code")), "{{code}}"),
            links=[to.to_logs()],
            none="no application got an error",
        ),
        bars(
            "Applications that did not read",
            "Sessions ended because the application left its socket unread. None is normal: it lost its transcripts.",
            units.Short,
            Query(total(increase("app_stalls_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Delivery to applications",
            "Time from a message read to all of it written to the application. Under 1 ms is normal; more means a "
            "slow application or a busy pod.",
            units.Seconds,
            Query(quantile(0.5, "app_delivery_latency_seconds"), "p50"),
            Query(quantile(0.99, "app_delivery_latency_seconds"), "p99"),
            none="nothing was delivered",
        ),
    ]


def _sessions() -> list:
    return [
        series(
            "Sessions by pod",
            "Live sessions of each pod. Very uneven numbers mean that the applications' load is.",
            units.Short,
            Query(total(select("sessions_active"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME), to.to_page("session", NAME)],
        ),
        heatmap(
            "How long sessions last",
            "Sessions that ended, by their duration. A band at seconds is instant failure; one at an hour is a cap "
            "of the application's or Deepgram's.",
            units.Seconds,
            buckets("session_duration_seconds"),
        ),
        heatmap(
            "Audio of each session",
            "Audio that each ended session had received. Much less than its duration means that it lived on "
            "keepalives.",
            units.Seconds,
            buckets("session_audio_seconds"),
        ),
        series(
            "Audio in and out",
            "Bytes of audio per second from applications, and to Deepgram. They lie on each other, except while a "
            "connection is made or after a death.",
            units.BytesPerSecondIEC,
            Query(total(rate("audio_received_bytes_total")), "from applications"),
            Query(total(rate("audio_sent_bytes_total")), "to Deepgram"),
        ),
        series(
            "Audio frames",
            "AUDIO frames from applications per second. Ten to fifty for each session that speaks are usual.",
            units.CountsPerSecond,
            Query(total(rate("audio_frames_received_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        bars(
            "Sessions without an end",
            "Sessions whose task ended without their books: a forced exit, or a bug. None is normal.",
            units.Short,
            Query(total(increase("sessions_cancelled_total"), "pod"), "{{pod}}"),
            links=[to.to_logs()],
        ),
    ]


def _keepalive() -> list:
    return [
        series(
            "Longest silence against the deadline",
            "Time since the last send, for the connection that has been silent for longest; when a keepalive is due; "
            "when Deepgram closes. The first stays near the second.",
            units.Seconds,
            Query(largest(select("send_age_max_seconds"), "pod"), "{{pod}}"),
            Query(largest(select("keepalive_interval_seconds")), "keepalive due"),
            Query(largest(select("keepalive_deadline_seconds")), "Deepgram closes"),
            links=[to.to_page("session", NAME)],
        ),
        bars(
            "Gap violations",
            "Pauses that came near Deepgram's idle window (80 %) or broke it. None is normal. Look for lateness, "
            "blocked writes and runtime lag at the same time.",
            units.Short,
            Query(total(increase("keepalive_gap_violations_total"), "level"), "{{level}}"),
            limits=[limits.KEEPALIVE_GAP, limits.KEEPALIVE_NEAR_MISS],
            links=[to.to_page("session", NAME)],
        ),
        series(
            "KeepAlives sent",
            "KeepAlives per second, by kind: `text` on /v1/listen, `ping` on /v2/listen. None while sessions are idle "
            "would be a fault.",
            units.CountsPerSecond,
            Query(total(rate("keepalives_sent_total"), "kind"), "{{kind}}"),
        ),
        bars(
            "KeepAlives not written",
            "Keepalives that were due and not written. `write_blocked`: Deepgram or the network takes nothing; "
            "`socket_error`: the connection is gone.",
            units.Short,
            Query(total(increase("keepalive_errors_total"), "reason"), "{{reason}}"),
            links=[to.to_page("deepgram", NAME)],
        ),
        series(
            "Lateness of keepalives",
            "How much later than due a keepalive was asked for. Milliseconds are normal; more is a busy or throttled "
            "pod.",
            units.Seconds,
            Query(quantile(0.5, "keepalive_lateness_seconds"), "p50"),
            Query(quantile(0.99, "keepalive_lateness_seconds"), "p99"),
            none="no keepalive was due",
        ),
        heatmap(
            "Pauses between sends",
            "Pauses of half a second or more. All of them end near the keepalive interval or before; the row at 10 s "
            "is Deepgram's limit.",
            units.Seconds,
            buckets("send_gap_seconds"),
        ),
        heatmap(
            "Longest silence of each session",
            "The longest pause towards Deepgram that each ended session had.",
            units.Seconds,
            buckets("session_max_send_gap_seconds"),
            width=12,
        ),
        heatmap(
            "KeepAlives of each session",
            "KeepAlives that each ended session had needed: who lives on them.",
            units.Short,
            buckets("session_keepalives"),
            width=12,
        ),
    ]


def _queues() -> list:
    fill = f"{select('queue_session_max_bytes')} / {select('queue_limit_bytes')}"
    return [
        series(
            "Fullest queue",
            "What waits in the session with most of it, as a share of what may. Full queues stop the reading of the "
            "other side.",
            units.PercentUnit,
            Query(largest(fill, "queue"), "{{queue}}"),
            limits=[limits.QUEUE_NEAR_LIMIT],
            links=[to.to_page("session", NAME)],
        ),
        series(
            "Bytes that wait",
            "Bytes that wait to be written, over all sessions. Near zero is normal.",
            units.BytesIEC,
            Query(total(select("queue_bytes"), "queue"), "{{queue}}"),
            links=[to.to_page("session", NAME)],
        ),
        series(
            "Time that writes were blocked",
            "Seconds per second that writes stayed blocked, by the slow side. It shows who is slow: `app` or "
            "`upstream`.",
            units.Short,
            Query(total(rate("backpressure_seconds_total"), "side"), "{{side}}"),
            links=[to.to_page("deepgram", NAME)],
        ),
        bars(
            "What was dropped",
            "Frames and messages that were dropped, and why. Audio after a death is the usual case.",
            units.Short,
            Query(moved(total(increase("dropped_total"), "what, reason")), "{{what}}: {{reason}}"),
            links=[to.to_page("fleet", NAME)],
            none="nothing was dropped",
            width=12,
        ),
        series(
            "Share of audio that was dropped",
            "Bytes of audio given up, as a share of those received, by pod.",
            units.PercentUnit,
            Query(
                share(total(rate("audio_lost_bytes_total"), "pod"), total(rate("audio_received_bytes_total"), "pod")),
                "{{pod}}",
            ),
            links=[to.to_pod(NAME), to.to_page("fleet", NAME)],
            none="no audio",
            width=12,
        ),
    ]
