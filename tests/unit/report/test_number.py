"""Numbers and instants are written as people read them."""

from __future__ import annotations

import pytest

from stormproof.report import number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (float("nan"), "—"),
        (float("inf"), "∞"),
        (0.0, "0"),
        (7.0, "7"),
        (12_345.0, "12,345"),
        (-3.0, "-3"),
        (11.832, "11.8"),
        (1_234.56, "1,230"),
        (999.96, "1,000"),
        (0.5, "0.5"),
        (0.06149, "0.0615"),
        (1.999, "2"),
        (0.0000123, "1.23e-05"),
    ],
)
def test_figure(value: float | None, text: str) -> None:
    """A figure has at most three significant digits, separators, and a dash where there is none."""
    assert number.figure(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (11.83, "ms", "11.8 ms"),
        (3.0, "", "3"),
        (None, "ms", "—"),
        (0.0061, number.SHARE, "0.61 %"),
        (1.0, number.SHARE, "100 %"),
        (0.0, number.SHARE, "0 %"),
    ],
)
def test_quantity(value: float | None, unit: str, text: str) -> None:
    """A quantity carries its unit, and a share is a percentage."""
    assert number.quantity(value, unit) == text


def test_unknown_share() -> None:
    """A share that is not known (negative) is a dash and not a number."""
    assert number.percent(-1) == "—"


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [
        (None, 0, "—"),
        (0, 0, "0:00"),
        (-0.4, 0, "0:00"),
        (-8, 0, "-0:08"),
        (62.34, 1, "1:02.3"),
        (59.96, 1, "1:00.0"),
        (3_599, 0, "59:59"),
        (7_265, 0, "2:01:05"),
    ],
)
def test_clock(seconds: float | None, decimals: int, text: str) -> None:
    """An instant is minutes and seconds since the load's start, hours only where there are any."""
    assert number.clock(seconds, decimals) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "—"), (0.0804, "80.4 ms"), (1.6, "1.6 s"), (118, "118 s"), (900, "15 min")],
)
def test_seconds_text(seconds: float | None, text: str) -> None:
    """A length of time is written in the unit that suits it."""
    assert number.seconds_text(seconds) == text


def test_spans_are_bounded() -> None:
    """A long list of spans is cut, and says by how much."""
    spans = [[10 * n, 10 * n + 5] for n in range(6)]
    assert number.spans_text(spans) == "0:00 to 0:05, 0:10 to 0:15, 0:20 to 0:25 and 3 more"


def test_bytes_text() -> None:
    """Memory is written in binary units."""
    assert number.bytes_text(8 << 30) == "8 GiB"


def test_counted() -> None:
    """A count agrees with its noun."""
    assert [number.counted(n, "fault") for n in (0, 1, 1_200)] == [
        "0 faults",
        "1 fault",
        "1,200 faults",
    ]


def test_wall_text() -> None:
    """An instant of the wall clock is shown in UTC."""
    assert number.wall_text(1_772_357_412 * 10**9) == "2026-03-01 09:30:12 UTC"
