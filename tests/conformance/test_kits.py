"""Every implementation and every stand-in of a seam keeps its promises; the kits see a breach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from stormproof.kernel.clock import SystemClock
from stormproof.model.observed import Observed, ObservedKind
from stormproof.model.plan import Stage
from stormproof.seams import Clock, Recorder, Schedule, Source
from stormproof.store.segment import SegmentRecorder, read_segment
from stormproof.testing import (
    ManualClock,
    Recorded,
    ScriptedRecorder,
    check_clock,
    check_recorder,
    check_schedule,
    check_source,
)
from stormproof.workload.constant_arrival_rate import ConstantArrivalRate
from stormproof.workload.ramping_arrival_rate import RampingArrivalRate

SECOND_NS = 1_000_000_000


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
def test_clocks(clock: Clock) -> None:
    """Every clock is monotonic and tells the age."""
    check_clock(clock)


@pytest.mark.parametrize("rate", [0.3, 1, 7, 333.25, 40_000])
def test_schedules(rate: float) -> None:
    """Every schedule rises and is whole in any number of segments."""
    schedule = ConstantArrivalRate(rate=rate, time_unit_ns=SECOND_NS, duration_ns=SECOND_NS // 2)
    check_schedule(schedule, duration_ns=SECOND_NS // 2)


STAGES = (
    Stage(duration_ns=SECOND_NS // 3, target=900),
    Stage(duration_ns=0, target=100),
    Stage(duration_ns=SECOND_NS // 3, target=0),
    Stage(duration_ns=SECOND_NS // 3, target=300),
)


@pytest.mark.parametrize("seed", [None, 7])
def test_every_open_shape_is_a_schedule(seed: int | None) -> None:
    """Ramps and random arrivals keep the promises; a ramp's last instant may be its very end."""
    constant = ConstantArrivalRate(
        rate=333.25, time_unit_ns=SECOND_NS, duration_ns=SECOND_NS, seed=seed
    )
    ramp = RampingArrivalRate(start_rate=0.0, stages=STAGES, time_unit_ns=SECOND_NS, seed=seed)
    check_schedule(constant, duration_ns=SECOND_NS)
    check_schedule(ramp, duration_ns=SECOND_NS + 1)


def test_segment_recorder(tmp_path: Path) -> None:
    """The recorder of the product gives back what it took, read from its file."""
    path = tmp_path / "worker-3.seg"

    def read_back() -> Recorded:
        content = read_segment(path.read_bytes())
        return Recorded(
            events=content.events,
            series=content.series,
            frames=[one.unpacked() for one in content.frames],
            failures=content.failures,
            probes=content.probes,
            ledger=bytes(content.ledger),
        )

    recorder = SegmentRecorder(path, writer="worker-3")
    check_recorder(recorder, read_back)
    recorder.close("finished")


def test_scripted_recorder() -> None:
    """The recorder of tests gives back what it took."""
    recorder = ScriptedRecorder()
    check_recorder(recorder, lambda: recorder.recorded)
    assert recorder.synced == 1


class _Backwards(ManualClock):
    def now_ns(self) -> int:
        self._now_ns -= 1
        return super().now_ns()


class _Uneven:
    def instants_ns(self, segment: int, segments: int) -> Iterator[int]:
        return iter([0, 1, 2] if segment == 0 else [])


class _Forgetful(ScriptedRecorder):
    def ledger(self, entries: bytes) -> None:
        super().ledger(entries[:48])


class _Gullible(ScriptedRecorder):
    def ledger(self, entries: bytes) -> None:
        self.recorded.ledger += entries


def test_kit_sees_a_broken_clock() -> None:
    """A clock that goes back is caught."""
    with pytest.raises(AssertionError, match="went back"):
        check_clock(_Backwards())


def test_kit_sees_a_broken_schedule() -> None:
    """A schedule whose segments are not even is caught, and one that leaves its duration."""
    uneven: Schedule = _Uneven()
    with pytest.raises(AssertionError, match="not even"):
        check_schedule(uneven, duration_ns=3)
    with pytest.raises(AssertionError, match="outside the duration"):
        check_schedule(uneven, duration_ns=2)


@pytest.mark.parametrize(
    ("make", "promise"),
    [(_Forgetful, "not as written"), (_Gullible, "half a ledger entry was taken")],
)
def test_kit_sees_a_broken_recorder(make: Callable[[], ScriptedRecorder], promise: str) -> None:
    """A recorder that loses entries, or takes half of one, is caught."""
    scripted = make()
    recorder: Recorder = scripted
    with pytest.raises(AssertionError, match=promise):
        check_recorder(recorder, lambda: scripted.recorded)


def test_manual_clock_moves_when_told() -> None:
    """The manual clock advances both times together, steps the wall alone, and never goes back."""
    clock = ManualClock(now_ns=5, wall_ns=50)
    clock.advance(3)
    clock.step_wall(-10)
    assert (clock.now_ns(), clock.wall_ns()) == (8, 43)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


class _Saying:
    """A source that says what it was given, one answer after the other."""

    def __init__(self, *answers: Sequence[Observed], name: str = "process") -> None:
        self.name = name
        self._answers = iter(answers)

    async def read(self) -> Sequence[Observed]:
        return next(self._answers)


def _figure(name: str = "a", kind: ObservedKind = ObservedKind.GAUGE, value: float = 1) -> Observed:
    return Observed(name, {}, kind, value)


async def test_kit_takes_a_source_that_keeps_its_promises() -> None:
    """Figures may come and go, and change their values."""
    await check_source(_Saying([_figure(), _figure("b")], [_figure(value=2)]))


@pytest.mark.parametrize(
    ("source", "promise"),
    [
        (_Saying(name="somewhere"), "no name of a source"),
        (_Saying([]), "says nothing"),
        (_Saying([_figure(), _figure(value=2)]), "there twice"),
        (_Saying([_figure("cpu share")]), "no name of a figure"),
        (_Saying([_figure(value=float("nan"))]), "is nan"),
        (_Saying([_figure()], [_figure(kind=ObservedKind.COUNTER)]), "changes its kind"),
    ],
)
async def test_kit_sees_a_broken_source(source: Source, promise: str) -> None:
    """A source with figures that nobody can ask for, or judge, is caught."""
    with pytest.raises(AssertionError, match=promise):
        await check_source(source)
