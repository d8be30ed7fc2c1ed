"""The Deepgram page's row on recovery: do sessions outlive their connections, and what does it cost."""

from grafana_foundation_sdk.models import units

from . import limits
from . import links as to
from .panels import Query, bars, heatmap, series
from .queries import buckets, increase, quantile, rate, select, share, total

PAGE = "deepgram"
RECOVERIES = "recoveries_total"


def outcomes() -> list:
    """How sessions outlive their connections."""
    failed, all_gaps = total(rate(RECOVERIES, outcome="failed")), total(rate(RECOVERIES))
    return [
        bars(
            "Recoveries by outcome",
            "Sessions whose connection died and which have an answer from another, or gave up. A session in `latch` "
            "mode is in neither.",
            units.Short,
            Query(total(increase(RECOVERIES), "outcome"), "{{outcome}}"),
            links=[to.to_page("session", PAGE)],
        ),
        series(
            "Share of recoveries that fail",
            "Sessions that gave up, as a share of those whose connection died. They have ended, and lost words. The "
            "line is the alert threshold.",
            units.PercentUnit,
            Query(share(failed, all_gaps), "failed"),
            limits=[limits.RECOVERY_FAILING],
            none="no session has recovered or given up",
        ),
        series(
            "Time to recover",
            "`gap`: how long no connection was up; `answer`: from the death to the first result of another. "
            "Under a second, and a few seconds, are normal. Words stay late for about four times the gap, until the "
            "kept audio is used up.",
            units.Seconds,
            Query(quantile(0.5, "recovery_gap_seconds"), "gap p50"),
            Query(quantile(0.95, "recovery_gap_seconds"), "gap p95"),
            Query(quantile(0.5, "recovery_duration_seconds"), "answer p50"),
            Query(quantile(0.95, "recovery_duration_seconds"), "answer p95"),
            none="no session has recovered",
        ),
        series(
            "Sessions that reconnect",
            "Sessions that wait for another connection, or for its first answer. Zero is normal; if it stays up, see "
            "the row on connecting.",
            units.Short,
            Query(total(select("sessions_active", state="reconnecting")), "reconnecting"),
            links=[to.to_page("session", PAGE)],
        ),
        bars(
            "Dials to take over",
            "Dials after a death. Many for each recovery: Deepgram cannot be reached, or connections die before they "
            "answer.",
            units.Short,
            Query(total(increase("upstream_reconnects_total")), "dials"),
        ),
        bars(
            "Sessions without recovery",
            "Sessions that asked for recovery and latch all the same, by cause: an encoding without a known "
            "duration, or a callback.",
            units.Short,
            Query(total(increase("recovery_unavailable_total"), "cause"), "{{cause}}"),
        ),
    ]


def costs() -> list:
    """What it costs: words, money, memory."""
    return [
        bars(
            "Audio sent again and lost",
            "Seconds of audio that Deepgram got twice, and bills twice; and what recovery had no room for until "
            "another connection was up, which is lost.",
            units.Seconds,
            Query(total(increase("recovery_replayed_seconds_total")), "sent again"),
            Query(total(increase("audio_lost_seconds_total", cause="ring_overflow")), "lost"),
            links=[to.to_page("fleet", PAGE)],
        ),
        series(
            "Audio kept for recovery",
            "Bytes of audio without a final result, over all sessions. A few seconds of each session's audio are "
            "normal. After a gap it falls as sessions catch up, at a quarter of a second per second.",
            units.BytesIEC,
            Query(total(select("queue_bytes", queue="ring")), "ring"),
            links=[to.to_page("pod", PAGE)],
        ),
        heatmap(
            "Recoveries of each session",
            "Deaths recovered from per ended session: is it one session or all of them?",
            units.Short,
            buckets("session_reconnects"),
        ),
    ]
