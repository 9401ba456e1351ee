"""The live view: a small panel on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, TextIO

from stormproof.cli.live import LiveState, Second
from stormproof.kernel.units import SECOND_NS

if TYPE_CHECKING:
    from rich.console import RenderableType

LINE_EVERY_S = 5.0
BARS = " ▁▂▃▄▅▆▇█"


def milliseconds(value_us: float | None) -> str:
    """Write a latency given in microseconds for people."""
    if value_us is None:
        return "—"
    if value_us == float("inf"):
        return "dropped"
    return f"{value_us / 1000:.3g} ms"


def sparkline(values: list[float]) -> str:
    """Draw values as a line of block characters, the largest one full."""
    top = max(values, default=0.0)
    if top <= 0:
        return BARS[0] * len(values)
    return "".join(BARS[round(value / top * (len(BARS) - 1))] for value in values)


class PlainView:
    """One line for each event, and one every five seconds while the load runs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_line_s = 0.0

    def tell(self, text: str) -> None:
        """Print one line."""
        print(text, file=self._stream, flush=True)

    def refresh(self, state: LiveState) -> None:
        """Print where the load stands, when it is time."""
        elapsed_s = state.elapsed_s()
        if not state.origin_ns or elapsed_s - self._last_line_s < LINE_EVERY_S:
            return
        self._last_line_s = elapsed_s
        self.tell(f"[{clock_text(elapsed_s)}] {numbers_text(state)}")

    def close(self) -> None:
        """Nothing is held."""


class PanelView:
    """A panel that redraws itself four times a second; events scroll above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._lock = threading.Lock()

    def tell(self, text: str) -> None:
        """Print one line above the panel."""
        self._console.print(text, markup=False, highlight=False)

    def refresh(self, state: LiveState) -> None:
        """Draw the panel anew."""
        with self._lock:
            self._live.update(panel(state), refresh=True)

    def close(self) -> None:
        """Take the panel away."""
        self._live.stop()


def open_view() -> PlainView | PanelView:
    """Open the view that fits standard error."""
    return PanelView() if sys.stderr.isatty() else PlainView(sys.stderr)


def clock_text(seconds: float) -> str:
    """Write seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def numbers_text(state: LiveState) -> str:
    """Say in one line: phase, users, request rate, errors, p95, faults in force."""
    second = state.last_whole_second()
    parts = [
        state.phase.value if state.phase else "",
        f"{sum(second.users.values())} users",
        f"{second.requests}/s",
        f"errors {state.failed}",
        f"p95 {milliseconds(second.response.percentile_us(95))}",
        f"delivery p95 {milliseconds(second.delivery.percentile_us(95))}",
        f"faults in force: {', '.join(state.faults) or 'none'}",
    ]
    if state.dropped:
        parts.insert(4, f"dropped {state.dropped}")
    return "  ".join(part for part in parts if part)


def panel(state: LiveState) -> RenderableType:
    """Draw the state as a panel of a few rows."""
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    second = state.last_whole_second()
    history = [state.seconds[key] for key in sorted(state.seconds) if key >= 0][:-1]
    total_s = state.plan.duration_ns / SECOND_NS
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", justify="right")
    rows.add_column(justify="right", min_width=10)
    rows.add_column(overflow="crop", no_wrap=True)
    rows.add_row("users", str(sum(second.users.values())), _bar(state.elapsed_s(), total_s))
    rows.add_row("requests", f"{second.requests}/s", _spark(history, "requests"))
    rows.add_row("p95", milliseconds(second.response.percentile_us(95)), _spark(history, "p95"))
    rows.add_row("delivery p95", milliseconds(second.delivery.percentile_us(95)), "")
    errors = Text(f"{state.failed}", style="bold red" if second.failed else "")
    rows.add_row("errors", errors, _spark(history, "failed"))
    ready = {True: "ready", False: "NOT READY", None: "—"}[state.ready]
    faults = ", ".join(state.faults)
    rows.add_row("target", ready, Text(f"fault in force: {faults}" if faults else "", "bold red"))
    phase = state.phase.value if state.phase else "starting"
    title = f"{state.plan.trial} · {phase} · {clock_text(state.elapsed_s())}"
    return Panel(rows, title=title, title_align="left", border_style="cyan")


def _bar(elapsed_s: float, total_s: float, width: int = 40) -> str:
    share = min(1.0, elapsed_s / total_s) if total_s else 0.0
    filled = round(share * width)
    return "━" * filled + "╌" * (width - filled) + f" {share:.0%}"


def _spark(history: list[Second], what: str) -> str:
    return sparkline([_value(second, what) for second in history[-40:]])


def _value(second: Second, what: str) -> float:
    if what == "requests":
        return float(second.requests)
    if what == "failed":
        return float(second.failed)
    return min(second.response.percentile_us(95) or 0.0, 3.6e9)
