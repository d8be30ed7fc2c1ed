"""The pod page: what one or a few sidecars are doing, and whether they are the problem."""

from grafana_foundation_sdk.models import units

from . import gate, limits, process
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
        description="What are these sidecars doing, and are they the problem?",
        variables=[*fleet_variables(), logs()],
        rows=[
            ("Now", _now()),
            ("Applications", _applications()),
            ("Sessions", _sessions()),
            ("KeepAlive", _keepalive()),
            ("VAD gate", gate.workings(NAME)),
            ("Preludes", gate.preludes(NAME)),
            ("Queues and back-pressure", _queues()),
            ("Process", process.resources()),
            ("Telemetry", process.telemetry()),
        ],
    )


def _now() -> list:
    return [
        stat(
            "Ready",
            "The share of these pods that accept sessions. If below 100 %, the pod's /readyz says why.",
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
            "Audio on these pods that never became text, over the time range. Zero is normal; the fleet page says why.",
            units.Seconds,
            total(over_range("audio_lost_seconds_total")),
            links=[to.to_page("fleet", NAME)],
        ),
        stat(
            "Longest silence now",
            "Time since the last send, for the connection that has been silent longest. With the default interval it "
            "stays near 5 s; Deepgram closes at 10 s.",
            units.Seconds,
            largest(select("send_age_max_seconds")),
            links=[to.to_page("session", NAME)],
        ).decimals(1),
        stat(
            "Started",
            "When the most recently started of these pods started. An unexpected time is a restart.",
            units.DateTimeFromNow,
            largest(select("process_start_time_seconds")) + " * 1000",
        ).graph_mode("none"),
        stat(
            "Panics",
            "Bugs in the sidecar, over the time range. Zero is normal: send the log line to the maintainers.",
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
            "Open connections from applications, by pod. Zero means that the application is not using its sidecar.",
            units.Short,
            Query(total(select("app_connections_active"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Connections by result",
            "Connections from applications per second, by result. `rejected_peer`: the user or group is not allowed.",
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
            "ERRORs by code, in either dialect. Invalid frames or OPENs mean a broken client library.",
            units.Short,
            Query(moved(total(increase("app_protocol_errors_total"), "code")), "{{code}}"),
            links=[to.to_logs()],
            none="no application got an error",
        ),
        bars(
            "Applications that did not read",
            "Sessions ended because the application did not read its socket, or answered no Ping. Zero is normal: it "
            "lost its transcripts.",
            units.Short,
            Query(total(increase("app_stalls_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Delivery to applications",
            "Time from reading a message to having written it to the application. Under 1 ms is normal; more means a "
            "slow application or a busy pod.",
            units.Seconds,
            Query(quantile(0.5, "app_delivery_latency_seconds"), "p50"),
            Query(quantile(0.99, "app_delivery_latency_seconds"), "p99"),
            none="nothing was delivered",
        ),
        *_compatible(),
    ]


def _compatible() -> list:
    """Applications that use one of Deepgram's SDKs."""
    return [
        bars(
            "Sessions by SDK",
            "Sessions accepted, by the SDK that their application uses; `none` is the sidecar's own protocol, `other` "
            "a User-Agent that is not one of Deepgram's SDKs. While applications move to the sidecar, this is how far "
            "they are.",
            units.Short,
            Query(total(increase("sessions_opened_total"), "dialect, sdk"), "{{dialect}} {{sdk}}"),
        ),
        bars(
            "Requests refused by status",
            "Requests for a WebSocket that the sidecar itself refused. 404: the SDK's base URL has a path of its own. "
            "403: no token, or a browser. 409: the session id is in use.",
            units.Short,
            Query(total(increase("app_requests_refused_total"), "status"), "{{status}}"),
            links=[to.to_logs()],
        ),
        series(
            "KeepAlives of the applications' own",
            "KeepAlives per second that SDKs and wrappers send by themselves. The sidecar does not pass them on, "
            "because it sends its own: they can be switched off.",
            units.CountsPerSecond,
            Query(total(rate("app_keepalives_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
    ]


def _sessions() -> list:
    return [
        series(
            "Sessions by pod",
            "Live sessions on each pod. Very uneven numbers mean that the applications' load is uneven.",
            units.Short,
            Query(total(select("sessions_active"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME), to.to_page("session", NAME)],
        ),
        heatmap(
            "How long sessions last",
            "Ended sessions by duration. A band at a few seconds means instant failures; one at an hour is a limit of "
            "the application or of Deepgram.",
            units.Seconds,
            buckets("session_duration_seconds"),
        ),
        heatmap(
            "Audio of each session",
            "Audio received per ended session. If much less than its duration, the session was kept alive mostly by "
            "keepalives.",
            units.Seconds,
            buckets("session_audio_seconds"),
        ),
        series(
            "Audio in and out",
            "Bytes of audio per second from applications and to Deepgram. The lines overlap, except while connecting, "
            "after a death, or where a VAD gate holds silence back.",
            units.BytesPerSecondIEC,
            Query(total(rate("audio_received_bytes_total")), "from applications"),
            Query(total(rate("audio_sent_bytes_total")), "to Deepgram"),
        ),
        series(
            "Audio frames",
            "AUDIO frames from applications per second. Ten to fifty per session with audio is normal.",
            units.CountsPerSecond,
            Query(total(rate("audio_frames_received_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        bars(
            "Sessions without an end",
            "Sessions whose task ended without a summary: a forced exit, or a bug. Zero is normal.",
            units.Short,
            Query(total(increase("sessions_cancelled_total"), "pod"), "{{pod}}"),
            links=[to.to_logs()],
        ),
    ]


def _keepalive() -> list:
    return [
        series(
            "Longest silence against the deadline",
            "Time since the last send, for the connection that has been silent longest; when a keepalive is due; "
            "when Deepgram closes. The first should not go far above the second.",
            units.Seconds,
            Query(largest(select("send_age_max_seconds"), "pod"), "{{pod}}"),
            Query(largest(select("keepalive_interval_seconds")), "keepalive due"),
            Query(largest(select("keepalive_deadline_seconds")), "Deepgram closes"),
            links=[to.to_page("session", NAME)],
        ),
        bars(
            "Gap violations",
            "Pauses that reached 80 % of Deepgram's idle timeout, or exceeded it. Zero is normal. Look for lateness, "
            "blocked writes and runtime lag at the same time.",
            units.Short,
            Query(total(increase("keepalive_gap_violations_total"), "gap_level"), "{{gap_level}}"),
            limits=[limits.KEEPALIVE_GAP, limits.KEEPALIVE_NEAR_MISS],
            links=[to.to_page("session", NAME)],
        ),
        series(
            "KeepAlives sent",
            "KeepAlives per second, by kind: `text` on /v1/listen, `ping` on /v2/listen. Zero while sessions are idle "
            "is a fault.",
            units.CountsPerSecond,
            Query(total(rate("keepalives_sent_total"), "kind"), "{{kind}}"),
        ),
        bars(
            "KeepAlives not written",
            "Keepalives that were due but not written. `write_blocked`: Deepgram or the network accepts no data; "
            "`socket_error`: the connection is gone.",
            units.Short,
            Query(total(increase("keepalive_errors_total"), "reason"), "{{reason}}"),
            links=[to.to_page("deepgram", NAME)],
        ),
        series(
            "Lateness of keepalives",
            "How late keepalives were issued. Milliseconds are normal; more means a busy or throttled pod.",
            units.Seconds,
            Query(quantile(0.5, "keepalive_lateness_seconds"), "p50"),
            Query(quantile(0.99, "keepalive_lateness_seconds"), "p99"),
            none="no keepalive was due",
        ),
        heatmap(
            "Pauses between sends",
            "Pauses of half a second or more. They should all end by about the keepalive interval; the row at 10 s is "
            "Deepgram's limit.",
            units.Seconds,
            buckets("send_gap_seconds"),
        ),
        heatmap(
            "Longest silence of each session",
            "The longest pause in sending to Deepgram, per ended session.",
            units.Seconds,
            buckets("session_max_send_gap_seconds"),
            width=12,
        ),
        heatmap(
            "KeepAlives of each session",
            "KeepAlives sent per ended session: which sessions depend on them.",
            units.Short,
            buckets("session_keepalives"),
            width=12,
        ),
    ]


def _queues() -> list:
    fill = f"{select('queue_session_max_bytes', queue='!ring')} / {select('queue_limit_bytes', queue='!ring')}"
    return [
        series(
            "Fullest queue",
            "The fullest session's queue, as a share of its limit. A full queue stops reads from the other side. What "
            "recovery keeps does not, and is not in it.",
            units.PercentUnit,
            Query(largest(fill, "queue"), "{{queue}}"),
            limits=[limits.QUEUE_NEAR_LIMIT],
            links=[to.to_page("session", NAME)],
        ),
        series(
            "Bytes that wait",
            "Bytes waiting to be written, over all sessions: near zero is normal. `ring` is audio without a final "
            "result, kept for recovery: a few seconds of each session are normal.",
            units.BytesIEC,
            Query(total(select("queue_bytes"), "queue"), "{{queue}}"),
            links=[to.to_page("session", NAME)],
        ),
        series(
            "Time that writes were blocked",
            "Seconds per second that writes were blocked, by the side that is slow: `app` or `upstream`; and, in "
            "seconds, how long the longest write to Deepgram has been refused: it dies at upstream.write_timeout.",
            units.Short,
            Query(total(rate("backpressure_seconds_total"), "side"), "{{side}}"),
            Query(largest(select("upstream_write_blocked_max_seconds")), "refused now"),
            links=[to.to_page("deepgram", NAME)],
        ),
        bars(
            "What was dropped",
            "Dropped frames and messages, and why. Audio after a death is the usual case.",
            units.Short,
            Query(moved(total(increase("dropped_total"), "what, cause")), "{{what}}: {{cause}}"),
            links=[to.to_page("fleet", NAME)],
            none="nothing was dropped",
            width=12,
        ),
        series(
            "Share of audio that was dropped",
            "Bytes of audio lost, as a share of those received, by pod.",
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
