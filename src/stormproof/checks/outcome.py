"""What a checker says: what is wrong, and the values that objectives ask for."""

from __future__ import annotations

from dataclasses import dataclass, field

from stormproof.model.finding import Finding

Key = tuple[str, str]  # a metric, and a fault, what was seen or an objective; empty over all


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A value that a checker measured; with `why` it is no basis for a verdict.

    `at_least`: no end was seen within this much (`value` is None, `beyond` "never"): enough to
    fail a bar below it, and not enough to say more.
    """

    value: float | None
    samples: int
    why: str = ""
    remedy: str = ""
    beyond: str = ""
    at_least: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Findings, worst first, and measurements by metric and fault."""

    findings: list[Finding] = field(default_factory=list)
    measured: dict[Key, Measurement] = field(default_factory=dict)
