"""The live view: a panel on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from stormproof.cli.live import LiveState, target_text
from stormproof.cli.panel import WIDTH_MIN, clock_text, milliseconds, panel, rate_text

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY_S = 5.0


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
    """A panel that redraws itself four times a second in place; events scroll above it."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = console or Console(stderr=True)
        self._width = self._console.width
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
        )
        self._live.start()
        self._lock = threading.Lock()

    def tell(self, text: str) -> None:
        """Print one line above the panel."""
        self._console.print(text, markup=False, highlight=False)

    def refresh(self, state: LiveState) -> None:
        """Draw the panel anew; after a change of the width on a clean screen.

        A terminal that became narrower has wrapped the old lines, so that nobody knows how many
        there are to write over.
        """
        with self._lock:
            width = self._console.width
            if width != self._width:
                self._width = width
                self._console.clear()
            self._live.update(panel(state, width), refresh=True)

    def close(self) -> None:
        """Take the panel away."""
        self._live.stop()


def open_view() -> PlainView | PanelView:
    """Open the view that fits standard error."""
    stream = sys.stderr
    draws = stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "")
    speaks = (stream.encoding or "").lower().startswith("utf")
    if draws and speaks and os.get_terminal_size(stream.fileno()).columns >= WIDTH_MIN:
        return PanelView()
    return PlainView(stream)


def numbers_text(state: LiveState) -> str:
    """Say in one line: phase, users, request rate, errors, p95, faults in force."""
    second = state.last_whole_second()
    parts = [
        state.phase.value if state.phase else "",
        f"{sum(second.busy.values()):,} of {sum(second.users.values()):,} users",
        rate_text(second.requests),
        f"errors {state.failed:,}",
        f"dropped {state.dropped:,}" if state.dropped else "",
        f"p95 {milliseconds(second.response.percentile_us(95))}",
    ]
    if state.delivered:
        parts.append(f"delivery p95 {milliseconds(second.delivery.percentile_us(95))}")
    if said := target_text(state.target):
        parts.append(f"target says {said}")
    if state.faults:
        parts.append(f"faults in force: {', '.join(state.faults)}")
    return "  ".join(part for part in parts if part)
