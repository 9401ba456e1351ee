"""Series of known nature, drawn from a seed: what a judge of leaks must and must not accuse.

Each shape is an hour of samples every ten seconds unless it says otherwise, in megabytes or pieces,
with a bar of 20 an hour. A leak is at least twice the bar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from stormproof.checks.leaks import Answer, Leak, Readings, judge_leak
from stormproof.checks.trend import Floats, Ints
from stormproof.kernel.units import SECOND_NS

BAR_PER_HOUR: Final = 20.0
STEP_S: Final = 10
HOUR_S: Final = 3_600
WARM_S: Final = 300
BASE: Final = 200.0
LEAK_PER_HOUR: Final = 60.0
RATE_PER_S: Final = 100  # operations

Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One series: instants in seconds, values, spans of faults, and operations done by then."""

    at_s: Floats
    values: Floats
    faults: Spans = ()
    operations: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A nature of a series, and the answers that are right for it."""

    name: str
    draw: Callable[[np.random.Generator], Drawn]
    right: frozenset[Answer]

    @property
    def leaks(self) -> bool:
        """Whether it must be found."""
        return self.right == {Answer.LEAK}

    def judge(self, seed: int) -> Leak:
        """Judge the series that a seed draws."""
        drawn = self.draw(np.random.Generator(np.random.PCG64(seed)))
        readings = Readings(
            instants_ns=(drawn.at_s * SECOND_NS).astype(np.int64),
            values=drawn.values,
            operations=drawn.operations,
        )
        spans = [(int(low * SECOND_NS), int(high * SECOND_NS)) for low, high in drawn.faults]
        return judge_leak(
            readings,
            bar_per_hour=BAR_PER_HOUR,
            warm_until_ns=WARM_S * SECOND_NS,
            disturbed=spans,
        )


def _clock(length_s: int = HOUR_S) -> Floats:
    return np.arange(0, WARM_S + length_s, STEP_S, dtype=np.float64)


def _growth(at_s: Floats, per_hour: float = LEAK_PER_HOUR) -> Floats:
    return at_s * (per_hour / HOUR_S)


def _noise(random: np.random.Generator, at_s: Floats, sigma: float = 3.0) -> Floats:
    return random.normal(0, sigma, len(at_s))


def _wander(random: np.random.Generator, at_s: Floats, keep: float = 0.9) -> Floats:
    """Return noise of which each sample keeps nine tenths of the one before."""
    fresh = random.normal(0, 1.5, len(at_s))
    values = np.empty(len(at_s))
    last = 0.0
    for place, one in enumerate(fresh.tolist()):
        last = keep * last + one
        values[place] = last
    return values


def _teeth(random: np.random.Generator, at_s: Floats, height: float = 40.0) -> Floats:
    """Return a sawtooth of cycles of one to two minutes."""
    values = np.empty(len(at_s))
    begun = length = 0.0
    for place, now in enumerate(at_s.tolist()):
        if now >= begun + length:
            begun, length = now, random.uniform(60, 120)
        values[place] = height * (now - begun) / 90
    return values


def _flat(random: np.random.Generator) -> Drawn:
    at_s = _clock()
    return Drawn(at_s=at_s, values=np.full(len(at_s), BASE + random.uniform(0, 1)))


def _noisy(random: np.random.Generator) -> Drawn:
    at_s = _clock()
    return Drawn(at_s=at_s, values=BASE + _noise(random, at_s))


def _wandering(random: np.random.Generator) -> Drawn:
    at_s = _clock()
    return Drawn(at_s=at_s, values=BASE + _wander(random, at_s))


def _walking(random: np.random.Generator) -> Drawn:
    """Change at random by a little each time, and never return on purpose."""
    at_s = _clock()
    return Drawn(at_s=at_s, values=BASE + np.cumsum(random.normal(0, 0.5, len(at_s))))


def _spiky(random: np.random.Generator) -> Drawn:
    at_s = _clock()
    spikes = np.where(random.random(len(at_s)) < 0.03, random.uniform(20, 120, len(at_s)), 0)
    return Drawn(at_s=at_s, values=BASE + _noise(random, at_s, 1) + spikes)


def _sawtooth(random: np.random.Generator) -> Drawn:
    at_s = _clock()
    return Drawn(at_s=at_s, values=BASE + _teeth(random, at_s) + _noise(random, at_s, 1))


def _leaking_sawtooth(random: np.random.Generator) -> Drawn:
    drawn = _sawtooth(random)
    return Drawn(at_s=drawn.at_s, values=drawn.values + _growth(drawn.at_s))


def _plateau(random: np.random.Generator) -> Drawn:
    """Fill a cache in the first 15 to 40 % of the hour."""
    at_s = _clock()
    full_s = WARM_S + HOUR_S * random.uniform(0.15, 0.4)
    filled = 80 * np.minimum(at_s / full_s, 1)
    return Drawn(at_s=at_s, values=BASE + filled + _noise(random, at_s, 2))


def _slowing(random: np.random.Generator) -> Drawn:
    """Fill a cache ever more slowly, until after the end."""
    at_s = _clock()
    filled = 100 * (1 - np.exp(-at_s / (HOUR_S * random.uniform(0.2, 0.4))))
    return Drawn(at_s=at_s, values=BASE + filled + _noise(random, at_s, 1))


def _stepped(random: np.random.Generator) -> Drawn:
    at_s = _clock()
    step_s = WARM_S + HOUR_S * random.uniform(0.15, 0.85)
    up = random.choice([-50.0, 50.0])
    return Drawn(at_s=at_s, values=BASE + up * (at_s >= step_s) + _noise(random, at_s, 2))


def _warming(random: np.random.Generator) -> Drawn:
    at_s = _clock()
    cold = -150 * np.exp(-at_s / (WARM_S * random.uniform(0.1, 0.2)))
    return Drawn(at_s=at_s, values=BASE + cold + _noise(random, at_s, 2))


def _faults(random: np.random.Generator) -> Spans:
    starts = WARM_S + HOUR_S * (np.arange(5) + random.uniform(0.2, 0.6, 5)) / 5
    return tuple((start, start + 120) for start in starts.tolist())


def _dented(random: np.random.Generator) -> Drawn:
    """Level but in faults, where it falls or rises far."""
    at_s, faults = _clock(), _faults(random)
    values = BASE + _noise(random, at_s)
    for low, high in faults:
        values += np.where((at_s >= low) & (at_s < high), random.choice([-150, 100]), 0)
    return Drawn(at_s=at_s, values=values, faults=faults)


def _slow(random: np.random.Generator) -> Drawn:
    """Grow by twice the bar in ordinary noise."""
    at_s = _clock()
    return Drawn(
        at_s=at_s,
        values=BASE + _growth(at_s, 2 * BAR_PER_HOUR) + _noise(random, at_s),
        operations=(at_s * RATE_PER_S).astype(np.int64),
    )


def _wandering_leak(random: np.random.Generator) -> Drawn:
    drawn = _wandering(random)
    return Drawn(at_s=drawn.at_s, values=drawn.values + _growth(drawn.at_s, 80))


def _below(random: np.random.Generator) -> Drawn:
    """Grow by a quarter of the bar."""
    at_s = _clock()
    return Drawn(at_s=at_s, values=BASE + _growth(at_s, BAR_PER_HOUR / 4) + _noise(random, at_s))


def _short(random: np.random.Generator) -> Drawn:
    at_s = _clock(240)
    return Drawn(at_s=at_s, values=BASE + _growth(at_s, 300) + _noise(random, at_s))


def _near(random: np.random.Generator) -> Drawn:
    """Grow by nine tenths of the bar."""
    at_s = _clock()
    return Drawn(at_s=at_s, values=BASE + _growth(at_s, BAR_PER_HOUR * 0.9) + _noise(random, at_s))


def _reset(random: np.random.Generator) -> Drawn:
    """Descriptors that fall to a few and are back within a minute."""
    at_s = _clock()
    reset_s = WARM_S + HOUR_S * random.uniform(0.1, 0.7)
    missing = np.clip(380 - 6.5 * (at_s - reset_s), 0, 380) * (at_s >= reset_s)
    values = np.round(400 - missing + _noise(random, at_s, 2))
    done = (at_s * RATE_PER_S).astype(np.int64)
    done[at_s >= reset_s] -= int(reset_s * RATE_PER_S)
    return Drawn(at_s=at_s, values=values, operations=done)


def _thinned(random: np.random.Generator, drawn: Drawn) -> Drawn:
    """Take three gaps of four minutes and a tenth of the rest out of a series."""
    keep = random.random(len(drawn.at_s)) >= 0.1
    for start in WARM_S + HOUR_S * random.uniform(0, 0.9, 3):
        keep &= (drawn.at_s < start) | (drawn.at_s >= start + 240)
    return Drawn(at_s=drawn.at_s[keep], values=drawn.values[keep])


def _gaps(random: np.random.Generator) -> Drawn:
    return _thinned(random, _noisy(random))


def _leak_with_gaps(random: np.random.Generator) -> Drawn:
    drawn = _noisy(random)
    leaking = Drawn(at_s=drawn.at_s, values=drawn.values + _growth(drawn.at_s))
    return _thinned(random, leaking)


def _freed(random: np.random.Generator) -> Drawn:
    """Grow for a while by the bar's many times, then give all of it back."""
    at_s = _clock()
    freed_s = WARM_S + HOUR_S * random.uniform(0.3, 0.9)
    grown = np.where(at_s < freed_s, _growth(at_s, 100), 0)
    return Drawn(at_s=at_s, values=BASE + grown + _noise(random, at_s, 2))


def _wave(random: np.random.Generator) -> Drawn:
    """Rise and fall every ten to twenty minutes."""
    at_s = _clock()
    period_s, phase = random.uniform(600, 1_200), random.uniform(0, 2 * np.pi)
    wave = 20 * np.sin(2 * np.pi * at_s / period_s + phase)
    return Drawn(at_s=at_s, values=BASE + wave + _noise(random, at_s, 1))


def _restarted(random: np.random.Generator) -> Drawn:
    """Restart in a fault, to another level, and warm up again."""
    at_s = _clock()
    start_s = WARM_S + HOUR_S * random.uniform(0.2, 0.7)
    after = at_s >= start_s + 60
    cold = -120 * np.exp(-(at_s - start_s) / 45)
    moved = np.where(after, random.choice([-60, 60]) + cold, 0)
    values = BASE + moved + _noise(random, at_s, 2)
    return Drawn(at_s=at_s, values=values, faults=((start_s, start_s + 60),))


def _leak_restarted(random: np.random.Generator) -> Drawn:
    """Leak, restart in a fault, leak again from the bottom."""
    at_s = _clock()
    start_s = WARM_S + HOUR_S * random.uniform(0.3, 0.7)
    age_s = np.where(at_s >= start_s, at_s - start_s, at_s)
    values = BASE + _growth(age_s, 120) + _noise(random, at_s, 2)
    return Drawn(at_s=at_s, values=values, faults=((start_s, start_s + 60),))


def _staircase(random: np.random.Generator) -> Drawn:
    """Leak in steps of an arena, every two to four minutes."""
    at_s = _clock()
    times = np.cumsum(random.uniform(120, 240, 60))
    stairs = np.searchsorted(times, at_s).astype(np.float64)
    return Drawn(at_s=at_s, values=BASE + 3 * stairs + _noise(random, at_s, 0.3))


def _descriptors(random: np.random.Generator) -> Drawn:
    """Leak one descriptor in 6,000 operations, with some open for a moment at any time."""
    at_s = _clock()
    done = (at_s * RATE_PER_S).astype(np.int64)
    leaked = (done + random.integers(6_000)) // 6_000
    values = (100 + leaked + random.integers(0, 4, len(at_s))).astype(np.float64)
    return Drawn(at_s=at_s, values=values, operations=done)


def _late(random: np.random.Generator) -> Drawn:
    """Begin to leak when three quarters of the hour are over."""
    at_s = _clock()
    leaking_s = np.maximum(at_s - WARM_S - HOUR_S * 0.75, 0)
    return Drawn(at_s=at_s, values=BASE + _growth(leaking_s) + _noise(random, at_s))


_FOUND = frozenset({Answer.LEAK})
_LEVEL = frozenset({Answer.NO_LEAK})
_UNDECIDED = frozenset({Answer.TOO_SHORT})
_NO_ACCUSATION = _LEVEL | _UNDECIDED
_NO_CLEARANCE = _FOUND | _UNDECIDED

_ALL: Final = (
    Shape(name="flat", draw=_flat, right=_LEVEL),
    Shape(name="noisy flat", draw=_noisy, right=_LEVEL),
    Shape(name="wandering flat", draw=_wandering, right=_NO_ACCUSATION),
    Shape(name="random walk", draw=_walking, right=_NO_ACCUSATION),
    Shape(name="spikes", draw=_spiky, right=_LEVEL),
    Shape(name="sawtooth", draw=_sawtooth, right=_LEVEL),
    Shape(name="plateau", draw=_plateau, right=_LEVEL),
    Shape(name="slowing growth", draw=_slowing, right=_NO_ACCUSATION),
    Shape(name="one step", draw=_stepped, right=_NO_ACCUSATION),
    Shape(name="warm-up only", draw=_warming, right=_LEVEL),
    Shape(name="fault-dented", draw=_dented, right=_LEVEL),
    Shape(name="growth below the bar", draw=_below, right=_LEVEL),
    Shape(name="counter reset", draw=_reset, right=_NO_ACCUSATION),
    Shape(name="sampling gaps", draw=_gaps, right=_LEVEL),
    Shape(name="grown, then freed", draw=_freed, right=_NO_ACCUSATION),
    Shape(name="slow wave", draw=_wave, right=_NO_ACCUSATION),
    Shape(name="restarted", draw=_restarted, right=_LEVEL),
    Shape(name="too short", draw=_short, right=_UNDECIDED),
    Shape(name="growth near the bar", draw=_near, right=_NO_ACCUSATION),
    Shape(name="late start", draw=_late, right=_NO_CLEARANCE),
    Shape(name="slow drift", draw=_slow, right=_FOUND),
    Shape(name="wandering leak", draw=_wandering_leak, right=_FOUND),
    Shape(name="leaking sawtooth", draw=_leaking_sawtooth, right=_FOUND),
    Shape(name="leak with gaps", draw=_leak_with_gaps, right=_FOUND),
    Shape(name="leak, restarted", draw=_leak_restarted, right=_FOUND),
    Shape(name="staircase", draw=_staircase, right=_FOUND),
    Shape(name="leaking descriptors", draw=_descriptors, right=_FOUND),
)
SHAPES: Final[Mapping[str, Shape]] = {shape.name: shape for shape in _ALL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How often each answer was given for a shape over some seeds."""

    shape: Shape
    answers: Mapping[Answer, int]

    @property
    def seeds(self) -> int:
        """How many series were judged."""
        return sum(self.answers.values())

    @property
    def false_alarms(self) -> int:
        """How often something was accused that does not leak."""
        return 0 if self.shape.leaks else self.answers[Answer.LEAK]

    @property
    def misses(self) -> int:
        """How often the right answer was not given, the accusations of the innocent aside."""
        right = sum(self.answers[answer] for answer in self.shape.right)
        return self.seeds - right - self.false_alarms


def score(shape: Shape, seeds: int) -> Score:
    """Judge a shape with the seeds 0, 1, ... and count the answers."""
    answers = dict.fromkeys(Answer, 0)
    for seed in range(seeds):
        answers[shape.judge(seed).answer] += 1
    return Score(shape=shape, answers=answers)
