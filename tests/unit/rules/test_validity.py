"""Was it the target, or was it us?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.builders import at, frame, frames, healthy_record, story

from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import WorkerEvent
from stormproof.model.histogram import index_of
from stormproof.model.series import Frame
from stormproof.rules.validity import (
    Cause,
    causes_in,
    generator_of,
    tolerated_seconds,
    validity_of,
)
from stormproof.rules.windows import windows_of


def _with_health(seconds: range, **changes: Any) -> tuple[Frame, ...]:
    return tuple(
        frame(one.worker, one.second, one.counts, **changes) if one.second in seconds else one
        for one in frames()
    )


def _doubt(some: tuple[Frame, ...], window: str = "load") -> tuple[str, str]:
    record = healthy_record(frames=some)
    windows = windows_of(record)
    seconds = windows.seconds("load") if window == "load" else windows.seconds("fault")
    return validity_of(record, windows).doubt(seconds)


def test_a_half_busy_machine_is_valid() -> None:
    """Two workers and the target on two half-busy cores are no reason to doubt."""
    easy = _with_health(
        range(42),
        cpu_ns=250 * MILLISECOND_NS,
        wait_ns=100 * MILLISECOND_NS,
        core_idle_share=0.4,
        loop_lag_ns_max=20 * MILLISECOND_NS,
        schedule_lag_index=[index_of(2_000)],
    )
    assert _doubt(easy) == ("", "")


def test_a_busy_loop_on_the_workers_core_is_found() -> None:
    """A core without idle time that the workers did not fill was taken by somebody else."""
    taken = _with_health(range(42), cpu_ns=300 * MILLISECOND_NS, core_idle_share=0.0)
    why, remedy = _doubt(taken)
    assert "36 of 36 s" in why
    assert Cause.CORE_TAKEN.value in why
    assert remedy == Cause.CORE_TAKEN.remedy


def test_a_generator_at_its_limit_is_told_apart() -> None:
    """Workers that used up their core themselves need a lower rate, not a quieter machine."""
    full = _with_health(range(42), cpu_ns=480 * MILLISECOND_NS, core_idle_share=0.01)
    why, remedy = _doubt(full)
    assert Cause.CORE_FULL.value in why
    assert "lower the rate" in remedy


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        (Cause.SCHEDULE_LAG, {"schedule_lag_index": [index_of(80_000)]}),
        (Cause.LOOP_LAG, {"loop_lag_ns_max": 400 * MILLISECOND_NS}),
        (Cause.STEAL, {"core_steal_share": 0.3}),
        (Cause.WAIT, {"cpu_ns": 200 * MILLISECOND_NS, "wait_ns": 300 * MILLISECOND_NS}),
    ],
)
def test_each_cause_is_named(cause: Cause, changes: dict[str, Any]) -> None:
    """Late starts, a late loop, stolen and awaited CPU time each make a second invalid."""
    assert causes_in([frame(0, 0, [], **changes)], 1) == {cause}


def test_a_little_waiting_is_no_share() -> None:
    """A worker that did next to nothing and waited next to nothing is valid."""
    idle = {"cpu_ns": MILLISECOND_NS, "wait_ns": 4 * MILLISECOND_NS, "core_idle_share": -1.0}
    assert causes_in([frame(0, 0, [], **idle)], 1) == set()


def test_a_missing_frame_is_a_gap() -> None:
    """A living worker without a frame leaves a hole in the evidence."""
    holed = tuple(one for one in frames() if not (one.worker == 1 and 20 <= one.second < 25))
    why, _ = _doubt(holed)
    assert "5 of 36 s" in why
    assert Cause.GAP.value in why


def test_a_dead_worker_is_named_as_such() -> None:
    """After a worker's death its missing frames are put down to it."""
    record = healthy_record(
        frames=tuple(one for one in frames() if not one.worker or one.second < 20)
    )
    death = WorkerEvent(at_ns=at(20.1), worker=1, step="died")
    record = replace(record, events=(*story(), death))
    windows = windows_of(record)
    why, _ = validity_of(record, windows).doubt(windows.seconds("load"))
    assert Cause.WORKER_DIED.value in why


def test_a_hiccup_is_borne() -> None:
    """One invalid second in any window, one in twenty of a long one, and no more."""
    assert [tolerated_seconds(n) for n in (0, 1, 5, 39, 40, 100)] == [0, 1, 1, 1, 2, 5]
    assert _doubt(_with_health(range(12, 13), core_idle_share=0.0), "fault") == ("", "")
    assert _doubt(_with_health(range(12, 14), core_idle_share=0.0), "fault") != ("", "")


def test_what_is_answered_twice_bears_one_second_in_five() -> None:
    """Seconds that cannot decide an answer may be a fifth of its window, missing frames none."""
    assert [tolerated_seconds(n, answered_twice=True) for n in (0, 4, 9, 10, 36)] == [0, 1, 1, 2, 7]
    record = healthy_record(frames=_with_health(range(20, 27), core_idle_share=0.0))
    windows = windows_of(record)
    seconds, validity = windows.seconds("load"), validity_of(record, windows)
    assert validity.doubt(seconds, answered_twice=True) == ("", "")
    assert validity.doubt(seconds) != ("", "")
    holed = healthy_record(frames=tuple(o for o in frames() if (o.worker, o.second) != (1, 13)))
    assert validity_of(holed, windows).doubt(seconds, answered_twice=True)[0]


def test_the_generator_is_summed_up_over_the_load() -> None:
    """The verdict's figures are of the judged load alone, and say whether it is valid."""
    some = _with_health(range(28, 36), core_idle_share=0.02, wait_ns=SECOND_NS // 20)
    record = healthy_record(frames=some)
    windows = windows_of(record)
    generator = generator_of(record, windows, validity_of(record, windows))
    assert not generator.valid
    assert generator.invalid_seconds == list(range(28, 36))
    assert generator.operations == 3_600
    assert generator.cpu_share == pytest.approx(0.2)
    assert generator.core_idle_share_min == 0.02
    assert generator.schedule_lag_p99_ms == pytest.approx(0.3)


def test_a_load_that_never_began_is_not_valid() -> None:
    """Without a judged second the generator proved nothing."""
    record = healthy_record(frames=(), events=())
    windows = windows_of(record)
    generator = generator_of(record, windows, validity_of(record, windows))
    assert (generator.valid, generator.why) == (False, "the judged load never began")


def test_not_one_missing_frame_is_borne() -> None:
    """One frame of one worker that is missing leaves its window undecided: nobody knows it."""
    holed = tuple(one for one in frames() if (one.worker, one.second) != (1, 13))
    why, remedy = _doubt(holed)
    assert why == "in 1 of 36 s the measurement is not valid: a worker's frame is missing (1 s)"
    assert remedy == Cause.GAP.remedy
    assert _doubt(holed, "fault")[0]
