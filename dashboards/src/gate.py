"""The rows on the VAD gate: what silence costs, for the fleet; how gates and preludes work, for pods."""

from grafana_foundation_sdk.models import units

from . import limits
from . import links as to
from .panels import Query, bars, heatmap, series, stat
from .queries import buckets, increase, largest, over_range, rate, select, share, total

LEDGER = "audio_ledger_seconds_total"
WOULD_GATE = "vad_would_gate_seconds_total"
REQUESTS = "finalize_requests_total"

# Grafana's name for US dollars.
DOLLARS = "currencyUSD"


def savings(page: str) -> list:
    """What the gate saves, and what it would."""
    accepted = total(over_range(LEDGER, account="accepted"))
    accepted_now = total(rate(LEDGER, account="accepted"))
    return [
        stat(
            "Audio held back",
            "Silence that was not sent, as a share of the audio from applications, over the time range. In "
            "conversations a third is normal. 0 if no VAD gate is active.",
            units.PercentUnit,
            share(total(over_range(LEDGER, account="gated")), accepted),
            none="no audio",
            width=6,
        ).decimals(1),
        stat(
            "Saved",
            "What the audio held back would have cost, over the time range, at `vad.price_per_minute`. 0 without a "
            "price.",
            DOLLARS,
            _cost(over_range(LEDGER, account="gated")),
            width=6,
        ).decimals(2),
        stat(
            "In shadow, would have been held back",
            "Audio that was sent and would not have been, had the gates in shadow been active; as a share of the audio "
            "from applications, over the time range.",
            units.PercentUnit,
            share(total(over_range(WOULD_GATE)), accepted),
            none="no audio",
            width=6,
        ).decimals(1),
        stat(
            "In shadow, would have been saved",
            "What that audio has cost, over the time range, at `vad.price_per_minute`: the reason to switch from "
            "shadow to active. 0 without a price.",
            DOLLARS,
            _cost(over_range(WOULD_GATE)),
            width=6,
        ).decimals(2),
        series(
            "Shares of the audio",
            "Of the audio from applications: what is held back, what would be in shadow, and what gates hear speech "
            "in. Speech and saving do not add up to 100 %: four seconds after each utterance are sent as well.",
            units.PercentUnit,
            Query(share(total(rate(LEDGER, account="gated")), accepted_now), "held back"),
            Query(share(total(rate(WOULD_GATE)), accepted_now), "would be, in shadow"),
            Query(share(total(rate("vad_audio_seconds_total", gate_state="speech")), accepted_now), "speech"),
            links=[to.to_page("pod", page)],
            none="no audio",
        ),
        series(
            "Money per hour",
            "Dollars per hour at `vad.price_per_minute`: saved, and what gates in shadow would save. 0 without one.",
            DOLLARS,
            Query(f"{_cost(rate(LEDGER, account='gated'))} * 3600", "saved"),
            Query(f"{_cost(rate(WOULD_GATE))} * 3600", "would be saved, in shadow"),
            links=[to.to_page("pod", page)],
        ),
        series(
            "Sessions by mode of the gate",
            "Live sessions that have a VAD gate, by what it is set to. The others cannot have one: the pod page says "
            "why.",
            units.Short,
            Query(total(select("vad_sessions"), "mode"), "{{mode}}"),
            links=[to.to_page("session", page)],
        ),
    ]


def _cost(seconds: str) -> str:
    """What so many seconds of audio cost, each pod's at its own price."""
    price = select("vad_price_usd_per_minute")
    return f"sum({seconds} * on (job, namespace, pod, instance) group_left () {price}) / 60"


def workings(page: str) -> list:
    """Whether gates open and close as they should."""
    return [
        series(
            "Audio by state of the gate",
            "Seconds of audio per second that gates judge, by state, shadow included: in `silence` it is held back, or "
            "would be. Much hangover and little silence: pauses are shorter than `vad.hangover`.",
            units.Short,
            Query(total(rate("vad_audio_seconds_total"), "gate_state"), "{{gate_state}}"),
        ),
        series(
            "Gates that open",
            "Times per second that gates open, by pod. Up to ten a minute per session in a conversation; none, "
            "although there is audio: gates that hear nothing.",
            units.CountsPerSecond,
            Query(total(rate("vad_opens_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(page)],
        ),
        series(
            "Finalizes by who asked",
            "Finalizes per second: by applications, and by active gates, once in each pause. A gate asks up to ten "
            "times a minute per session.",
            units.CountsPerSecond,
            Query(f"{total(rate(REQUESTS))} - {total(rate('vad_finalizes_total'))}", "application"),
            Query(total(rate("vad_finalizes_total")), "gate"),
            links=[to.to_page("deepgram", page)],
        ),
        series(
            "Longest open",
            "Audio that has passed since the gate opened, in the session with the most, by mode. An active gate that "
            "stays open for 15 minutes of audio saves nothing, and raises an alert: music, ringing or desktop sounds.",
            units.Seconds,
            Query(largest(select("vad_open_max_seconds"), "mode"), "{{mode}}"),
            links=[to.to_page("session", page), to.to_runbook("DeepgramSidecarVadNeverCloses")],
        ),
        series(
            "Longest without any speech",
            "Audio in which a gate has never heard speech, in the session with the most, by mode. After 10 minutes "
            "behind an active gate there is an alert: a muted microphone, or audio that is not what OPEN says.",
            units.Seconds,
            Query(largest(select("vad_unopened_max_seconds"), "mode"), "{{mode}}"),
            links=[to.to_page("session", page), to.to_runbook("DeepgramSidecarVadNeverOpens")],
        ),
        bars(
            "Detectors that failed",
            "Sessions whose speech detector failed: a bug. Everything is sent from then on, so no word is lost. Zero "
            "is normal.",
            units.Short,
            Query(total(increase("vad_faults_total"), "pod"), "{{pod}}"),
            limits=[limits.VAD_FAILED],
            links=[to.to_pod(page), to.to_logs()],
        ),
        bars(
            "Sessions without a gate",
            "Sessions that should have a gate by configuration and cannot, by cause: everything is sent. `encoding`: "
            "it can hear linear16, mulaw and alaw; `endpoint`: /v2/listen ends turns by the silence.",
            units.Short,
            Query(total(increase("vad_not_available_total"), "cause"), "{{cause}}"),
            width=12,
        ),
        bars(
            "Changes of mode",
            "Gates set to another mode, by the application's UPDATE or at the end of a prelude.",
            units.Short,
            Query(total(increase("vad_mode_changes_total"), "to, by"), "{{to}} by {{by}}"),
            width=12,
        ),
    ]


def preludes(page: str) -> list:
    """Whether voices are known before live audio comes."""
    return [
        bars(
            "Preludes by end",
            "`moved` is the normal end. `moved_early`: the connection of the live audio was lost; `lost`: that of the "
            "prelude was, so speakers are not told apart by the voice in it.",
            units.Short,
            Query(total(increase("preludes_total"), "end"), "{{end}}"),
            links=[to.to_page("deepgram", page)],
        ),
        heatmap(
            "How long preludes take",
            "From OPEN to the end of the prelude. Until then live audio goes to another connection: two count against "
            "the account's limit.",
            units.Seconds,
            buckets("prelude_duration_seconds"),
        ),
        series(
            "Audio in preludes",
            "Seconds of PRELUDE frames per second. Deepgram bills them, and the silence behind them.",
            units.Short,
            Query(total(rate("prelude_audio_seconds_total"), "pod"), "{{pod}}"),
            links=[to.to_pod(page)],
        ),
    ]
