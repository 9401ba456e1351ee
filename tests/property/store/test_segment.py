"""Segments of anything, cut and broken anywhere: what is whole is kept, nothing is made up."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import health

from stormproof.model.event import DecisionEvent, EndEvent, Failure, ProbeSample, WarningEvent
from stormproof.model.ledger import ENTRY_BYTES
from stormproof.model.series import Counts, Frame, Level, Series, SeriesKind, StoredFrame
from stormproof.store.segment import (
    MAGIC,
    End,
    FrameKind,
    Meta,
    SegmentContent,
    pack_frame,
    read_segment,
)

COUNTS = st.integers(0, 2**40)
TEXTS = st.text(max_size=12)
LISTS = st.lists(st.integers(0, 23_000), max_size=3)
LEVELS = st.builds(Level, last=COUNTS, at_ns=COUNTS, low=COUNTS, high=COUNTS)
ONES = st.builds(
    Counts,
    series=st.integers(0, 999),
    count=COUNTS,
    failed=COUNTS,
    response_index=LISTS,
    response_count=LISTS,
    response_sum_us=COUNTS,
    bytes_sent=COUNTS,
    status=LISTS,
    status_count=LISTS,
    level=st.none() | LEVELS,
)
EVENTS = st.one_of(
    st.builds(EndEvent, at_ns=COUNTS, how=TEXTS),
    st.builds(WarningEvent, at_ns=COUNTS, code=TEXTS, text=TEXTS),
    st.builds(
        DecisionEvent,
        at_ns=COUNTS,
        rule=TEXTS,
        from_second=st.integers(-5, 100),
        to_second=st.integers(0, 100),
        status=TEXTS,
        value=st.none() | st.floats(allow_nan=False),
        bar=st.none() | st.floats(allow_nan=False),
        action=TEXTS,
    ),
)
FRAMES = st.builds(
    Frame,
    worker=st.integers(0, 63),
    second=st.integers(-100, 100_000),
    at_ns=COUNTS,
    counts=st.lists(ONES, max_size=3),
    generator=st.just(health()),
)
PIECES = st.one_of(
    st.tuples(st.just(FrameKind.EVENT), EVENTS),
    st.tuples(
        st.just(FrameKind.SERIES),
        st.builds(
            Series,
            id=st.integers(0, 999),
            kind=st.sampled_from(SeriesKind),
            metric=TEXTS,
            tags=st.dictionaries(TEXTS, TEXTS, max_size=3),
        ),
    ),
    st.tuples(st.just(FrameKind.FRAME), FRAMES),
    st.tuples(
        st.just(FrameKind.FAILURE),
        st.builds(
            Failure,
            worker=COUNTS,
            user=COUNTS,
            series=COUNTS,
            kind=TEXTS,
            intended_ns=COUNTS,
            start_ns=COUNTS,
            end_ns=COUNTS,
        ),
    ),
    st.tuples(
        st.just(FrameKind.PROBE),
        st.lists(
            st.builds(
                ProbeSample,
                probe=TEXTS,
                start_ns=COUNTS,
                end_ns=COUNTS,
                status=st.integers(0, 599),
                ok=st.booleans(),
            ),
            max_size=2,
        ),
    ),
    st.tuples(
        st.just(FrameKind.LEDGER),
        st.integers(0, 3).map(lambda entries: bytes(range(ENTRY_BYTES)) * entries),
    ),
)
SEGMENTS = st.lists(PIECES, max_size=6)
META = Meta(writer="worker-0", pid=1, boot_id="b", at_ns=1, wall_ns=2)


def _packed(pieces: list[tuple[FrameKind, Any]]) -> list[bytes]:
    """Return the frames of a whole segment, one by one, its magic with the first."""
    encode = msgspec.msgpack.encode
    packed = [MAGIC + pack_frame(FrameKind.META, encode(META))]
    packed += [
        pack_frame(kind, value if kind is FrameKind.LEDGER else encode(value))
        for kind, value in pieces
    ]
    return [*packed, pack_frame(FrameKind.END, encode(End(how="completed")))]


def _read(content: SegmentContent) -> list[Any]:
    """Return what was read, by kind and in order."""
    return [
        content.events,
        content.series,
        [one.unpacked() for one in content.frames],
        content.failures,
        content.probes,
        bytes(content.ledger),
    ]


def _expected(pieces: list[tuple[FrameKind, Any]]) -> list[Any]:
    def of(kind: FrameKind) -> list[Any]:
        return [value for one, value in pieces if one is kind]

    return [
        of(FrameKind.EVENT),
        of(FrameKind.SERIES),
        of(FrameKind.FRAME),
        of(FrameKind.FAILURE),
        [sample for samples in of(FrameKind.PROBE) for sample in samples],
        b"".join(of(FrameKind.LEDGER)),
    ]


@given(SEGMENTS)
def test_whatever_was_written_is_read(pieces: list[tuple[FrameKind, Any]]) -> None:
    """Any mixture of frames comes back as it was, without a problem."""
    content = read_segment(b"".join(_packed(pieces)))
    assert content.problem == ""
    assert content.meta == META
    assert _read(content) == _expected(pieces)


@given(FRAMES, st.sets(st.integers(0, 999), max_size=3))
def test_a_stored_frame_says_what_was_written(frame: Frame, others: set[int]) -> None:
    """Unpacked whole or a series at a time, a frame that was read is the one that was written."""
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(frame), type=StoredFrame)
    assert stored.unpacked() == frame
    assert list(stored.series_ids()) == list(frame.series_ids())
    wanted = others | set(list(frame.series_ids())[:1])
    assert list(stored.counts_of(wanted)) == list(frame.counts_of(wanted))


@settings(max_examples=25)
@given(SEGMENTS)
def test_a_cut_at_any_byte_costs_what_is_behind_it(pieces: list[tuple[FrameKind, Any]]) -> None:
    """Cut at each of its bytes, a segment gives exactly the frames before the cut, and says so."""
    packed = _packed(pieces)
    whole = b"".join(packed)
    ends = [sum(map(len, packed[: count + 1])) for count in range(len(packed))]
    for cut in range(len(whole)):
        content = read_segment(whole[:cut])
        assert content.problem
        whole_frames = sum(end <= cut for end in ends)
        assert _read(content) == _expected(pieces[: max(0, whole_frames - 1)])


@given(SEGMENTS, st.data())
def test_a_changed_byte_is_never_read_as_something_else(
    pieces: list[tuple[FrameKind, Any]], data: st.DataObject
) -> None:
    """Whichever byte is changed to whatever, what is read is a beginning of what was written."""
    whole = bytearray(b"".join(_packed(pieces)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    content = read_segment(bytes(whole))
    assert content.problem
    for found, written in zip(_read(content), _expected(pieces), strict=True):
        assert written[: len(found)] == found
