"""The panel on a terminal, rendered to text."""

from __future__ import annotations

import io
from collections.abc import Callable

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console
from tests.unit.cli.test_live import PLAN, SERIES, frame

from stormproof.cli.live import LiveState
from stormproof.cli.panel import clock_text, milliseconds, panel, rate_text, sparkline
from stormproof.cli.progress import PanelView
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import FaultEvent, FaultStep, OriginEvent, Phase, PhaseEvent
from stormproof.model.plan import PlannedFault

FAULT = PlannedFault(
    name="cut", kind="link-partition", part="l", at_ns=30 * SECOND_NS, for_ns=6 * SECOND_NS
)
MIDWAY = msgspec.structs.replace(PLAN, warmup_ns=12 * SECOND_NS, faults=(FAULT,))


def state_at(second: int, tell: Callable[[str], None] = lambda _: None) -> LiveState:
    """Return a run of a minute of which `second` are over, each with 20 requests."""
    state = LiveState(plan=MIDWAY, now_ns=lambda: (second + 1) * SECOND_NS, tell=tell)
    state.on_event(OriginEvent(at_ns=SECOND_NS))
    state.on_event(PhaseEvent(at_ns=SECOND_NS, phase=Phase.LOAD))
    for past in range(second):
        for worker in (0, 1):
            state.on_frame(frame(worker, past), SERIES)
    return state


def lines_of(state: LiveState, width: int) -> list[str]:
    console = Console(width=max(width, 24), file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        console.print(panel(state, width))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [1, 24, 40, 61, 80, 132, 1000])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Whatever the width, the panel has the same rows and none of them wraps."""
    state = state_at(33)
    state.errors["503 GET /a/very/long/path/" + "x" * 200] = 3
    state.on_event(FaultEvent(at_ns=0, fault="cut", step=FaultStep.INJECTED))
    lines = lines_of(state, width)
    assert max(map(cell_len, lines)) <= max(24, min(width, 100))
    assert len(lines) == len(lines_of(state, 80))


def test_the_panel_says_where_the_run_stands() -> None:
    """Name, phase, time, users, rate, p95, errors and drops are all there at 40 columns."""
    text = "\n".join(lines_of(state_at(33), 40))
    for part in ("demo", "load", "0:33 of 1:00", "2 of 10", "20/s", "200 ms", "(20.0%)", "dropped"):
        assert part in text


def test_the_timeline_shows_what_is_over_and_what_is_to_come() -> None:
    """A fifth of warm-up, then load with a fault half-way; what is over is drawn strong."""
    bars = {second: lines_of(state_at(second), 46)[1].split()[0] for second in (0, 33, 60)}
    assert bars[0] == "╌" * 8 + "─" * 12 + "░" * 4 + "─" * 16
    assert bars[33] == "╍" * 8 + "━" * 12 + "▓" * 2 + "░" * 2 + "─" * 16
    assert bars[60] == "╍" * 8 + "━" * 12 + "▓" * 4 + "━" * 16


def test_the_most_frequent_errors_are_listed() -> None:
    """Three kinds at most, the most frequent first."""
    state = state_at(3)
    state.errors.clear()
    state.errors.update({"500 GET /a": 9, "503 GET /b": 30, "404 GET /c": 1, "no answer GET /d": 4})
    found = [line for line in lines_of(state, 60) if " x " in line]
    assert found == ["30 x 503 GET /b", "9 x 500 GET /a", "4 x no answer GET /d"]


def test_what_a_target_sends_cannot_steer_the_terminal() -> None:
    """Control characters in an operation's name are shown, not obeyed."""
    state = state_at(3)
    state.errors["503 GET /\x1b[2J"] = 99
    assert "\x1b" not in "\n".join(lines_of(state, 60))


def test_before_the_load_the_panel_counts_prepared_users() -> None:
    """While users log in the title says how many have."""
    state = LiveState(plan=PLAN, now_ns=lambda: 0, tell=lambda _: None, prepared=lambda: (7, 50))
    state.on_event(PhaseEvent(at_ns=0, phase=Phase.PREPARE))
    assert "prepare · 7 of 50 users" in lines_of(state, 60)[0]


def test_a_frame_is_drawn_over_the_last_one() -> None:
    """The panel moves up and writes over itself; only a new width clears the screen."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=60, height=30, color_system=None)
    view = PanelView(console)
    view.refresh(state_at(3))
    stream.truncate(0)
    view.refresh(state_at(4))
    drawn = stream.getvalue()
    assert "\x1b[1A" in drawn
    assert "\x1b[2J" not in drawn
    console.width = 40
    view.refresh(state_at(5))
    assert "\x1b[2J" in stream.getvalue()
    view.close()


def test_colour_is_left_out_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR the same words are drawn without any colour."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=60)
    console.print(panel(state_at(33), 60))
    assert "\x1b[3" not in stream.getvalue()
    assert "errors" in stream.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (float("inf"), "dropped"), (1234.0, "1.23 ms"), (2_500_000.0, "2.5 s")],
)
def test_writes_latencies(value: float | None, text: str) -> None:
    """A latency has a unit, and what has none says so."""
    assert milliseconds(value) == text


@pytest.mark.parametrize(("rate", "text"), [(7, "7/s"), (1_250, "1,250/s"), (41_300, "41.3k/s")])
def test_writes_rates(rate: float, text: str) -> None:
    """A rate is short however high it is."""
    assert rate_text(rate) == text


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (65.9, "1:05"), (3_700, "1:01:40")])
def test_writes_times(seconds: float, text: str) -> None:
    """A time of a run reads like a clock."""
    assert clock_text(seconds) == text


def test_a_sparkline_is_as_long_as_its_values() -> None:
    """A sparkline draws one block a value, the largest one full, and copes with nothing."""
    assert sparkline([0.0, 4.0, 8.0]) == "▁▅█"
    assert len(sparkline([1.0] * 7)) == 7
    assert sparkline([]) == ""
    assert sparkline([0.0, 0.0]) == "▁▁"
