"""Vectorised binning against the same sums done one by one."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormproof.clients.tape import ROW, Scope, Tape
from stormproof.load.binning import indices_of, microseconds_of
from stormproof.load.recording import UNKNOWN_HEALTH, Recording
from stormproof.model.histogram import VALUE_US_MAX, highest_us, index_of
from stormproof.model.series import Frame, SeriesKind
from stormproof.testing import ScriptedRecorder

SECOND_NS = 1_000_000_000
ORIGIN_NS = 50 * SECOND_NS

EDGES = [edge + step for bit in range(33) for edge in (1 << bit,) for step in (-1, 0, 1)]
VALUES = st.one_of(st.integers(-5, 1 << 40), st.sampled_from(EDGES), st.integers(0, 5_000))
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),  # which operation
        st.booleans(),  # failed
        st.integers(-SECOND_NS, 3 * SECOND_NS),  # intended, after the origin
        st.integers(0, 2 * SECOND_NS),  # actual - intended
        st.integers(0, 2 * SECOND_NS),  # end - actual
        st.integers(0, 100_000),  # bytes received
    ),
    max_size=60,
)


@given(st.lists(VALUES, min_size=1))
def test_indices_equal_the_models(values: list[int]) -> None:
    """The vectorised index of every value is that of `model.histogram.index_of`."""
    assert indices_of(np.array(values)).tolist() == [index_of(value) for value in values]


def test_indices_at_every_edge() -> None:
    """Powers of two and their neighbours, and the ends of the scale, fall as in the model."""
    values = [*EDGES, VALUE_US_MAX - 1, VALUE_US_MAX, VALUE_US_MAX + 1, 0, -1]
    assert indices_of(np.array(values)).tolist() == [index_of(value) for value in values]


@given(st.integers(0, VALUE_US_MAX * 1_000))
def test_time_is_never_made_shorter(duration_ns: int) -> None:
    """A bucket reports at least the time that was measured, and at most 0.1 % and 1 us more."""
    reported_us = highest_us(int(indices_of(microseconds_of(np.array([duration_ns])))[0]))
    assert duration_ns <= reported_us * 1_000 <= duration_ns * 1.001 + 2_000


@given(rows=ROWS, cuts=st.sets(st.integers(0, 59)))
def test_frames_add_up_to_the_rows(
    rows: list[tuple[int, bool, int, int, int, int]], cuts: set[int]
) -> None:
    """However rows are drained, frames hold each once: second, series, sums and buckets."""
    tape = Tape(0)
    scope = Scope(tape, "s")
    series = [scope.operation("http_req", f"GET /{n}") for n in range(3)]
    frames: list[Frame] = []
    recording = Recording(
        tape,
        [scope],
        [scope],
        ScriptedRecorder(),
        health=lambda seconds: [UNKNOWN_HEALTH] * seconds,
        on_frame=lambda frame, _: frames.append(frame),
    )
    recording.begin(ORIGIN_NS, ORIGIN_NS - 2 * SECOND_NS)
    expected: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for number, (which, failed, intended, wait, served, received) in enumerate(rows):
        start = ORIGIN_NS + intended + wait
        end = start + served
        tape.rows += _row(series[which], failed, received, ORIGIN_NS + intended, start, end)
        cell = expected[((end - ORIGIN_NS) // SECOND_NS, series[which])]
        response_us, service_us = -(-(wait + served) // 1000), -(-served // 1000)
        cell.update(
            {
                "count": 1,
                "failed": failed,
                "response_us": response_us,
                "service_us": service_us,
                "bytes": received,
                f"r{index_of(response_us)}": 1,
                f"s{index_of(service_us)}": 1,
            }
        )
        if number in cuts:
            recording.drain()
    recording.finish(ORIGIN_NS + 8 * SECOND_NS)
    assert _cells(frames, tape) == {key: +cell for key, cell in expected.items()}
    assert [frame.second for frame in frames] == list(range(-2, 9))


def _row(series: int, failed: bool, received: int, intended: int, start: int, end: int) -> bytes:
    return ROW.pack(series, failed, 0, received, intended, start, end)


def _cells(frames: list[Frame], tape: Tape) -> dict[tuple[int, int], Counter[str]]:
    cells = {}
    for frame in frames:
        for one in frame.counts:
            if tape.series[one.series].kind is not SeriesKind.OPERATION:
                continue
            cell = Counter(
                {
                    "count": one.count,
                    "failed": one.failed,
                    "response_us": one.response_sum_us,
                    "service_us": one.service_sum_us,
                    "bytes": one.bytes_received,
                }
            )
            pairs = zip(one.response_index, one.response_count, strict=True)
            cell.update({f"r{index}": count for index, count in pairs})
            pairs = zip(one.service_index, one.service_count, strict=True)
            cell.update({f"s{index}": count for index, count in pairs})
            cells[(frame.second, one.series)] = +cell
    return cells
