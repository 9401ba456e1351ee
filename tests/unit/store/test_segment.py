"""Segments: what was appended is read back; what is broken is named."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from stormproof.kernel.errors import EnvironmentFailure, OwnFault
from stormproof.model.event import EndEvent, Failure, ProbeSample, WarningEvent
from stormproof.model.ledger import ENTRY, ENTRY_BYTES, EntryKind
from stormproof.model.native import NativeBuckets, packed
from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.series import Counts, Frame, GeneratorHealth, Series, SeriesKind
from stormproof.store.segment import FrameKind, SegmentRecorder, pack_frame, read_segment

HEALTH = GeneratorHealth(
    cpu_ns=1,
    wait_ns=2,
    loop_lag_ns_max=3,
    gc_pause_ns=4,
    schedule_lag_index=[5],
    schedule_lag_count=[6],
    core_idle_share=0.5,
    core_steal_share=0.0,
    users=7,
    users_busy=1,
    sockets=2,
    rss_bytes=3,
    recorded=4,
)
ENTRY_OF_ONE = ENTRY.pack(EntryKind.OK, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)


def write_everything(path: Path) -> None:
    recorder = SegmentRecorder(path, writer="worker-0")
    series = Series(id=0, kind=SeriesKind.OPERATION, metric="http_req", tags={"scenario": "feed"})
    frame = Frame(worker=0, second=1, at_ns=9, counts=[Counts(series=0, count=3)], generator=HEALTH)
    failure = Failure(
        worker=0, user=1, series=0, kind="timeout", intended_ns=1, start_ns=2, end_ns=3
    )
    recorder.frame(frame, [series], [failure])
    recorder.events([EndEvent(at_ns=5, how="completed")], sync=True)
    recorder.probes([ProbeSample(probe="ready", start_ns=1, end_ns=2, status=200, ok=True)])
    recorder.ledger(ENTRY_OF_ONE * 2)
    recorder.close("completed")


def test_reads_back_what_was_written(tmp_path: Path) -> None:
    """Every kind of frame comes back as it went in, with who wrote it and how it ended."""
    write_everything(tmp_path / "a.seg")
    content = read_segment((tmp_path / "a.seg").read_bytes())
    assert content.problem == ""
    assert content.meta is not None
    assert content.meta.writer == "worker-0"
    assert content.series[0].tags == {"scenario": "feed"}
    assert content.frames[0].counts[0].count == 3
    assert content.failures[0].kind == "timeout"
    assert content.probes[0].probe == "ready"
    assert isinstance(content.events[0], EndEvent)
    assert len(content.ledger) == 2 * ENTRY_BYTES
    assert content.end is not None
    assert content.end.how == "completed"


def test_a_cut_at_every_byte_keeps_what_is_before_it(tmp_path: Path) -> None:
    """However a segment is cut, reading names a problem and never invents a frame."""
    write_everything(tmp_path / "a.seg")
    whole = (tmp_path / "a.seg").read_bytes()
    full = read_segment(whole)
    for cut in range(len(whole)):
        content = read_segment(whole[:cut])
        assert content.problem
        assert content.frames == full.frames[: len(content.frames)]
        assert full.ledger.startswith(content.ledger)


@pytest.mark.parametrize("step", range(1, 200, 7))
def test_a_flipped_bit_is_noticed(tmp_path: Path, step: int) -> None:
    """A single changed bit anywhere in the segment is named as a problem."""
    write_everything(tmp_path / "a.seg")
    data = bytearray((tmp_path / "a.seg").read_bytes())
    data[step * 997 % len(data)] ^= 1 << step % 8
    assert read_segment(bytes(data)).problem


def test_a_segment_without_its_end_mark_says_so(tmp_path: Path) -> None:
    """A writer that died leaves a readable segment that is known to be unfinished."""
    recorder = SegmentRecorder(tmp_path / "a.seg", writer="keeper")
    recorder.events([WarningEvent(at_ns=1, code="x", text="y")])
    content = read_segment((tmp_path / "a.seg").read_bytes())
    assert content.problem == "ends without its end mark"
    assert len(content.events) == 1
    recorder.close("completed")


def test_two_writers_never_share_a_segment(tmp_path: Path) -> None:
    """Opening a segment that exists is refused, so one writer cannot overwrite another."""
    SegmentRecorder(tmp_path / "a.seg", writer="one").close("completed")
    with pytest.raises(EnvironmentFailure):
        SegmentRecorder(tmp_path / "a.seg", writer="two")


def test_a_torn_entry_is_our_own_fault(tmp_path: Path) -> None:
    """Ledger bytes that are no whole number of entries are refused before they are written."""
    recorder = SegmentRecorder(tmp_path / "a.seg", writer="worker-0")
    with pytest.raises(OwnFault):
        recorder.ledger(b"x" * (ENTRY_BYTES + 1))
    recorder.close("completed")


def test_a_full_disk_costs_one_frame_and_leaves_a_whole_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that stops half-way is cut off again and named; later ones continue it whole."""
    recorder = SegmentRecorder(tmp_path / "a.seg", writer="worker-0")
    real_write = os.write
    calls = iter([5, None])

    def write(file: int, data: bytes) -> int:
        size = next(calls)
        if size is None:
            raise OSError(28, "No space left on device")
        return real_write(file, data[:size])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(EnvironmentFailure, match="disk is full"):
        recorder.ledger(ENTRY_OF_ONE)
    monkeypatch.undo()
    recorder.ledger(ENTRY_OF_ONE)
    recorder.close("completed")
    content = read_segment((tmp_path / "a.seg").read_bytes())
    assert content.problem == ""
    assert bytes(content.ledger) == ENTRY_OF_ONE


def test_garbage_is_no_segment() -> None:
    """Bytes that do not begin as a segment are named, not read."""
    assert read_segment(b"").problem == "is not a record segment"
    assert read_segment(b"GIF89a....").problem == "is not a record segment"


def test_nothing_comes_after_the_end_mark(tmp_path: Path) -> None:
    """What follows a segment's end mark is not read, and is named."""
    write_everything(tmp_path / "a.seg")
    whole = (tmp_path / "a.seg").read_bytes()
    content = read_segment(whole + whole[8:])
    assert content.problem == f"goes on after its end mark at byte {len(whole)}"
    assert len(content.frames) == 1


def test_readings_survive_a_writer_that_was_killed(tmp_path: Path) -> None:
    """What a source gave is on its way to the disk once it is taken: no end mark is needed, a torn
    reading costs itself, and one whose ids and values do not pair is none."""
    path = tmp_path / "observer.seg"
    recorder = SegmentRecorder(path, writer="observer")
    series = ObservedSeries(
        id=3, source="target", name="a", tags={"b": "c"}, kind=ObservedKind.GAUGE
    )
    first = SourceReading(source="target", start_ns=1, end_ns=2, ids=[3], values=[4.5])
    second = SourceReading(source="target", start_ns=5, end_ns=9, error="timeout")
    recorder.reading(first, [series])
    recorder.reading(second, [])
    content = read_segment(path.read_bytes())
    assert (content.observed, content.readings) == ([series], [first, second])
    torn = read_segment(path.read_bytes()[:-1])
    assert (torn.readings, torn.problem[:6]) == ([first], "is cut")
    recorder.reading(SourceReading(source="t", start_ns=1, end_ns=2, ids=[3], values=[]), [])
    recorder.close("completed")
    assert "do not pair" in read_segment(path.read_bytes()).problem


def test_native_buckets_are_read_back_and_older_readings_have_none(tmp_path: Path) -> None:
    """A reading without the field is one without native histograms; bytes that are no buckets are a
    broken frame, not a fault when somebody judges."""
    path = tmp_path / "observer.seg"
    recorder = SegmentRecorder(path, writer="observer")
    given = SourceReading(
        source="target",
        start_ns=1,
        end_ns=2,
        ids=[3],
        values=[4.0],
        natives={3: packed(NativeBuckets(0, positive={1: 4}))},
    )
    recorder.reading(given, [])
    before = msgspec.msgpack.encode(["target", 1, 2, "", [3], [4.5]])
    old = path.read_bytes() + pack_frame(FrameKind.READING, before)
    assert read_segment(old).readings == [given, msgspec.msgpack.decode(before, type=SourceReading)]
    for odd in (b"", b"\xff", msgspec.msgpack.encode([99]), msgspec.msgpack.encode([0, -1.0])):
        broken = msgspec.structs.replace(given, natives={3: odd})
        frame = pack_frame(FrameKind.READING, msgspec.msgpack.encode(broken))
        content = read_segment(path.read_bytes() + frame)
        assert content.readings == [given]
        assert "unreadable frame" in content.problem
