"""Alert thresholds: a panel uses its alert's threshold, so that red means the same in both.

The tests compare these with the rules in `alerts/`.
"""

from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True)
class Limit:
    """The value at which an alert fires; `name` is the alert's, without the prefix.

    Without a name it means any alert.
    """

    name: str
    value: float
    colour: str = RED
    # Some alerts fire when a value falls.
    below: bool = False
    # What the rule compares with, if not the value: for integers, "more than 0" starts at 1.
    rule: float | None = None

    @property
    def alert(self) -> str:
        return f"DeepgramSidecar{self.name}" if self.name else ""


ANY_ALERT = Limit("", 1)
DOWN = Limit("Down", 1, below=True, rule=0)
NOT_READY = Limit("NotReady", 1, YELLOW, below=True, rule=0)
WORDS_LOST = Limit("WordsLostBudgetBurn", 0.001)
DEATHS = Limit("DeathReasonSpike", 5, YELLOW)
RECOVERY_FAILING = Limit("RecoveryFailing", 0.2)
REFUSED = Limit("UpstreamRefusing", 1, rule=0)
RATE_LIMITED = Limit("UpstreamRateLimited", 5, YELLOW)
CONNECT_FAILURES = Limit("ConnectFailures", 0.2)
KEEPALIVE_GAP = Limit("KeepaliveGap", 1, rule=0)
KEEPALIVE_NEAR_MISS = Limit("KeepaliveNearMiss", 3, YELLOW)
FINALIZE_ERRORS = Limit("FinalizeErrors", 0.05, YELLOW)
FINALIZE_SLOW = Limit("FinalizeSlow", 2, YELLOW)
STALLED = Limit("TranscriptsStalled", 2)
TRANSCRIPT_LATENCY = Limit("TranscriptLatencyHigh", 2, YELLOW)
SESSIONS_NEAR_LIMIT = Limit("SessionsNearLimit", 0.85, YELLOW)
SESSIONS_REJECTED = Limit("SessionsRejected", 1, rule=0)
QUEUE_NEAR_LIMIT = Limit("QueueNearLimit", 0.8, YELLOW)
RUNTIME_LAG = Limit("RuntimeLag", 0.25, YELLOW)
FILE_DESCRIPTORS = Limit("FileDescriptorsLow", 0.8, YELLOW)
VAD_FAILED = Limit("VadDetectorFailed", 1, YELLOW, rule=0)
PANICKED = Limit("Panicked", 1, rule=0)
VERSION_SKEW = Limit("VersionSkew", 2, YELLOW, rule=1)


def thresholds(*limits: Limit) -> ThresholdsConfig:
    """Green as far as the first limit, then each limit's own colour."""
    if any(limit.below for limit in limits):
        (limit,) = limits
        steps = [Threshold(color=limit.colour), Threshold(value=limit.value, color=GREEN)]
    else:
        rising = sorted(limits, key=lambda it: it.value)
        steps = [Threshold(color=GREEN), *(Threshold(it.value, it.colour) for it in rising)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
