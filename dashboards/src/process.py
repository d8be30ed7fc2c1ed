"""The pod page's rows on the process itself and on its telemetry."""

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
            "Cores in use, by pod. It tracks the number of frames.",
            units.Short,
            Query(total(rate("process_cpu_seconds_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Memory",
            "Resident memory, by pod. It tracks the number of sessions; growth without more sessions is a leak.",
            units.BytesIEC,
            Query(total(select("process_resident_memory_bytes"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "Memory for each session",
            "Resident memory per live session. With many sessions, tens of KiB; with few, mostly the process itself.",
            units.BytesIEC,
            Query(
                share(total(select("process_resident_memory_bytes"), "pod"), total(select("sessions_active"), "pod")),
                "{{pod}}",
            ),
            none="no sessions",
        ),
        series(
            "Runtime lag",
            "How late a 100 ms timer fires, p99. A few milliseconds is normal; more means blocked workers or a CPU "
            "limit, and late keepalives.",
            units.Seconds,
            Query(quantile(0.99, "runtime_lag_seconds", "pod"), "{{pod}}"),
            limits=[limits.RUNTIME_LAG],
            links=[to.to_pod(NAME)],
        ),
        series(
            "Busy workers",
            "The share of time that the runtime's worker threads are busy. Above 80 %, the pod needs more CPU.",
            units.PercentUnit,
            Query(
                f"{total(rate('runtime_busy_seconds_total'), 'pod')} / {total(select('runtime_workers'), 'pod')}",
                "{{pod}}",
            ),
            links=[to.to_pod(NAME)],
        ),
        bars(
            "Deadlines noticed too late",
            "Deadlines noticed so late that they prove nothing about Deepgram: the process was paused. Zero is normal.",
            units.Short,
            Query(total(increase("timer_lateness_seconds_count"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
        series(
            "File descriptors",
            "Open descriptors as a share of the limit, by pod. Each session uses two.",
            units.PercentUnit,
            Query(f"max by (pod) ({select('process_open_fds')} / {select('process_max_fds')})", "{{pod}}"),
            limits=[limits.FILE_DESCRIPTORS],
            links=[to.to_pod(NAME)],
        ),
        series(
            "Tasks and threads",
            "Live runtime tasks, which track the sessions, and threads, which should stay constant.",
            units.Short,
            Query(total(select("runtime_tasks")), "tasks"),
            Query(total(select("process_threads")), "threads"),
        ),
        heatmap(
            "How long sessions took to drain",
            "Time from the start of shutdown to the end of each session. Sessions close to drain.timeout were cut, or "
            "nearly cut.",
            units.Seconds,
            buckets("session_drain_seconds"),
        ),
        bars(
            "What shutdown came to",
            "Sessions ended by shutdown. `flushed`: all of their audio was answered; `incomplete`: some of it was not; "
            "`cut`: drain.timeout ended them.",
            units.Short,
            Query(total(increase("session_receipts_total"), "flush"), "{{flush}}"),
            links=[to.to_logs()],
        ),
        bars(
            "Last frames in shutdown",
            "Whether applications read FINISHED. `unread`: they closed their socket without; `unsent`: they had left "
            "before, or did not read.",
            units.Short,
            Query(total(increase("session_receipts_total"), "last_frame"), "{{last_frame}}"),
            links=[to.to_logs()],
        ),
        bars(
            "Audio that shutdown lost",
            "Audio read before a shutdown's CloseStream that never became text. Zero is normal.",
            units.Seconds,
            Query(total(increase("session_unflushed_seconds_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(NAME)],
        ),
    ]


def telemetry() -> list:
    last_success = f"{select('otlp_last_success_timestamp_seconds')} > 0"
    return [
        series(
            "Requests to the collector",
            "OTLP requests per second, by result. Failures without successes: the collector is down, spans queue up.",
            units.RequestsPerSecond,
            Query(total(rate("otlp_exports_total"), "result"), "{{result}}"),
            links=[to.to_logs()],
        ),
        series(
            "Spans",
            "Spans per second: exported, by the collector's response, and dropped, by reason. While any are dropped, "
            "traces are incomplete.",
            units.CountsPerSecond,
            Query(total(rate("otlp_spans_exported_total"), "result"), "exported: {{result}}"),
            Query(total(rate("otlp_spans_dropped_total"), "reason"), "dropped: {{reason}}"),
        ),
        series(
            "Spans that wait",
            "Spans waiting for the collector, as a share of the queue limit. Empty if tracing is off.",
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
            "By pod. A few seconds while there are sessions; minutes mean that traces are not getting out.",
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
            "Lines over their event's rate limit, by level, and lines that standard error did not take in time.",
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
            "Sessions on the session page, live ones left out, and those that started when it was full. If any are "
            "left out, raise per_session_max or use /sessions.",
            units.Short,
            Query(total(select("session_series")), "on the page"),
            Query(total(select("session_series_omitted")), "left out"),
            Query(total(increase("session_series_refused_total")), "came when full"),
            links=[to.to_page("session", NAME)],
        ),
    ]
