"""The session page: which sessions need a look, and one session's life.

Its series have their own scrape job, `deepgram-sidecar-sessions`, so its job variable offers that one.
Ended sessions disappear from the scrape after a minute; panels on one session therefore take the last value
in the time range, so that a session from an hour ago can still be viewed.
"""

from grafana_foundation_sdk.models import units

from . import limits
from . import links as to
from .page import Page
from .panels import STAT_HEIGHT, Query, State, bars, series, stat, table, timeline
from .queries import increase, rate, select
from .variables import logs, session_variables, traces

NAME = "session"
KEY = "namespace, pod, session_id"


def page() -> Page:
    return Page(
        name=NAME,
        description="Which sessions need attention? What happened in this one?",
        variables=[*session_variables(), traces(), logs()],
        rows=[
            ("Sessions that need a look", [*_now(), _attention()]),
            ("What became of $session_id", [*_totals(), *_identity()]),
            ("The life of $session_id", _life()),
        ],
    )


def _now() -> list:
    return [
        stat(
            "Sessions with series",
            "Live sessions that this page can show, plus those that ended in the last minute. The pod page shows how "
            "many are left out.",
            units.Short,
            f"count({select('live_session_info')})",
            links=[to.to_page("pod", NAME)],
            none="none",
            width=6,
        ),
        stat(
            "Stalled",
            "Sessions that send audio but get no results right now. Zero is normal.",
            units.Short,
            f"sum({select('live_session_stalled')})",
            limits=[limits.STALLED],
            links=[to.to_page("deepgram", NAME)],
            none="none",
            width=6,
        ),
        stat(
            "Dead",
            "Sessions whose connection died; they are waiting for their application to leave, or have just ended. The "
            "fleet page counts deaths.",
            units.Short,
            f"count({select('live_session_death_info')}) or vector(0)",
            links=[to.to_page("fleet", NAME)],
            width=6,
        ),
        stat(
            "Furthest behind",
            "How far the latest result is behind the audio, for the session that is furthest behind.",
            units.Seconds,
            f"max({select('live_session_transcript_lag_seconds')})",
            links=[to.to_page("deepgram", NAME)],
            none="no results",
            width=6,
        ),
    ]


def _attention() -> object:
    """One row per session; each column is its own query."""
    silent = _most_silent()
    return table(
        "Sessions that have been silent for longest",
        "The twenty sessions with the longest time since a send, including dead ones. A live one sends at least a "
        "keepalive every 5 s. Click a session to show it below, or its trace to open it.",
        units.Seconds,
        Query(silent),
        *(Query(_column(it, silent)) for it in ("receive_age_seconds", "transcript_lag_seconds", "age_seconds")),
        columns={
            "session_id": "session",
            "state": "state",
            "pod": "pod",
            "namespace": "namespace",
            "Value #A": "since sent",
            "Value #B": "since received",
            "Value #C": "behind audio",
            "Value #D": "age",
            "trace_id": "trace",
        },
        row_links={
            "session": [to.to_session_of_row(NAME)],
            "pod": [to.to_pod_of_row(NAME)],
            "trace": [to.to_trace("${__value.raw}")],
        },
        none="no sessions",
        width=24,
    ).height(10)


def _most_silent() -> str:
    on = f"on (instance, {KEY})"
    age = select("live_session_send_age_seconds")
    state = f"{on} group_left (state) {select('live_session_state', state='!ended')}"
    trace = f"{on} group_left (trace_id) {select('live_session_info')}"
    return f"topk(20, max by ({KEY}, state, trace_id) ({age} * {state} * {trace}))"


def _column(measure: str, rows: str) -> str:
    return f"max by ({KEY}) ({select(f'live_session_{measure}')}) and on ({KEY}) {rows}"


def _totals() -> list:
    return [
        _total("Age", "Time since OPEN, or from OPEN to the session's end.", units.Seconds, _last("age_seconds")),
        _total(
            "Audio accepted",
            "Audio received from the application.",
            units.Seconds,
            _last("audio_seconds_total", account="accepted"),
        ),
        _total(
            "Audio made final text",
            "Part of the accepted audio; the rest is in flight, gated, lost or unknown.",
            units.Seconds,
            _last("audio_seconds_total", account="finalized"),
        ),
        stat(
            "Audio lost",
            "Audio that never became text. Zero is normal.",
            units.Seconds,
            f"max({_last('audio_seconds_total', account='lost')})",
            links=[to.to_page("fleet", NAME)],
        ),
        _total(
            "KeepAlives sent",
            "One for every five seconds without audio.",
            units.Short,
            _last("keepalives_sent_total"),
        ),
        _total(
            "Finalize errors",
            "Finalizes that failed or timed out. Zero is normal.",
            units.Short,
            _last("finalize_errors_total"),
        ),
    ]


def _total(title: str, description: str, unit: str, last: str) -> object:
    return stat(title, description, unit, f"max({last})", none="not in this time")


def _last(measure: str, **labels: str) -> str:
    """The session's last value in the time shown."""
    return f"last_over_time({_of_session(measure, '$__range', **labels)})"


def _of_session(measure: str, window: str = "", **labels: str) -> str:
    return select(f"live_session_{measure}", window, session_id="$session_id", **labels)


def _identity() -> list:
    logs = to.to_logs("${__data.fields.pod}", "$session_id")
    return [
        table(
            "Where it ran",
            "The session's pod, endpoint and trace. Click the pod for its page or the session's log lines, or the "
            "trace to open it.",
            units.Short,
            Query(f"max by (namespace, pod, endpoint, trace_id) ({_last('info')})"),
            columns={"namespace": "", "pod": "pod", "endpoint": "endpoint", "trace_id": "trace", "Value": ""},
            row_links={"pod": [to.to_pod_of_row(NAME), logs], "trace": [to.to_trace("${__value.raw}")]},
            none="choose a session above",
        ).height(STAT_HEIGHT),
        table(
            "How it died",
            "The session's first death of a connection, recovered from or not. Empty is normal. Click the reason "
            "for its meaning.",
            units.Short,
            Query(f"max by (reason, trigger, class) ({_last('death_info')})"),
            columns={"reason": "reason", "trigger": "trigger", "class": "class", "Value": ""},
            row_links={"reason": [to.to_reasons(), to.to_page("deepgram", NAME)]},
            none="none of its connections died",
        ).height(STAT_HEIGHT),
        table(
            "How it ended",
            "The session's outcome. `finished` is the normal end; a live session has none yet.",
            units.Short,
            Query(f"max by (outcome) ({_last('end_info')})"),
            columns={"outcome": "outcome", "Value": ""},
            none="it has not ended",
        ).height(STAT_HEIGHT),
    ]


def _life() -> list:
    return [
        timeline(
            "State",
            "The session's state over time, one band per state.",
            Query(f"max by (state) ({_of_session('state')})", "{{state}}"),
            states={1: State("in this state", "blue")},
            none="not in this time",
        ),
        series(
            "Silence, ours and theirs",
            "Time since the last send to Deepgram, and since the last receive. Sent stays under the keepalive "
            "interval of 5 s; Deepgram closes at 10 s.",
            units.Seconds,
            Query(f"max({_of_session('send_age_seconds')})", "since sent"),
            Query(f"max({_of_session('receive_age_seconds')})", "since received"),
            links=[to.to_page("pod", NAME)],
        ),
        series(
            "Results behind audio",
            "How far the latest result is behind the audio sent, while a connection is up.",
            units.Seconds,
            Query(f"max({_of_session('transcript_lag_seconds')})", "behind"),
            limits=[limits.TRANSCRIPT_LATENCY],
            links=[to.to_page("deepgram", NAME)],
            none="no results",
        ),
        series(
            "Audio accepted, final, gated, lost and unknown",
            "Seconds of audio per second. A live stream is accepted at 1; final follows in steps; gated is silence "
            "that the VAD gate held back; lost stays at 0. Unknown is what Deepgram did not say whether it had "
            "processed when it ended the stream.",
            units.Short,
            Query(f"sum by (account) ({_rate('audio_seconds_total')})", "{{account}}"),
            links=[to.to_page("fleet", NAME)],
            none="no audio",
        ),
        series(
            "Messages and final results",
            "Per second. If they stop while audio continues, the stream is stalled.",
            units.CountsPerSecond,
            Query(f"sum({_rate('messages_total')})", "messages"),
            Query(f"sum({_rate('finals_total')})", "final results"),
        ),
        timeline(
            "Stalled over time",
            "Whether audio was sent but no results came back.",
            Query(f"max({_of_session('stalled')})", "stalled"),
            states={0: State("no", limits.GREEN), 1: State("stalled", limits.RED)},
            links=[to.to_page("deepgram", NAME)],
            none="not in this time",
        ),
        bars(
            "KeepAlives",
            "KeepAlives written. They appear where there was no audio.",
            units.Short,
            Query(f"sum({_increase('keepalives_sent_total')})", "keepalives"),
            width=6,
        ),
        bars(
            "Finalize errors over time",
            "Finalizes that failed or timed out.",
            units.Short,
            Query(f"sum({_increase('finalize_errors_total')})", "errors"),
            links=[to.to_page("deepgram", NAME)],
            width=6,
        ),
        bars(
            "Recoveries",
            "Deaths that another connection has made up for.",
            units.Short,
            Query(f"sum({_increase('recoveries_total')})", "recoveries"),
            links=[to.to_page("deepgram", NAME)],
            width=6,
        ),
        series(
            "Bytes that wait",
            "Bytes waiting to be written, to either side: near zero is normal. `ring` is audio without a final result.",
            units.BytesIEC,
            Query(f"max by (queue) ({_of_session('queue_bytes')})", "{{queue}}"),
            links=[to.to_page("pod", NAME)],
            width=6,
        ),
        timeline(
            "VAD gate",
            "What the VAD gate is set to and its state, one band per state. Only an active one holds silence back. "
            "Empty without a gate that listens.",
            Query(f"max by (mode, gate_state) ({_of_session('vad_state')})", "{{mode}}: {{gate_state}}"),
            states={1: State("in this state", "blue")},
            links=[to.to_page("pod", NAME)],
            none="no gate in this time",
            width=12,
        ),
        series(
            "How long the gate is open",
            "Audio that has passed since the VAD gate opened. It falls to 0 in each pause that is longer than "
            "`vad.hangover`; if it only rises, the gate hears speech in what is none.",
            units.Seconds,
            Query(f"max({_of_session('vad_open_seconds')})", "open"),
            links=[to.to_page("pod", NAME), to.to_runbook("DeepgramSidecarVadNeverCloses")],
            none="no gate in this time",
            width=12,
        ),
    ]


def _rate(measure: str) -> str:
    return rate(f"live_session_{measure}", session_id="$session_id")


def _increase(measure: str) -> str:
    return increase(f"live_session_{measure}", session_id="$session_id")
