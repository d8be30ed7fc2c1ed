"""The pod page's rows on the process itself, and on what it tells of itself."""

from grafana_foundation_sdk.models import units

from . import limits
from . import links as to
from .panels import Query, bars, heatmap, series
from .queries import buckets, increase, largest, quantile, rate, select, share, total

NAME = "pod"


def resources() -> list:
    return [
        series(
            "CPU",
            "Cores in use, by pod. It follows the number of frames.",
            units.Short,
            Query(total(rate("process_cpu_seconds_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Memory",
            "Resident memory, by pod. It follows the number of sessions; growth without sessions is a leak.",
            units.BytesIEC,
            Query(total(select("process_resident_memory_bytes"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Memory for each session",
            "Resident memory by live session. With many sessions, some tens of KiB; with few, the process itself.",
            units.BytesIEC,
            Query(
                share(total(select("process_resident_memory_bytes"), "pod"), total(select("sessions_active"), "pod")),
                "{{pod}}",
            ),
            none="no sessions",
        ),
        series(
            "Runtime lag",
            "How late a timer of 100 ms fires, p99. A few milliseconds are normal; more means blocked workers or a "
            "CPU limit, and late keepalives.",
            units.Seconds,
            Query(quantile(0.99, "runtime_lag_seconds", "pod"), "{{pod}}"),
            limits=[limits.RUNTIME_LAG],
            links=[to.to_pod(NAME)],
        ),
        series(
            "Busy workers",
            "The share of the runtime's worker threads that is busy. Above 80 % the pod needs more CPU.",
            units.PercentUnit,
            Query(
                f"{total(rate('runtime_busy_seconds_total'), 'pod')} / {total(select('runtime_workers'), 'pod')}",
                "{{pod}}",
            ),
            links=[to.to_pod(NAME)],
        ),
        bars(
            "Deadlines noticed too late",
            "Deadlines that were noticed so late that they prove nothing about Deepgram: the process was paused. None "
            "is normal.",
            units.Short,
            Query(total(increase("timer_lateness_seconds_count"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "File descriptors",
            "Open ones as a share of those allowed, by pod. A session takes two.",
            units.PercentUnit,
            Query(f"max by (pod) ({select('process_open_fds')} / {select('process_max_fds')})", "{{pod}}"),
            limits=[limits.FILE_DESCRIPTORS],
            links=[to.to_pod(NAME)],
        ),
        series(
            "Tasks and threads",
            "Live tasks of the runtime, which follow the sessions, and threads, which stay the same.",
            units.Short,
            Query(total(select("runtime_tasks")), "tasks"),
            Query(total(select("process_threads")), "threads"),
        ),
        heatmap(
            "How long sessions took to drain",
            "Time from shutdown's begin to each session's end. What comes near drain.timeout was cut or nearly so.",
            units.Seconds,
            buckets("session_drain_seconds"),
        ),
    ]


def telemetry() -> list:
    last_success = f"{select('otlp_last_success_timestamp_seconds')} > 0"
    return [
        series(
            "Requests to the collector",
            "OTLP requests per second, by result. Failures without successes: the collector is away, and spans wait.",
            units.RequestsPerSecond,
            Query(total(rate("otlp_exports_total"), "result"), "{{result}}"),
            links=[to.to_logs()],
        ),
        series(
            "Spans",
            "Spans per second that left, by what the collector said, and those that were dropped, by why. Traces have "
            "holes while any are dropped.",
            units.CountsPerSecond,
            Query(total(rate("otlp_spans_exported_total"), "result"), "exported: {{result}}"),
            Query(total(rate("otlp_spans_dropped_total"), "reason"), "dropped: {{reason}}"),
        ),
        series(
            "Spans that wait",
            "Spans that wait for the collector as a share of those that may. Nothing here without traces.",
            units.PercentUnit,
            Query(largest(share(select("otlp_queue_spans"), select("otlp_queue_limit_spans")), "pod"), "{{pod}}"),
            limits=[limits.QUEUE_NEAR_LIMIT],
            links=[to.to_pod(NAME)],
            none="no traces are exported",
        ),
        series(
            "Time of a request to the collector",
            "p99 of OTLP requests, whatever their result.",
            units.Seconds,
            Query(quantile(0.99, "otlp_export_duration_seconds", "pod"), "{{pod}}"),
            none="no traces are exported",
        ),
        series(
            "Since the collector last took spans",
            "By pod. Some seconds while there are sessions; minutes mean that traces do not leave.",
            units.Seconds,
            Query(f"time() - max by (pod) ({last_success})", "{{pod}}"),
            links=[to.to_pod(NAME)],
            none="no span has left yet",
        ),
        series(
            "Log lines",
            "Lines per second, by level. Errors and warnings follow deaths.",
            units.CountsPerSecond,
            Query(total(rate("log_messages_total"), "level"), "{{level}}"),
            links=[to.to_logs()],
        ),
        bars(
            "Log lines held back or dropped",
            "Lines over their event's rate, by level, and lines that standard error did not take in time.",
            units.Short,
            Query(total(increase("log_suppressed_total"), "level"), "over the rate: {{level}}"),
            Query(total(increase("log_dropped_total")), "dropped"),
        ),
        series(
            "Cost of being watched",
            "p99 of the time to gather and encode a page for Prometheus. Milliseconds are normal.",
            units.Seconds,
            Query(quantile(0.99, "scrape_duration_seconds", "page"), "{{page}}"),
        ),
        series(
            "Sessions with series of their own",
            "Sessions on the session page, live ones that it leaves out, and those that came when it was full. If any "
            "are left out, raise per_session_max or look at /sessions.",
            units.Short,
            Query(total(select("session_series")), "on the page"),
            Query(total(select("session_series_omitted")), "left out"),
            Query(total(increase("session_series_refused_total")), "came when full"),
            links=[to.to_page("session", NAME)],
        ),
    ]
