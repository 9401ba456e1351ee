"""A segment is its writer's own and agrees with itself, or is named."""

from __future__ import annotations

import msgspec
import pytest
from tests.builders import ITERATIONS, counted, frame, series

from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.series import Series, StoredFrame
from stormproof.store.consistency import contradictions_of, impostor_problem, worker_of
from stormproof.store.segment import Meta, SegmentContent

KNOWN = list(series().values())


def _content(
    writer: str = "worker-1",
    *,
    frames: list[StoredFrame] | None = None,
    known: list[Series] = KNOWN,
) -> SegmentContent:
    meta = Meta(writer=writer, pid=1, boot_id="b", at_ns=0, wall_ns=0)
    return SegmentContent(meta=meta, frames=frames or [], series=known)


def _second(second: int, worker: int = 1) -> StoredFrame:
    written = msgspec.msgpack.encode(frame(worker, second, [counted(ITERATIONS, 5)]))
    return msgspec.msgpack.decode(written, type=StoredFrame)


def test_a_segment_of_its_own_writer_is_no_impostor() -> None:
    """Workers, keeper and every healing write under their own names."""
    for name, writer in (
        ("worker-1", "worker-1"),
        ("keeper", "keeper"),
        ("heal", "heal"),
        ("heal-2", "heal"),
    ):
        assert impostor_problem(f"{name}.seg", _content(writer), 2) == ""


def test_a_copy_under_another_name_is_an_impostor() -> None:
    """A worker's segment copied over another's would count its messages twice."""
    copied = _content("worker-0")
    assert impostor_problem("worker-1.seg", copied, 2) == "was written by worker-0"
    assert impostor_problem("worker-2.seg", copied, 2) == "is of no worker: the plan has 2"
    assert impostor_problem("keeper.seg", SegmentContent(), 2) == "does not say who wrote it"


def test_a_segment_that_was_cut_may_not_say_who_wrote_it() -> None:
    """What is cut before its first frame is cut, and no impostor."""
    assert impostor_problem("keeper.seg", SegmentContent(problem="is cut at byte 8"), 2) == ""


def test_the_worker_is_in_the_name() -> None:
    """Only the segments of workers have a worker's number."""
    assert [worker_of(f"{name}.seg") for name in ("worker-12", "keeper", "heal-2")] == [
        12,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (_content(frames=[_second(1), _second(2, worker=0)]), "holds frames of another worker"),
        (_content(frames=[_second(1), _second(1)]), "tells second 1 2 times"),
        (_content(known=[*KNOWN, KNOWN[0]]), "names series 0 2 times"),
        (_content(frames=[_second(1)], known=[]), "counts series 2, which it never named"),
    ],
)
def test_a_contradiction_is_named(content: SegmentContent, problem: str) -> None:
    """Samples told twice, or of a series without a name, would be counted wrongly or not at all."""
    assert contradictions_of("worker-1.seg", content) == [problem]


def test_sound_frames_contradict_nothing() -> None:
    """Seconds told once each, in series that are named, are as they should be."""
    assert contradictions_of("worker-1.seg", _content(frames=[_second(1), _second(2)])) == []


def test_readings_of_figures_that_nobody_named_are_said() -> None:
    """A figure that is named twice, or read without a name, makes its segment no evidence."""
    series = ObservedSeries(id=0, source="target", name="a", tags={}, kind=ObservedKind.GAUGE)
    reading = SourceReading(source="target", start_ns=1, end_ns=2, ids=[0, 5], values=[1.0, 2.0])
    meta = Meta(writer="observer", pid=1, boot_id="b", at_ns=0, wall_ns=0)
    whole = SegmentContent(meta=meta, observed=[series])
    assert contradictions_of("observer.seg", whole) == []
    unnamed = SegmentContent(meta=meta, observed=[series], readings=[reading])
    assert contradictions_of("observer.seg", unnamed) == ["reads figure 5, which it never named"]
    twice = SegmentContent(meta=meta, observed=[series, series])
    assert contradictions_of("observer.seg", twice) == ["names figure 0 2 times"]
