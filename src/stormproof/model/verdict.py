"""The verdict: a pure function of the record; `verdict.json` is its canonical form."""

from __future__ import annotations

from typing import Literal

import msgspec

from stormproof.model.finding import Finding
from stormproof.model.objective import Status
from stormproof.model.plan import NotJudged


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What an objective was judged on: samples in the window, and the seconds they span."""

    samples: int
    samples_min: int
    seconds: int
    window: str
    at_s: list[list[int]] = []  # the window's spans, seconds since the start of the load


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """An objective with its answer. `value` is None when there is none or it is beyond the scale
    (`beyond` then says why, e.g. "dropped"); `why` says why it is not PASS, and what to do. Where
    stretches of the window were asked about, the value is of the worst, `worst_at_s` [from, to)."""

    name: str
    status: Status
    value: float | None
    beyond: str = ""
    bar: float
    operator: str
    unit: str
    interval: tuple[float, float] | None = None
    evidence: Evidence
    blocking: bool
    exact: bool
    why: str = ""
    remedy: str = ""
    worst_at_s: list[int] = []


class Instant(msgspec.Struct, frozen=True, kw_only=True):
    """A recovery instant, in seconds since the load's start, and how finely it was sampled.

    What the target changed then, it changed within `sampling_s` of it: between the last answer that
    said otherwise was asked for and this one had come. 0 for what was no answer.
    """

    name: str
    at_s: float | None
    sampling_s: float


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What a fault did and when each thing was back."""

    fault: str
    instants: list[Instant]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A span in which a hypothesis did not hold, in whole seconds since the start of the load.

    `faults` are those in force, or being recovered from, meanwhile; none: it was calm.
    """

    from_s: int
    to_s: int
    faults: list[str] = []


class HypothesisSpans(msgspec.Struct, frozen=True, kw_only=True):
    """A hypothesis over the load: how long it was broken or unknown, and the first 200 spans."""

    name: str
    asked: str
    broken_s: int
    unknown_s: int
    spans: list[Broken] = []


class TrialVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one trial."""

    name: str
    title: str
    status: Status


class Generator(msgspec.Struct, frozen=True, kw_only=True):
    """How well the load generator did its own work during the judged load."""

    valid: bool
    why: str
    workers: int
    operations: int
    dropped: int
    schedule_lag_p99_ms: float | None
    cpu_share: float  # of the workers, of one core each
    wait_share: float  # of the time they wanted a CPU, the share they waited for it
    loop_lag_ms_max: float
    gc_pause_ms: float
    core_idle_share_min: float
    core_steal_share_max: float
    invalid_seconds: list[int] = []


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict over a run. Holds no judged-at time: judging again gives the same bytes."""

    format: int = 1
    stormproof: str  # version that judged
    verdict: Status
    scope: Literal["full", "reduced"]
    headline: str
    run: str
    plan_sha256: str
    profile: str
    seed: int
    scale: float
    objectives: list[Judged]
    findings: list[Finding]
    trials: list[TrialVerdict]
    recovery: list[Recovery]
    generator: Generator
    reach: dict[str, float] = {}  # of the faults, as far as it was seen: metric -> share
    hypotheses: list[HypothesisSpans] = []
    not_judged: list[NotJudged]
    problems: list[str]  # of the record: truncated segments, gaps, dead workers
    warnings: list[str] = []  # what the run said of itself, `code: text`; the first 100

    @property
    def headline_tail(self) -> str:
        """The headline without the verdict's word, which stands beside it anyway."""
        word = self.verdict.value
        if self.headline.lower().startswith(word):
            return self.headline[len(word) :].lstrip(": ")
        return self.headline
