"""Journeys as values, checks, and made-up text."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from stormproof import Journey, check, journey
from stormproof.journeys.fake import Fake


async def enter(user: Any) -> None:
    """Enter."""


def test_bare_decorator_makes_a_journey() -> None:
    """`@journey` alone makes a journey named like its function."""

    @journey
    async def read_feed(user: Any) -> None: ...

    assert isinstance(read_feed, Journey)
    assert (read_feed.name, read_feed.prepare, read_feed.settle) == ("read_feed", None, None)


def test_decorator_takes_preparation_and_settling() -> None:
    """`@journey(prepare=..., settle=...)` keeps both."""

    @journey(prepare=enter, settle=enter)
    async def talk(user: Any) -> None: ...

    assert (talk.prepare, talk.settle) == (enter, enter)


def test_steps_must_be_async_and_take_the_user() -> None:
    """What is no `async def f(user)` is refused when it is decorated."""
    with pytest.raises(TypeError, match="must be an `async def`"):
        journey(lambda user: None)  # type: ignore[arg-type,return-value]

    async def alone() -> None: ...

    with pytest.raises(TypeError, match="one argument, the user"):
        journey(prepare=alone)(enter)  # type: ignore[arg-type]


class Answer:
    """Something that checks are counted against."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, bool]] = []

    def record_check(self, name: str, passed: bool) -> None:
        """Take a check."""
        self.counted.append((name, passed))


def test_check_counts_and_returns() -> None:
    """A check returns whether it held, whatever kind of truth it was given."""
    answer = Answer()
    assert check(answer, "a", [1]) is True
    assert check(answer, "b", None) is False
    assert answer.counted == [("a", True), ("b", False)]


def test_fake_text_follows_its_seed() -> None:
    """The same seed makes up the same text, another one another; a sentence looks like one."""
    first, same, other = (Fake(Random(seed)) for seed in (1, 1, 2))  # noqa: S311
    texts = [first.sentence() for _ in range(5)]
    assert texts == [same.sentence() for _ in range(5)]
    assert texts != [other.sentence() for _ in range(5)]
    assert all(text[0].isupper() and text.endswith(".") for text in texts)
    assert all(5 <= len(text.split()) <= 15 for text in texts)
    assert len(first.name().split()) == 2
