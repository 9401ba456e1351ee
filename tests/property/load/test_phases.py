"""Phases made from service times, and from what differs, against the same sums done one by one."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormproof.clients.tape import PHASED_ROW, Scope, Tape
from stormproof.load.binning import coarse
from stormproof.load.phases import RECEIVING, WAITING
from stormproof.load.recording import UNKNOWN_HEALTH, Recording
from stormproof.model.histogram import VALUE_US_MAX, highest_us, index_of
from stormproof.model.series import Counts, Frame
from stormproof.testing import ScriptedRecorder

SECOND_NS = 1_000_000_000
US = st.integers(0, 900_000)
ROWS = st.lists(st.tuples(st.sampled_from([0, 200, 429, 503]), US, US, US), max_size=40)


@given(rows=ROWS, cuts=st.sets(st.integers(0, 39)))
def test_phases_add_up(rows: list[tuple[int, int, int, int]], cuts: set[int]) -> None:
    """However rows are drained, each request is in each phase once and loses no time."""
    tape = Tape(0)
    scope = Scope(tape, "s")
    operation = scope.operation("http_req", "GET /")
    frames: list[Frame] = []
    recording = Recording(
        tape,
        [scope],
        [scope],
        ScriptedRecorder(),
        health=lambda seconds: [UNKNOWN_HEALTH] * seconds,
        on_frame=lambda frame, _: frames.append(frame),
    )
    recording.begin(0, 0)
    waits: Counter[int] = Counter()
    receipts: Counter[int] = Counter()
    for number, (status, *parts_us) in enumerate(rows):
        written_us, first_us, service_us = sorted(parts_us)
        begun_us = first_us or service_us
        waits[int(coarse(np.array([index_of(max(begun_us - written_us, 0))]))[0])] += 1
        receipts[int(coarse(np.array([index_of(service_us - begun_us)]))[0])] += 1
        end_ns = SECOND_NS // 2
        start_ns = end_ns - service_us * 1_000
        tape.rows += PHASED_ROW.pack(
            operation, status << 1, 1, 1, written_us, first_us, start_ns, start_ns, end_ns
        )
        if number in cuts:
            recording.drain()
    recording.finish(SECOND_NS - 1)
    found = {tape.series[one.series].metric: one for frame in frames for one in frame.counts}
    if not rows:
        assert WAITING not in found
        return
    assert histogram(found[WAITING]) == waits
    assert histogram(found[RECEIVING]) == receipts
    statuses = zip(found["http_req"].status, found["http_req"].status_count, strict=True)
    assert dict(statuses) == Counter(status for status, *_ in rows)


def histogram(counts: Counts) -> Counter[int]:
    """Return the buckets of a trend."""
    assert counts.count == sum(counts.response_count)
    return Counter(dict(zip(counts.response_index, counts.response_count, strict=True)))


@given(st.integers(0, VALUE_US_MAX))
def test_coarse_buckets_are_narrow_enough(value_us: int) -> None:
    """A coarse bucket reports at least the value, and at most 1.6 % more."""
    index = int(coarse(np.array([index_of(value_us)]))[0])
    assert value_us <= highest_us(index) <= value_us * 1.016 + 1
    assert int(coarse(np.array([index]))[0]) == index
