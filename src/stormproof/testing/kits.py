"""Conformance kits: what every implementation of a seam must do, whoever wrote it.

Each raises AssertionError with the broken promise as its text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise

from stormproof.kernel.errors import OwnFault
from stormproof.model.event import EndEvent, Failure, ProbeSample
from stormproof.model.ledger import ENTRY, EntryKind, make_key
from stormproof.model.observed import SOURCES, ObservedKind
from stormproof.model.series import Counts, Frame, GeneratorHealth, Series, SeriesKind
from stormproof.seams import Clock, Recorder, Schedule, Source
from stormproof.testing.recorder import Recorded

_READINGS = 100
METRIC_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")  # as objectives can spell it
_SEGMENTS = (1, 2, 3, 7)
_HEALTH = GeneratorHealth(
    cpu_ns=1,
    wait_ns=2,
    loop_lag_ns_max=3,
    gc_pause_ns=4,
    schedule_lag_index=[5],
    schedule_lag_count=[6],
    core_idle_share=0.5,
    core_steal_share=0.0,
    users=7,
    users_busy=8,
    sockets=9,
    rss_bytes=10,
    recorded=11,
)


def check_clock(clock: Clock) -> None:
    """Hold a clock to its promises: monotonic, in nanoseconds, with a wall clock of this age."""
    readings = [clock.now_ns() for _ in range(_READINGS)]
    assert all(isinstance(one, int) for one in readings), "an instant is a whole number"
    assert all(a <= b for a, b in pairwise(readings)), "the monotonic clock went back"
    assert clock.wall_ns() > 10**18, "the wall clock counts nanoseconds since the epoch"


def check_schedule(schedule: Schedule, *, duration_ns: int) -> None:
    """Hold a schedule to its promises: rising, within its duration, and whole in any segments."""
    whole = list(schedule.instants_ns(0, 1))
    assert all(isinstance(one, int) for one in whole), "an instant is a whole number"
    assert all(a <= b for a, b in pairwise(whole)), "the instants do not rise"
    assert all(0 <= one < duration_ns for one in whole), "an instant is outside the duration"
    assert whole == list(schedule.instants_ns(0, 1)), "asked twice, it answers differently"
    for segments in _SEGMENTS:
        parts = [list(schedule.instants_ns(one, segments)) for one in range(segments)]
        united = sorted(instant for part in parts for instant in part)
        assert united == whole, f"{segments} segments together are not the whole"
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1, f"{segments} segments are not even"


def check_recorder(recorder: Recorder, read_back: Callable[[], Recorded]) -> None:
    """Hold a recorder to its promises: what it took can be read back, whole and in order.

    Args:
        recorder: a fresh one.
        read_back: reads what the recorder has taken so far, as another process would.
    """
    series = Series(id=0, kind=SeriesKind.OPERATION, metric="http_req", tags={"name": "GET /"})
    frames = [_frame(second) for second in (-1, 0, 1)]
    failure = Failure(
        worker=3, user=1, series=0, kind="timeout", intended_ns=1, start_ns=2, end_ns=3
    )
    probe = ProbeSample(probe="ready", start_ns=1, end_ns=2, status=200, ok=True)
    end = EndEvent(at_ns=9, how="completed")
    recorder.frame(frames[0], [series], [])
    recorder.frame(frames[1], [], [failure])
    recorder.ledger(_entry(1) + _entry(2))
    recorder.probes([probe])
    recorder.frame(frames[2], [], [])
    recorder.ledger(_entry(3))
    recorder.events([end], sync=True)
    found = read_back()
    assert found.series == [series], "a series is lost or altered"
    assert found.frames == frames, "frames are lost, altered or out of order"
    assert found.failures == [failure], "a failure is lost or altered"
    assert found.probes == [probe], "a probe's answer is lost or altered"
    assert found.ledger == _entry(1) + _entry(2) + _entry(3), "ledger entries are not as written"
    assert found.events == [end], "an event is lost or altered"
    _check_half_an_entry(recorder, read_back)


def _check_half_an_entry(recorder: Recorder, read_back: Callable[[], Recorded]) -> None:
    before = read_back().ledger
    try:
        recorder.ledger(_entry(4)[:-1])
    except OwnFault:
        assert read_back().ledger == before, "half an entry was refused and yet written"
        return
    raise AssertionError("half a ledger entry was taken")


def _frame(second: int) -> Frame:
    counts = Counts(series=0, count=2, failed=1, response_index=[7, 2100], response_count=[1, 1])
    return Frame(worker=3, second=second, at_ns=5, counts=[counts], generator=_HEALTH)


def _entry(sequence: int) -> bytes:
    key = make_key(3, 1, sequence)
    return ENTRY.pack(EntryKind.INVOKE, 0, 3, 1, 2, 0, key, 4, 5, 6, 7)


async def check_source(source: Source) -> None:
    """Hold a source to its promises: a known name, figures each once and of one kind, infinite
    where they cannot be told.

    Args:
        source: one that has something to say; it is read twice.
    """
    assert source.name in SOURCES, f"{source.name!r} is no name of a source"
    kinds: dict[str, ObservedKind] = {}
    for _ in range(2):
        given = await source.read()
        assert given, "it says nothing"
        keys = {(one.name, frozenset(one.tags.items())) for one in given}
        assert len(keys) == len(given), "a figure is there twice"
        for one in given:
            assert METRIC_NAME.fullmatch(one.name), f"{one.name!r} is no name of a figure"
            is_told = math.isfinite(one.value) or one.value == math.inf
            assert is_told, f"{one.name} is {one.value}"
            is_native = one.kind is ObservedKind.NATIVE
            assert is_native == (one.native is not None), f"{one.name} lacks buckets, or has some"
            assert kinds.setdefault(one.name, one.kind) is one.kind, f"{one.name} changes its kind"
