"""Synthetic people, texts and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date
from random import Random
from uuid import UUID

import pytest

from stormproof.journeys.fake import Fake


def fake(seed: int = 1) -> Fake:
    """Make one with a seed."""
    return Fake(Random(seed))  # noqa: S311


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (Fake.name, r"[A-Z][a-z]+ [A-Z][a-z]+"),
        (Fake.username, r"[a-z]+\.[a-z]+\.\d{5}"),
        (Fake.email, r"[a-z.]+\d{5}@example\.org"),
        (Fake.phone, r"\+1-202-555-01\d\d"),
        (Fake.address, r"\d+ [A-Z][\w ]+, [A-Z][\w -]+"),
        (Fake.word, r"[a-z]+"),
        (Fake.words, r"[a-z]+ [a-z]+ [a-z]+"),
        (Fake.sentence, r"[A-Z][a-z]*( [a-z]+){4,11}\."),
        (Fake.paragraph, r"([A-Z][a-z ]+\. ?){4}"),
        (Fake.uuid4, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    ],
)
def test_each_looks_like_what_it_is(make: Callable[[Fake], str], pattern: str) -> None:
    """Every made-up value has its form, follows from its seed, and differs in another stream."""
    values = [make(one) for one in [fake(7)] * 50]
    assert all(re.fullmatch(pattern, value) for value in values)
    assert values == [make(one) for one in [fake(7)] * 50]
    assert values != [make(one) for one in [fake(8)] * 50]


@pytest.mark.parametrize("characters", [0, 1, 17, 5_000])
def test_a_text_has_the_size_that_is_asked_for(characters: int) -> None:
    """`text` gives exactly so many characters."""
    assert len(fake().text(characters)) == characters


def test_numbers_and_days_stay_within_their_ends() -> None:
    """Both ends belong to what can come, and nothing outside does."""
    one = fake()
    assert {one.integer(1, 3) for _ in range(200)} == {1, 2, 3}
    first, last = date(2024, 2, 28), date(2024, 3, 1)
    assert {one.day(first, last).isoformat() for _ in range(200)} == {
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
    }
    instants = [one.instant(first, last) for _ in range(200)]
    assert all(first <= instant.date() <= last and instant.tzinfo is UTC for instant in instants)


def test_shares_and_choices_follow_the_stream() -> None:
    """`boolean` is true in its share of the cases, `choice` takes from what it is given."""
    one = fake()
    assert 150 < sum(one.boolean(0.2) for _ in range(1_000)) < 250
    assert {one.choice("ab") for _ in range(50)} == {"a", "b"}


def test_identifiers_do_not_repeat() -> None:
    """UUIDs of one stream are all different, and real ones of version 4."""
    one = fake()
    seen = {one.uuid4() for _ in range(1_000)}
    assert len(seen) == 1_000
    assert {UUID(each).version for each in seen} == {4}
