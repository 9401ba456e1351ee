"""Durations are read as written and written for people."""

from __future__ import annotations

import pytest

from stormproof.kernel.seeds import derive
from stormproof.kernel.units import duration_text, parse_duration_ns


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("0s", 0),
        ("90s", 90_000_000_000),
        ("1m30s", 90_000_000_000),
        ("500ms", 500_000_000),
        ("1.5s", 1_500_000_000),
        ("250us", 250_000),
        ("2h", 7_200_000_000_000),
    ],
)
def test_reads_durations(text: str, duration_ns: int) -> None:
    """A duration in any unit or sum of units is read exactly."""
    assert parse_duration_ns(text) == duration_ns


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 s", "1d", "1s1", "1s x", "1e3s", "٣s"])
def test_refuses_what_is_no_duration(text: str) -> None:
    """What is no duration is refused with what would be right."""
    with pytest.raises(ValueError, match="is not a duration; write it like"):
        parse_duration_ns(text)


def test_refuses_what_no_clock_can_count() -> None:
    """A duration of hundreds of digits is refused like any other that is none."""
    with pytest.raises(ValueError, match=r"^'?9{20}.* is longer than any clock runs"):
        parse_duration_ns("9" * 400 + "s")


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (150_000_000_000, "2m30s"),
        (120_000_000_000, "2m"),
        (1_500_000_000, "1.5s"),
        (12_000_000, "12ms"),
        (7_000, "7us"),
    ],
)
def test_writes_durations(duration_ns: int, text: str) -> None:
    """A duration is written with the units that matter."""
    assert duration_text(duration_ns) == text


def test_streams_of_one_seed_differ_and_repeat() -> None:
    """The same labels give the same stream; other labels, orders or splits give another."""
    assert derive(1, "feed", 2) == derive(1, "feed", 2)
    streams = {derive(1, "feed", 2), derive(2, "feed", 2), derive(1, "fe", "ed", 2), derive(1, 2)}
    assert len(streams) == 4
