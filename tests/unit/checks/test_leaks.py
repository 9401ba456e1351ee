"""The judge of leaks, counted on series of known nature, and case by case where it says why."""

from __future__ import annotations

import numpy as np
import pytest

from stormproof.checks.leaks import Answer, Leak, Readings, judge_leak
from stormproof.checks.trend import Floats
from stormproof.kernel.units import SECOND_NS
from stormproof.rules.evidence import SLOPE_SPAN_S
from stormproof.testing.shapes import SHAPES, score

SEEDS = 200
FALSE_ALARMS_MAX = SEEDS // 100
MISSES_MAX = SEEDS // 20


@pytest.mark.parametrize("name", SHAPES)
def test_no_shape_is_accused_wrongly_or_missed(name: str) -> None:
    """Over 200 seeds at most 1 % of the innocent are accused and 5 % not answered as is right."""
    scored = score(SHAPES[name], SEEDS)
    assert scored.false_alarms <= FALSE_ALARMS_MAX
    assert scored.misses <= MISSES_MAX


@pytest.mark.parametrize("name", ["one step", "counter reset", "grown, then freed"])
def test_what_ended_long_ago_is_mostly_cleared(name: str) -> None:
    """A step, a reset or a growth given back leaves most runs decided, not merely unaccused."""
    scored = score(SHAPES[name], SEEDS)
    assert scored.answers[Answer.NO_LEAK] > SEEDS / 2


def test_a_leak_that_begins_late_is_never_called_level() -> None:
    """Level for three quarters of the hour, then three times the bar: not one of 200 is cleared."""
    assert score(SHAPES["late start"], SEEDS).answers[Answer.NO_LEAK] == 0


def test_a_leak_that_begins_late_says_how_much_longer_to_run() -> None:
    """What is level in all, and not surely so of late, asks for more time and gives its slope."""
    told = SHAPES["late start"].judge(0)
    assert told.answer is Answer.TOO_SHORT
    assert "second half" in told.why
    assert told.longer_s is not None
    assert told.per_hour is not None


def test_what_is_level_is_hardly_ever_too_short() -> None:
    """Of 2,000 harmless series at most ten are left undecided."""
    level = [one for one in SHAPES.values() if one.right == {Answer.NO_LEAK}]
    assert sum(score(one, SEEDS).answers[Answer.TOO_SHORT] for one in level) <= SEEDS // 20


def test_equal_series_have_equal_answers() -> None:
    """Judging draws nothing at random: the same seed gives the same answer to the last bit."""
    for shape in SHAPES.values():
        assert shape.judge(7) == shape.judge(7)


def _seconds(length_s: int, step_s: int = 10) -> Floats:
    return np.arange(0, length_s, step_s, dtype=np.float64)


def _judge(at_s: Floats, values: Floats, bar: float = 20.0, warm_s: int = 0) -> Leak:
    readings = Readings(
        instants_ns=(at_s * SECOND_NS).astype(np.int64),
        values=values,
        operations=(at_s * 50).astype(np.int64),
    )
    return judge_leak(readings, bar_per_hour=bar, warm_until_ns=warm_s * SECOND_NS)


def test_a_leak_is_told_by_the_hour_and_by_the_operation() -> None:
    """72 an hour at 50 operations a second is 0.4 per 1,000 operations, both with an interval."""
    at_s = _seconds(3_600)
    noise = np.random.Generator(np.random.PCG64(1)).normal(0, 1, len(at_s))
    told = _judge(at_s, 100 + at_s * 0.02 + noise)
    assert told.answer is Answer.LEAK
    assert told.per_hour is not None
    assert told.per_1000_operations is not None
    assert told.per_hour.low < 72 < told.per_hour.high
    assert told.per_hour.reach < 5
    assert told.per_1000_operations.value == pytest.approx(0.4, rel=0.05)
    assert told.longer_s is None


def test_a_run_that_is_too_short_says_how_much_longer_it_needs() -> None:
    """Four minutes say nothing about an hour, however clear the growth; six are missing."""
    at_s = _seconds(240 + 10)
    told = _judge(at_s, at_s * 10)
    assert told.answer is Answer.TOO_SHORT
    assert told.why == f"240 s after the warm-up and outside faults, {SLOPE_SPAN_S} needed"
    assert told.longer_s == SLOPE_SPAN_S - 240
    assert told.per_hour is None


def test_few_samples_are_too_few() -> None:
    """Ten samples in an hour ask for three times as long."""
    at_s = _seconds(3_600, 360)
    told = _judge(at_s, at_s)
    assert told.answer is Answer.TOO_SHORT
    assert told.why == "10 samples, 30 needed"
    assert told.longer_s == pytest.approx(2 * 3_240)


def test_nothing_at_all_is_too_short() -> None:
    """No samples after the warm-up: too short, not an error and not level."""
    told = _judge(np.empty(0), np.empty(0))
    assert (told.answer, told.samples) == (Answer.TOO_SHORT, 0)


def test_mostly_gaps_are_too_little() -> None:
    """Samples of two short stretches an hour apart do not say what was in between."""
    at_s = np.concatenate([_seconds(300), 3_600 + _seconds(300)])
    told = _judge(at_s, at_s / 100)
    assert told.answer is Answer.TOO_SHORT
    assert "of the time" in told.why


def test_the_warm_up_does_not_count() -> None:
    """What grows until the warm-up ends and not after it is level."""
    at_s = _seconds(4_200)
    told = _judge(at_s, np.minimum(at_s, 600.0), warm_s=600)
    assert told.answer is Answer.NO_LEAK
    assert told.span_s == 3_590
    assert told.per_hour is not None
    assert told.per_hour.value == 0


def test_readings_that_are_no_numbers_are_left_out() -> None:
    """A sample without a value is missing, not zero."""
    at_s = _seconds(3_600)
    values = 100 + at_s * 0.02
    values[5::7] = np.nan
    told = _judge(at_s, values)
    assert told.answer is Answer.LEAK
    assert told.samples == int(np.isfinite(values).sum())


def test_a_slow_leak_in_a_large_process_is_found() -> None:
    """2 % in an hour is under every "10 % and 20 MB" rule, and a leak all the same."""
    at_s = _seconds(3_600)
    noise = np.random.Generator(np.random.PCG64(2)).normal(0, 1, len(at_s))
    told = _judge(at_s, 1_000 + at_s * (20 / 3_600) + noise, bar=10)
    assert told.answer is Answer.LEAK


def test_a_cache_that_filled_by_half_is_no_leak() -> None:
    """50 % and 100 MB in ten minutes break every such rule, and are none once level."""
    at_s = _seconds(3_600)
    told = _judge(at_s, 200 + np.minimum(at_s, 600) / 6)
    assert told.answer is Answer.NO_LEAK
    assert "level" in told.why


def test_few_cycles_ask_for_more() -> None:
    """Three falls of a great sawtooth are a cycle; how many of it are needed is said."""
    at_s = _seconds(3_600)
    told = _judge(at_s, 200 + (at_s % 1_000) / 5)
    assert told.answer is Answer.TOO_SHORT
    assert "fell 3 times" in told.why
    assert told.longer_s == pytest.approx(7 * 1_000, rel=0.05)


def test_more_growth_than_ever_fell_is_a_leak() -> None:
    """One early fall of 50 does not excuse a growth of 400 since."""
    at_s = _seconds(3_600)
    noise = np.random.Generator(np.random.PCG64(3)).normal(0, 1, len(at_s))
    values = 200 + at_s / 8 - np.where(at_s > 400, 50, 0) + noise
    told = _judge(at_s, values)
    assert told.answer is Answer.LEAK


def test_floors_are_fitted_where_there_are_cycles() -> None:
    """A sawtooth says how many floors its slope is of, and the slope is that of the floors."""
    at_s = _seconds(3_600)
    told = _judge(at_s, 200 + (at_s % 100) + at_s / 60)
    assert told.answer is Answer.LEAK
    assert told.fitted.endswith("floors of cycles")
    assert told.per_hour is not None
    assert told.per_hour.value == pytest.approx(60, rel=0.05)
