"""What the target says of itself, in the live view."""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.cli.test_live import PLAN
from tests.unit.cli.test_panel import lines_of, state_at

from stormproof.cli.live import LiveState, target_text
from stormproof.cli.progress import numbers_text
from stormproof.kernel.units import SECOND_NS
from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading

COUNTER = ObservedKind.COUNTER
FIGURES = [
    ("requests_total", {"status": "200"}, COUNTER),
    ("requests_total", {"status": "503"}, COUNTER),
    ("request_latency_ms_bucket", {"le": "10"}, COUNTER),
    ("request_latency_ms_bucket", {"le": "+Inf"}, COUNTER),
    ("rate_limit_hits_total", {"limit": "key"}, COUNTER),
    ("async_logger_queue_size", {}, ObservedKind.GAUGE),
]
SERIES: Mapping[int, ObservedSeries] = {
    key: ObservedSeries(id=key, source="target", name=name, tags=tags, kind=kind)
    for key, (name, tags, kind) in enumerate(FIGURES)
}


def say(state: LiveState, second: int, *values: float, source: str = "target") -> None:
    """Have a source say its figures at a second."""
    at_ns = second * SECOND_NS
    ids = list(range(len(values)))
    reading = SourceReading(
        source=source, start_ns=at_ns, end_ns=at_ns, ids=ids, values=list(values)
    )
    state.on_reading(reading, {key: SERIES[key] for key in ids})


def test_rates_are_of_the_last_two_readings() -> None:
    """Requests, errors and times since the reading before, what was limited since the first."""
    told: list[str] = []
    state = LiveState(plan=PLAN, now_ns=lambda: 0, tell=told.append)
    say(state, 0, 0, 0, 0, 0, 5, 1)
    assert target_text(state.target) == ""
    say(state, 5, 400, 0, 400, 400, 6, 1)
    say(state, 10, 490, 10, 480, 500, 7, 30)
    say(state, 10, 9, 9, 9, 9, 9, 9, source="process")
    state.on_reading(SourceReading(source="target", start_ns=1, end_ns=2, error="timeout"), SERIES)
    text = "20/s  errors 10.0%  p95 10 ms  limited 2  log queue 30"
    assert target_text(state.target) == text
    assert f"target says {text}" in numbers_text(state)
    assert told == []


def test_a_target_without_those_figures_says_nothing() -> None:
    """What is not served is left out, and no empty row is drawn."""
    state = state_at(33)
    rows = lines_of(state, 100)
    say(state, 1, 7.0)
    say(state, 2, 9.0)
    assert target_text(state.target) == "2/s  errors 0.0%"
    assert len(lines_of(state, 100)) == len(rows) + 1
    assert max(map(len, lines_of(state, 40))) <= 40


def test_a_log_queue_that_is_nearly_full_is_an_alarm_once() -> None:
    """It is told when it begins, and again only after it has ended."""
    told: list[str] = []
    state = LiveState(plan=PLAN, now_ns=lambda: 0, tell=told.append)
    for second, waiting in enumerate((899, 900, 950, 10, 1_000)):
        say(state, second, 0, 0, 0, 0, 0, waiting)
    assert told == [
        "ALARM: async_logger_queue_size of the target is 900",
        "ALARM: async_logger_queue_size of the target is 1,000",
    ]
