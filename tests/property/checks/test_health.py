"""Readiness that is honest is never called a lie, however faults follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CUT, RESTART, fault_events, healthy_record, plan, probe, story

from stormproof.checks.faults import stories_of
from stormproof.checks.health import check_health
from stormproof.checks.recovery import outages_of
from stormproof.kernel.units import SECOND_NS
from stormproof.model.record import Record
from stormproof.rules.windows import windows_of


@dataclass(frozen=True, kw_only=True)
class Honest:
    """A fault and what a service makes of it, in tenths of a second one after the other.

    Operations fail from `bites` after its start to `back` after its undo; readiness is that much
    later with its no, at most a second and a half, and with its yes.
    """

    calm: int
    lasts: int
    bites: int
    late: int
    back: int
    later: int


TENTHS = st.integers(0, 15)
FAULTS = st.tuples(
    *[
        st.builds(
            Honest,
            calm=st.integers(1, 50),
            lasts=st.integers(3, 100),
            bites=TENTHS,
            late=TENTHS,
            back=TENTHS,
            later=TENTHS,
        )
    ]
    * 2
)


def record_of(faults: Sequence[Honest], every: int) -> Record:
    """Return the run; `every` is how many tenths of a second lie between two canaries."""
    events, failing, unready, now_s = story(faults=False), [], [], 6.0
    for name, one in zip((CUT, RESTART), faults, strict=True):
        start_s = now_s + one.calm / 10
        undone_s = start_s + one.lasts / 10
        events += fault_events(name, start_s, undone_s)
        bites_s, now_s = start_s + one.bites / 10, undone_s + one.back / 10
        failing.append((bites_s, now_s))
        unready.append((bites_s + one.late / 10, now_s + one.later / 10))
    canary = probe("canary", failing)[::every]
    probes = tuple(
        msgspec.structs.replace(one, interval_ns=every * SECOND_NS // 10)
        if one.name == "canary"
        else one
        for one in plan().probes
    )
    return healthy_record(
        plan(probes=probes),
        probes=tuple(sorted([*probe("ready", unready), *canary], key=lambda one: one.start_ns)),
        events=tuple(sorted(events, key=lambda event: event.at_ns)),
    )


@given(FAULTS, st.sampled_from([1, 5, 10]))
def test_an_honest_service_is_never_called_a_liar(faults: Sequence[Honest], every: int) -> None:
    """No answer of such a service is counted as false."""
    record = record_of(faults, every)
    windows, stories = windows_of(record), stories_of(record)
    measured = check_health(record, windows, outages_of(record, windows, stories), stories).measured
    false = measured["health_false_ready", ""]
    assert (false.why, false.value) == ("", 0.0)
