"""Draw the state of a run as lines for a terminal of any width, from 24 columns on.

quick-normal · load · 0:25 of 1:00            ╍ warm-up  ━ load  ▓ fault  (done; paler: to come)
╍╍╍━━━━━━━━━━━━──────────────────  42 %
users     10 of 10
requests  10/s     ▂▁▄▃▂█▁▂▃
p95       1.36 ms  ▁▁▂▁█▁▁▂▁
errors    3 (1 %)  ▁▁▁▁█▁▁▁▁
12 x 503 GET /items/{id}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stormproof.cli.live import LiveState, Second, target_text
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import Phase
from stormproof.report.printable import shortened

if TYPE_CHECKING:
    from rich.text import Text

WIDTH_MIN, WIDTH_MAX = 24, 100
BARS = "▁▂▃▄▅▆▇█"
BEYOND_US = 3.6e9  # what a dropped iteration is drawn as
ERRORS_SHOWN = 3
_DONE = {"warm-up": "╍", "load": "━", "fault": "▓"}
_TO_COME = {"warm-up": "╌", "load": "─", "fault": "░"}
_STYLES = {"warm-up": "yellow", "load": "cyan", "fault": "red"}


def panel(state: LiveState, width: int) -> Text:
    """Return the whole panel; no line of it is wider than `width`, from WIDTH_MIN on."""
    from rich.text import Text

    width = max(WIDTH_MIN, min(width, WIDTH_MAX))
    lines = [_title(state, width), _progress(state, width), *_rows(state, width)]
    lines += [
        _text(f"{count:,} x {name}", width, "red")
        for name, count in state.errors.most_common(ERRORS_SHOWN)
    ]
    if state.faults:
        lines.append(_text(f"fault in force: {', '.join(state.faults)}", width, "bold red"))
    return Text("\n", no_wrap=True, end="").join(lines)


def milliseconds(value_us: float | None) -> str:
    """Write a latency given in microseconds for people."""
    if value_us is None:
        return "—"
    if value_us == float("inf"):
        return "dropped"
    return f"{value_us / 1000:.3g} ms" if value_us < 1e6 else f"{value_us / 1e6:.3g} s"


def clock_text(seconds: float) -> str:
    """Write seconds as m:ss, from an hour on as h:mm:ss."""
    minutes, second = divmod(int(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"
    return f"{minutes}:{second:02d}"


def rate_text(per_s: float) -> str:
    """Write a rate: `12/s`, `1,250/s`, `41.3k/s`."""
    return f"{per_s / 1000:.1f}k/s" if per_s >= 10_000 else f"{per_s:,.0f}/s"


def sparkline(values: list[float]) -> str:
    """Draw values as a line of block characters, the largest one full, nothing as the lowest."""
    top = max(values, default=0.0)
    if top <= 0:
        return BARS[0] * len(values)
    return "".join(BARS[round(value / top * (len(BARS) - 1))] for value in values)


def _text(text: str, width: int, style: str = "") -> Text:
    from rich.text import Text

    return Text(shortened(text, width), style=style)


def _title(state: LiveState, width: int) -> Text:
    plan, phase = state.plan, state.phase.value if state.phase else "starting"
    done, users = state.prepared()
    if state.phase is Phase.PREPARE and users:
        where = f"{done:,} of {users:,} users"
    else:
        where = f"{clock_text(state.elapsed_s())} of {clock_text(plan.duration_ns / SECOND_NS)}"
    name = f"{shortened(plan.trial, max(8, width - len(phase) - len(where) - 6))} · "
    return _text(f"{name}{phase} · {where}", width, "bold")


def _progress(state: LiveState, width: int) -> Text:
    """Draw the timeline, what is over of it stronger: warm-up, load, faults where they are due."""
    from rich.text import Text

    plan = state.plan
    share = min(1.0, state.elapsed_s() * SECOND_NS / plan.duration_ns)
    cells = width - 6
    bar = Text()
    for cell in range(cells):
        kind = _kind_at(state, cell * plan.duration_ns // cells, plan.duration_ns // cells)
        over = (cell + 1) / cells <= share
        signs = _DONE if over else _TO_COME
        bar.append(signs[kind], style=_STYLES[kind] if over else f"dim {_STYLES[kind]}")
    return bar.append(f" {share:4.0%}")


def _kind_at(state: LiveState, at_ns: int, length_ns: int) -> str:
    for fault in state.plan.faults:
        if at_ns < fault.at_ns + max(fault.for_ns, 1) and fault.at_ns < at_ns + length_ns:
            return "fault"
    return "warm-up" if at_ns + length_ns <= state.plan.warmup_ns else "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A figure with its history."""

    name: str
    value: str
    style: str = ""
    history: Callable[[Second], float] | None = None


def _rows(state: LiveState, width: int) -> list[Text]:
    from rich.text import Text

    rows = _figures(state)
    names = max(len(row.name) for row in rows)
    values = max(len(row.value) for row in rows if row.history is not None)
    room = width - names - values - 4
    history = state.whole_seconds()[-room:] if room > 0 else []
    lines = []
    for row in rows:
        line = Text(f"{row.name:<{names}}  ", style="dim")
        line.append(f"{row.value:<{values}}", style=f"not dim {row.style}".strip())
        if row.history is not None and history:
            drawn = sparkline([row.history(second) for second in history])
            line.append(f"  {drawn}", style=f"not dim {row.style or 'cyan'}")
        line.truncate(width)
        line.rstrip()
        lines.append(line)
    return lines


def _figures(state: LiveState) -> list[_Row]:
    second = state.last_whole_second()
    users, busy = sum(second.users.values()), sum(second.busy.values())
    share = f" ({state.failed / state.requests:.1%})" if state.failed else ""
    rows = [
        _Row(name="users", value=f"{busy:,} of {users:,}"),
        _Row(name="requests", value=rate_text(second.requests), history=lambda s: s.requests),
        _Row(
            name="p95",
            value=milliseconds(second.response.percentile_us(95)),
            history=lambda s: min(s.response.percentile_us(95) or 0.0, BEYOND_US),
        ),
        _Row(
            name="errors",
            value=f"{state.failed:,}{share}",
            style="red" if state.failed else "green",
            history=(lambda s: s.failed) if state.failed else None,
        ),
    ]
    if state.dropped:
        value = f"{state.dropped:,}"
        rows.append(_Row(name="dropped", value=value, style="red", history=lambda s: s.dropped))
    if state.delivered:
        value = milliseconds(second.delivery.percentile_us(95))
        rows.append(_Row(name="delivery p95", value=value, history=_delivery_us))
    if said := target_text(state.target):
        rows.append(_Row(name="target says", value=said))
    if state.ready is not None:
        value, style = ("ready", "green") if state.ready else ("NOT READY", "bold red")
        rows.append(_Row(name="target", value=value, style=style))
    return rows


def _delivery_us(second: Second) -> float:
    return min(second.delivery.percentile_us(95) or 0.0, BEYOND_US)
