"""Verdicts of records that break off anywhere."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import at, healthy_record

from stormproof.checks.judge import judge
from stormproof.kernel.canonical import canonical_json
from stormproof.model.objective import Status
from stormproof.model.record import Record

WHOLE = healthy_record()


def _cut(tenths: int, share: float) -> Record:
    """Return what a kill after some tenths of a second leaves; ledgers are flushed apart."""
    end_ns = at(tenths / 10)
    return replace(
        WHOLE,
        frames=tuple(one for one in WHOLE.frames if one.at_ns < end_ns),
        events=tuple(one for one in WHOLE.events if one.at_ns < end_ns),
        probes=tuple(one for one in WHOLE.probes if one.end_ns < end_ns),
        ledger=tuple(part[: round(len(part) * share)] for part in WHOLE.ledger),
        sealed=False,
        problems=("worker-0.seg ends in the middle of a frame",),
    )


@settings(max_examples=40)
@given(st.integers(-30, 430), st.floats(0, 1))
def test_a_cut_healthy_run_is_inconclusive(tenths: int, share: float) -> None:
    """Wherever a healthy run is killed, its record is neither PASS nor FAIL, and says why."""
    verdict = judge(_cut(tenths, share), version="0")
    assert verdict.verdict is Status.INCONCLUSIVE
    assert verdict.findings == []
    for one in verdict.objectives:
        assert one.status is not Status.FAIL
        assert bool(one.why) is (one.status is Status.INCONCLUSIVE)


@settings(max_examples=20)
@given(st.integers(-30, 430), st.floats(0, 1))
def test_equal_records_have_equal_verdicts(tenths: int, share: float) -> None:
    """Judging twice gives the same bytes, wherever the record ends."""
    one, again = (canonical_json(judge(_cut(tenths, share), version="0")) for _ in range(2))
    assert one == again
