"""Is readiness honest?"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.builders import (
    CUT,
    FEED_OPERATION,
    ORIGIN_NS,
    RESTART,
    at,
    fault_events,
    healthy_record,
    plan,
    probe,
    story,
)

from stormproof.checks.faults import stories_of
from stormproof.checks.health import check_health
from stormproof.checks.outcome import Measurement
from stormproof.checks.recovery import outages_of
from stormproof.model.event import Failure, ProbeSample
from stormproof.model.record import Record
from stormproof.rules.windows import windows_of

LAG, FALSE = "health_unready_lag_s", "health_false_ready"
Spans = list[tuple[float, float]]


def _record(ready: Spans, canary: Spans, **changes: Any) -> Record:
    both: list[ProbeSample] = [*probe("ready", ready), *probe("canary", canary)]
    probes = tuple(sorted(both, key=lambda sample: sample.start_ns))
    return healthy_record(probes=probes, **changes)


def _measured(record: Record) -> dict[tuple[str, str], Measurement]:
    stories = stories_of(record)
    outages = outages_of(record, windows_of(record), stories)
    return check_health(record, windows_of(record), outages, stories).measured


def test_an_honest_target() -> None:
    """Not ready a tick after the first failure, ready after the last: a small lag, no lie."""
    measured = _measured(healthy_record())
    assert measured[LAG, CUT].value == pytest.approx(0.1)
    assert measured[LAG, RESTART].value == pytest.approx(0.1)
    assert measured[LAG, ""].value == pytest.approx(0.1)
    assert measured[FALSE, ""].value == 0.0


def test_readiness_that_was_first_has_no_lag() -> None:
    """Saying no before the first failure is as honest as can be."""
    measured = _measured(_record([(12.0, 16.4), (26.0, 27.0)], [(12.5, 16.2), (26.1, 26.8)]))
    assert measured[LAG, ""].value == 0.0


def test_a_late_no_is_a_lag() -> None:
    """Readiness that took 3.5 s to notice lagged that long, and lied after its grace."""
    measured = _measured(_record([(15.7, 18.0), (26.2, 27.0)], [(12.2, 18.0), (26.1, 26.8)]))
    assert measured[LAG, CUT].value == pytest.approx(3.5)
    assert measured[LAG, ""].value == pytest.approx(3.5)
    assert measured[FALSE, ""].value == pytest.approx(14, abs=1)


def test_a_target_that_never_says_no() -> None:
    """Ready while operations fail: the lag is the whole outage, each answer after 2 s a lie."""
    measured = _measured(_record([], [(12.2, 18.0)]))
    assert measured[LAG, CUT].value == pytest.approx(5.695)
    assert measured[FALSE, ""].value == pytest.approx(36, abs=2)


def test_an_early_yes_is_a_lie() -> None:
    """Ready two seconds before operations succeed again is false each time."""
    measured = _measured(_record([(12.3, 16.0), (26.2, 27.0)], [(12.2, 18.0), (26.1, 26.8)]))
    assert measured[LAG, CUT].value == pytest.approx(0.1)
    assert measured[FALSE, ""].value == pytest.approx(18, abs=1)


def test_single_failures_between_successes_are_no_outage() -> None:
    """One failed ticket among good ones is not what readiness is for."""
    dots = [(12.2 + k, 12.25 + k) for k in range(3)]
    measured = _measured(_record([], [*dots, (26.1, 26.15)]))
    assert measured[LAG, ""].value == 0.0
    assert measured[FALSE, ""].value == 0.0


def test_a_hanging_operation_accuses_nobody_after_the_fact() -> None:
    """A question that hung from the outage into the recovery does not make a true yes a lie."""
    canary = [one for one in probe("canary", [(12.2, 16.0)]) if not 15.95 < _s(one) < 20.0]
    hung = [one for one in probe("canary", [(15.9, 16.0)]) if 15.85 < _s(one) < 15.95]
    late = [_hang(one, 5.0) for one in hung]
    kept = [one for one in canary if not 15.85 < _s(one) < 15.95]
    probes = [*probe("ready", [(12.3, 16.1), (26.2, 27.0)]), *kept, *late]
    record = healthy_record(probes=tuple(sorted(probes, key=lambda one: one.start_ns)))
    assert _measured(record)[FALSE, ""].value == 0.0


def _s(sample: ProbeSample) -> float:
    return (sample.start_ns - ORIGIN_NS) / 1e9


def _hang(sample: ProbeSample, seconds: float) -> ProbeSample:
    return type(sample)(
        probe=sample.probe,
        start_ns=sample.start_ns,
        end_ns=sample.start_ns + round(seconds * 1e9),
        status=0,
        ok=False,
        error="timeout",
    )


def test_a_fault_that_nobody_felt_has_no_lag() -> None:
    """Where nothing failed and both probes were asked all through, readiness missed nothing."""
    assert _measured(_record([], []))[LAG, ""].value == 0.0
    felt_once = _measured(_record([(12.3, 16.4)], [(12.2, 16.2)]))
    assert felt_once[LAG, ""].value == pytest.approx(0.1)
    assert felt_once[LAG, RESTART].value == 0.0


def test_a_fault_that_nobody_looked_at_shows_no_honesty() -> None:
    """A canary that was not asked during a fault does not show that nothing failed."""
    canary = [one for one in probe("canary", []) if not 12.0 < _s(one) < 13.9]
    both = [*probe("ready", []), *canary]
    record = healthy_record(probes=tuple(sorted(both, key=lambda one: one.start_ns)))
    assert "'canary' was not asked for" in _measured(record)[LAG, CUT].why


def test_both_probes_are_needed() -> None:
    """Without the canary, nothing says whether readiness lied."""
    ready_only = tuple(one for one in plan().probes if one.name == "ready")
    record = healthy_record(plan(probes=ready_only), probes=tuple(probe("ready")))
    assert "lacks the probe" in _measured(record)[FALSE, ""].why


def test_a_silent_readiness_probe_is_no_evidence() -> None:
    """When nobody asked whether it is ready, honesty cannot be told."""
    ready = [one for one in probe("ready", [(12.3, 16.4)]) if not 12.5 < _s(one) < 15.5]
    probes = [*ready, *probe("canary", [(12.2, 16.2)])]
    record = healthy_record(probes=tuple(sorted(probes, key=lambda one: one.start_ns)))
    assert "'ready' gave no usable answer for 3.0 s" in _measured(record)[LAG, CUT].why


@pytest.mark.parametrize("name", ["ready", "canary"])
def test_a_probe_that_falls_silent_under_load_is_no_evidence(name: str) -> None:
    """Far from every fault too, a probe that is not asked leaves honesty undecided."""
    kept = tuple(
        one for one in healthy_record().probes if one.probe != name or not 32.0 < _s(one) < 34.5
    )
    measured = _measured(healthy_record(probes=kept))
    for metric in (LAG, FALSE):
        assert f"{name!r} gave no usable answer" in measured[metric, ""].why


def test_a_canary_that_is_not_let_in_is_no_evidence() -> None:
    """A canary that is refused all along (401) shows neither failures nor their absence."""
    refused = tuple(
        msgspec.structs.replace(one, ok=False, status=401)
        if one.probe == "canary" and _s(one) > 20
        else one
        for one in healthy_record().probes
    )
    measured = _measured(healthy_record(probes=refused))
    assert "'canary' gave no usable answer for 20." in measured[FALSE, ""].why
    assert measured[LAG, ""].why


def test_an_answer_that_takes_long_is_no_silence() -> None:
    """A canary that hangs for 4 s was asked all that time."""
    hung = [_hang(one, 4.0) for one in probe("canary") if 33.95 < _s(one) < 34.05]
    others = [one for one in healthy_record().probes if one.probe == "ready"]
    canary = [one for one in probe("canary", [(12.2, 16.2)]) if not 33.95 < _s(one) < 38.0]
    probes = sorted([*others, *canary, *hung], key=lambda one: one.start_ns)
    assert _measured(healthy_record(probes=tuple(probes)))[FALSE, ""].why == ""


def test_a_target_that_flaps_is_not_ready() -> None:
    """Every second ticket fails for 10 s and readiness says yes: each answer after 2 s is a lie."""
    every_second = [(31 + k / 5, 31.1 + k / 5) for k in range(50)]
    canary = [(12.2, 16.2), (26.1, 26.8), *every_second]
    measured = _measured(_record([(12.3, 16.4), (26.2, 27.0)], canary))
    assert measured[FALSE, ""].value == pytest.approx(77, abs=3)


def test_bursts_of_failures_are_flapping_too() -> None:
    """Half a second of failures in each second and a half is too much to be ready through."""
    bursts = [(31 + 1.5 * k, 31.5 + 1.5 * k) for k in range(7)]
    canary = [(12.2, 16.2), (26.1, 26.8), *bursts]
    measured = _measured(_record([(12.3, 16.4), (26.2, 27.0)], canary))
    assert 20 <= (measured[FALSE, ""].value or 0) <= 70


@pytest.mark.parametrize("undone_s", [22.8, 23.5, 24.4])
def test_a_fault_that_comes_late_makes_nobody_a_liar(undone_s: float) -> None:
    """Between a cut that was over 8 s late and the restart soon after it, a service that was whole
    and said so is not held to the failures of the one and of the other together."""
    cut, restart = fault_events(CUT, 20.0, undone_s), fault_events(RESTART, 26.0, 26.8)
    events = [*story(faults=False), *cut, *restart]
    record = _record(
        [(20.2, undone_s + 0.2), (26.2, 27.0)],
        [(20.1, undone_s + 0.1), (26.1, 26.8)],
        events=tuple(sorted(events, key=lambda one: one.at_ns)),
    )
    assert _measured(record)[FALSE, ""].value == 0.0


def test_a_slow_canary_joins_no_two_faults() -> None:
    """One success between two faults is all that a canary every second sees: no one outage."""
    canary = [
        one for one in probe("canary", [(20.1, 24.2), (26.0, 27.1)]) if one.start_ns % 10**9 == 0
    ]
    both = [*probe("ready", [(20.2, 24.3), (26.0, 27.1)]), *canary]
    events = [
        *story(faults=False),
        *fault_events(CUT, 20.0, 24.1),
        *fault_events(RESTART, 25.9, 26.8),
    ]
    made = plan(
        probes=tuple(
            msgspec.structs.replace(one, interval_ns=10**9) if one.name == "canary" else one
            for one in plan().probes
        )
    )
    record = healthy_record(
        made,
        probes=tuple(sorted(both, key=lambda one: one.start_ns)),
        events=tuple(sorted(events, key=lambda one: one.at_ns)),
    )
    assert _measured(record)[FALSE, ""].value == 0.0


def test_a_liar_between_two_faults_is_still_found() -> None:
    """Ready all through, while tickets fail long after a late cut was undone: each is a lie."""
    events = [
        *story(faults=False),
        *fault_events(CUT, 16.0, 19.0),
        *fault_events(RESTART, 26.0, 26.8),
    ]
    record = _record(
        [(16.2, 19.1), (26.2, 27.0)],
        [(16.1, 25.0), (26.1, 26.8)],
        events=tuple(sorted(events, key=lambda one: one.at_ns)),
    )
    assert (_measured(record)[FALSE, ""].value or 0) >= 50


def test_failures_of_the_load_make_a_streak_too() -> None:
    """5xx of the load are failures that readiness must know of; those far apart are two streaks."""
    failures = tuple(_failure(start_s) for start_s in (12.2, 13.0, 14.0, 20.0, 20.5))
    measured = _measured(_record([], [], failures=failures))
    assert measured[LAG, CUT].samples >= 2
    assert measured[LAG, CUT].why == ""


def _failure(start_s: float) -> Failure:
    return Failure(
        worker=0,
        user=1,
        series=FEED_OPERATION,
        kind="http 503",
        intended_ns=at(start_s),
        start_ns=at(start_s),
        end_ns=at(start_s + 0.01),
        status=503,
    )
