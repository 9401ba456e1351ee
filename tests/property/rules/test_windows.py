"""Windows of any run and of any prefix of it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.builders import STOP_S, at, fault_events, healthy_record, probe, story

from stormproof.model.event import Event
from stormproof.model.objective import Window
from stormproof.rules.windows import windows_of

INSTANTS = st.lists(st.integers(40, 390), min_size=4, max_size=4, unique=True).map(sorted)


@given(INSTANTS, st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=4))
def test_the_load_is_always_shared_out(tenths: list[int], downs: list[tuple[int, int]]) -> None:
    """Wherever faults and unready spells lie, the windows are a partition of the load."""
    a, b, c, d = (one / 10 for one in tenths)
    events: list[Event] = [
        *story(faults=False),
        *fault_events("cache-cut", a, b),
        *fault_events("cache-restart", c, d),
    ]
    bad = [(start / 10, (start + length) / 10) for start, length in downs]
    windows = windows_of(healthy_record(events=tuple(events), probes=tuple(probe("ready", bad))))
    calm, fault, after = (windows.seconds(name) for name in ("calm", "fault", "recovery"))
    assert calm | fault | after == windows.seconds("load")
    assert len(calm) + len(fault) + len(after) == len(windows.seconds("load"))
    assert windows.seconds("disturbed") == fault | after
    assert windows.seconds("steady") <= calm
    for life in windows.faults:
        assert windows.second_of(life.start_ns) in fault
        assert life.back_ns is None or life.back_ns >= life.end_ns


@given(st.integers(1, STOP_S))
def test_a_prefix_has_the_same_past(second: int) -> None:
    """Wherever a record is cut off, the seconds well before the cut are where they were."""
    whole = healthy_record()
    cut = replace(
        whole,
        frames=tuple(one for one in whole.frames if one.second < second),
        events=tuple(one for one in whole.events if one.at_ns < at(second)),
        probes=tuple(one for one in whole.probes if one.end_ns < at(second)),
        sealed=False,
    )
    past = set(range(second - 2))
    before, after = windows_of(cut), windows_of(whole)
    windows: tuple[Window, ...] = ("warmup", "load", "steady", "calm", "fault")
    for window in windows:
        assert before.seconds(window) & past == after.seconds(window) & past
