"""Answers of a probe as a strip: when it said yes, when no, when nobody asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import ProbeSample
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.rules.windows import Windows

OK, NOT_OK, SILENT = "ok", "not-ok", "silent"
SPANS_MAX = 600  # a strip; shorter stretches are joined to the worse of their neighbours
SILENCE_INTERVALS = 5  # this many intervals without a sample are shown as a gap
SILENCE_S_MIN = 2.0
_WORSE = {OK: 0, SILENT: 1, NOT_OK: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of time in which a probe's answers said the same."""

    state: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """All stretches of one probe."""

    probe: str
    path: str
    samples: int
    not_ok: int
    stretches: Sequence[Stretch]


def strips_of(record: Record, windows: Windows, from_s: int, to_s: int) -> list[Strip]:
    """Return a strip for each probe that was asked, in the plan's order, then by name."""
    if windows.origin_ns is None:
        return []
    by_probe: dict[str, list[ProbeSample]] = {probe.name: [] for probe in record.plan.probes}
    for sample in record.probes:
        by_probe.setdefault(sample.probe, []).append(sample)
    planned = {probe.name: probe for probe in record.plan.probes}
    strips = []
    for name, samples in by_probe.items():
        if not samples:
            continue
        interval_s = planned[name].interval_ns / SECOND_NS if name in planned else 1.0
        silence_s = max(SILENCE_S_MIN, SILENCE_INTERVALS * interval_s)
        stretches = _stretches(samples, windows, silence_s)
        strips.append(
            Strip(
                probe=name,
                path=planned[name].path if name in planned else "",
                samples=len(samples),
                not_ok=sum(not sample.ok for sample in samples),
                stretches=_joined(_clipped(stretches, from_s, to_s), (to_s - from_s) / SPANS_MAX),
            )
        )
    return strips


def _stretches(samples: Sequence[ProbeSample], windows: Windows, silence_s: float) -> list[Stretch]:
    """Return stretches; an answer holds from its request until the next one or a silence."""
    stretches: list[Stretch] = []
    for position, sample in enumerate(samples):
        start_s = windows.at_s(sample.start_ns)
        following = samples[position + 1 : position + 2]
        next_s = windows.at_s(following[0].start_ns) if following else windows.at_s(sample.end_ns)
        end_s = min(next_s, start_s + silence_s)
        _extend(stretches, Stretch(state=_state(sample), from_s=start_s, to_s=end_s))
        if next_s > end_s:
            _extend(stretches, Stretch(state=SILENT, from_s=end_s, to_s=next_s))
    return stretches


def _state(sample: ProbeSample) -> str:
    return OK if sample.ok else NOT_OK


def _extend(stretches: list[Stretch], one: Stretch) -> None:
    if stretches and stretches[-1].state == one.state:
        stretches[-1] = replace(stretches[-1], to_s=one.to_s)
    else:
        stretches.append(one)


def _clipped(stretches: Iterable[Stretch], from_s: float, to_s: float) -> list[Stretch]:
    clipped = (
        replace(one, from_s=max(one.from_s, from_s), to_s=min(one.to_s, to_s)) for one in stretches
    )
    return [one for one in clipped if one.to_s > one.from_s]


def _joined(stretches: Sequence[Stretch], shortest_s: float) -> list[Stretch]:
    """Join stretches too short to draw, once there are too many; what is bad stays visible."""
    if len(stretches) <= SPANS_MAX:
        return list(stretches)
    joined: list[Stretch] = []
    for one in stretches:
        short = one.to_s - one.from_s < shortest_s
        if joined and (short or joined[-1].to_s - joined[-1].from_s < shortest_s):
            state = max(one.state, joined[-1].state, key=_WORSE.__getitem__)
            joined[-1] = replace(joined[-1], state=state, to_s=one.to_s)
        else:
            _extend(joined, one)
    return joined


def hypothesis_strips(verdict: Verdict, windows: Windows, from_s: int, to_s: int) -> list[Strip]:
    """Return a strip for each hypothesis: where it held over the load, and where it did not."""
    load = windows.seconds("load")
    strips = []
    for one in verdict.hypotheses:
        broken = {second for span in one.spans for second in range(span.from_s, span.to_s)}
        stretches: list[Stretch] = []
        for second in sorted(load):
            state = NOT_OK if second in broken else OK
            _extend(stretches, Stretch(state=state, from_s=second, to_s=second + 1))
        strips.append(
            Strip(
                probe=one.name,
                path=one.asked,
                samples=len(load),
                not_ok=one.broken_s,
                stretches=_joined(_clipped(stretches, from_s, to_s), (to_s - from_s) / SPANS_MAX),
            )
        )
    return strips
