"""Which charts the report shows, and what each of their lines reads from the tally."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from stormproof.model.verdict import Judged
from stormproof.report.chart import Chart, Line, Reference
from stormproof.report.number import figure
from stormproof.report.tally import GeneratorSecond, MetricSecond, Tally
from stormproof.report.wording import read_name

REFERENCES_MAX = 2

Second = TypeVar("Second", MetricSecond, GeneratorSecond)


def _series(
    cells: Mapping[int, Second], seconds: range, read: Callable[[Second], float | None]
) -> list[float | None]:
    return [read(cells[second]) if second in cells else None for second in seconds]


def _counts(
    cells: Mapping[int, MetricSecond],
    seen: Mapping[int, GeneratorSecond],
    seconds: range,
    read: Callable[[MetricSecond], float],
) -> list[float | None]:
    """Return counts a second: zero where a frame says that nothing was seen, else None."""
    return [
        read(cells[second]) if second in cells else (0.0 if second in seen else None)
        for second in seconds
    ]


def load_charts(tally: Tally, objectives: Sequence[Judged], seconds: range) -> list[Chart]:
    """Return what the target and its users did: rates, errors, times, users."""
    http, sends = tally.of("http_req"), tally.of("ws_send")
    delivery, drops = tally.of("message_delivery"), tally.of("dropped_iterations")

    def counted(
        label: str,
        cells: Mapping[int, MetricSecond],
        style: int,
        read: Callable[[MetricSecond], float] = lambda one: one.count,
    ) -> Line:
        values = _counts(cells, tally.generator, seconds, read)
        return Line(label=label, values=values, style=style, area=style == 1)

    rate = [counted("HTTP requests", http, 1)]
    failed = [counted("HTTP", http, 1, lambda one: one.failed)]
    if sends:
        rate.append(counted("WebSocket sends", sends, 2))
        failed.append(counted("WebSocket", sends, 2, lambda one: one.failed))
    if delivery:
        rate.append(counted("messages delivered", delivery, 3))
    failed.append(counted("dropped iterations", drops, 4))
    charts = [
        Chart(key="rate", title="Operations", unit="per second", lines=rate),
        Chart(key="errors", title="Failed and dropped", unit="per second", lines=failed),
    ]
    times = (
        ("response", "Response time of HTTP requests", http, "http_req_duration"),
        ("exchange", "Response time of WebSocket exchanges", sends, "ws_send_duration"),
        ("delivery", "Delivery time of messages", delivery, "message_delivery"),
    )
    charts += [
        _time_chart(key, title, cells, seconds, _references(objectives, metric))
        for key, title, cells, metric in times
        if cells
    ]
    charts.append(_users_chart(tally.generator, seconds))
    return charts


def _time_chart(
    key: str,
    title: str,
    cells: Mapping[int, MetricSecond],
    seconds: range,
    references: Sequence[Reference],
) -> Chart:
    lines = [
        Line(label="p50", values=_series(cells, seconds, lambda one: one.p50_ms), style=1),
        Line(label="p95", values=_series(cells, seconds, lambda one: one.p95_ms), style=2),
        Line(label="p99", values=_series(cells, seconds, lambda one: one.p99_ms), style=3),
    ]
    return Chart(key=key, title=title, unit="ms", lines=lines, log=True, references=references)


def _references(objectives: Sequence[Judged], metric: str) -> list[Reference]:
    """Return the bars of a metric's percentiles, each level once."""
    levels: dict[float, str] = {}
    for judged in objectives:
        asked = read_name(judged.name)
        if asked is None or asked.threshold.aggregation == "slope":
            continue  # its bar is no level
        if asked.metric == metric and judged.bar > 0:
            threshold = asked.threshold
            percentile = f"p{figure(threshold.percentile)}"
            spelt = percentile if threshold.aggregation == "p" else threshold.aggregation
            label = f"bar {spelt} {judged.operator} {figure(judged.bar)}"
            levels.setdefault(judged.bar, label)
    return [Reference(value=v, label=text) for v, text in list(levels.items())[:REFERENCES_MAX]]


def _users_chart(generator: Mapping[int, GeneratorSecond], seconds: range) -> Chart:
    lines = [
        Line(label="users", values=_series(generator, seconds, lambda one: one.users), style=1),
        Line(label="busy", values=_series(generator, seconds, lambda one: one.users_busy), style=2),
        Line(label="sockets", values=_series(generator, seconds, lambda one: one.sockets), style=3),
    ]
    return Chart(key="users", title="Virtual users and sockets", unit="", lines=lines)


def generator_charts(tally: Tally, seconds: range) -> list[Chart]:
    """Return how the load generator itself fared."""
    cells = tally.generator

    def line(label: str, style: int, read: Callable[[GeneratorSecond], float | None]) -> Line:
        return Line(label=label, values=_series(cells, seconds, read), style=style)

    def percent(share: float | None) -> float | None:
        return None if share is None else share * 100

    cpu = [
        line("busiest worker", 1, lambda one: one.cpu_share_max * 100),
        line("mean", 2, lambda one: one.cpu_share_mean * 100),
    ]
    lag = [
        line("schedule lag p99", 1, lambda one: one.schedule_lag_p99_ms),
        line("event loop, worst", 2, lambda one: one.loop_lag_ms_max),
    ]
    cores = [
        line("idle, least", 1, lambda one: percent(one.idle_share_min)),
        line("waited for a CPU, most", 2, lambda one: one.wait_share_max * 100),
    ]
    return [
        Chart(key="cpu", title="CPU of the workers", unit="% of a core", lines=cpu, high=100.0),
        Chart(key="lag", title="Lateness", unit="ms", lines=lag, log=True),
        Chart(key="cores", title="Cores of the workers", unit="%", lines=cores, high=100.0),
    ]
