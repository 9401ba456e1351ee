"""How long people think."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from stormproof.journeys.pause import Pause, between, exponential, lognormal, normal


def draws(pause: Pause, seed: int = 1, count: int = 4_000) -> list[float]:
    """Draw pauses."""
    random = Random(seed)  # noqa: S311
    return [pause.draw(random) for _ in range(count)]


@pytest.mark.parametrize(
    ("pause", "mean"),
    [
        (between(1, 3), 2.0),
        (normal(5, 1), 5.0),
        (exponential(2), 2.0),
        (lognormal(2, 0.5), 2.27),  # median x e^(sigma^2 / 2)
    ],
    ids=str,
)
def test_pauses_have_their_mean_and_their_ends(pause: Pause, mean: float) -> None:
    """Each is about as long as it says on average, and never outside of its ends."""
    lengths = draws(pause)
    assert statistics.fmean(lengths) == pytest.approx(mean, rel=0.06)
    assert pause.low <= min(lengths) < max(lengths) <= pause.high


def test_half_of_lognormal_pauses_are_below_their_median() -> None:
    """The parameter of `lognormal` is its median."""
    assert statistics.median(draws(lognormal(4, 1))) == pytest.approx(4, rel=0.06)


def test_the_same_seed_pauses_the_same() -> None:
    """A pause follows from the stream that it is drawn from."""
    assert draws(normal(1, 1), 3, 20) == draws(normal(1, 1), 3, 20)
    assert draws(normal(1, 1), 3, 20) != draws(normal(1, 1), 4, 20)


def test_what_is_outside_is_drawn_again() -> None:
    """A truncated pause has no heap of values on its edge."""
    lengths = draws(normal(0.5, 1, high=1))
    assert 0.0 not in lengths
    assert 1.0 not in lengths


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (between, (3, 1)),
        (between, (-1, 1)),
        (between, (0, float("inf"))),
        (normal, (1, -1)),
        (normal, (float("nan"), 1)),
        (exponential, (0,)),
        (lognormal, (0,)),
        (lambda mean: exponential(mean, high=1), (2,)),
    ],
)
def test_what_is_no_pause_is_refused(make: Callable[..., Any], values: tuple[float, ...]) -> None:
    """Lengths that are negative, endless, or the wrong way round are refused when written."""
    with pytest.raises(ValueError, match=r"pause|must"):
        make(*values)
