"""The metrics of several processes, told as one."""

from __future__ import annotations

import math
import re

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sanctum.app import Service
from sanctum.messaging.metrics import MessagingMetrics
from sanctum.settings import Settings
from sanctum.telemetry.logs import Logs
from sanctum.telemetry.metrics import Metrics
from sanctum.telemetry.sums import SHARES, Sums, encode_families


class Process:
    """One process with an instrument of each kind."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.counter = Counter("made_total", "Made", ("kind",), registry=self.registry)
        self.gauge = Gauge("open", "Open", registry=self.registry)
        self.histogram = Histogram("took", "Took", buckets=(1, 2), registry=self.registry)

    def told(self) -> bytes:
        """Tell everything."""
        return encode_families(self.registry)


def _value(sums: Sums, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", sums.render().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_values_of_all_processes_are_added_up() -> None:
    """Counters, gauges and every bucket are sums; a series of one process alone is there too."""
    sums, processes = Sums(), [Process(), Process()]
    for number, process in enumerate(processes):
        process.counter.labels("both").inc(number + 1)
        process.gauge.set(10 * (number + 1))
        process.histogram.observe(number + 0.5)
    processes[1].counter.labels("one").inc(7)
    for number, process in enumerate(processes):
        sums.note(number, process.told())
    assert _value(sums, 'made_total{kind="both"}') == 3
    assert _value(sums, 'made_total{kind="one"}') == 7
    assert _value(sums, "open") == 30
    assert [_value(sums, f'took_bucket{{le="{le}"}}') for le in ("1.0", "2.0", "+Inf")] == [1, 2, 2]
    assert _value(sums, "took_sum") == 2


def test_counts_of_the_dead_stay_and_their_gauges_go() -> None:
    """However many processes end, no count falls below what was told, and nothing dead is open."""
    sums = Sums()
    for number in range(3):
        process = Process()
        process.counter.labels("x").inc(5)
        process.gauge.set(4)
        sums.note(number, process.told())
        assert _value(sums, 'made_total{kind="x"}') == 5 * (number + 1)
        sums.end(number)
        assert _value(sums, 'made_total{kind="x"}') == 5 * (number + 1)
        assert _value(sums, "open") == 0
    sums.end(99)
    assert _value(sums, 'made_total{kind="x"}') == 15


def test_shares_are_taken_of_the_sums() -> None:
    """A share over all processes is no sum and no mean of shares, and none of nothing."""
    sums = Sums()
    idle, busy = Metrics(), Metrics()
    sums.note(1, encode_families(idle.registry))
    assert math.isnan(_value(sums, "auth_login_success_rate"))
    for success in (True, False, False, False):
        busy.observe_login(success=success)
    idle.observe_login(success=True)
    sums.note(1, encode_families(idle.registry))
    sums.note(2, encode_families(busy.registry))
    assert _value(sums, "auth_login_success_rate") == pytest.approx(2 / 5)


def test_a_share_may_be_of_two_counters() -> None:
    """How many participants were at hand is taken of all processes' hits and misses together."""
    sums = Sums()
    for process, (hits, misses) in enumerate(((3, 0), (0, 1))):
        metrics = Metrics()
        own = MessagingMetrics(metrics)
        for _ in range(hits):
            own.count_hit()
        for _ in range(misses):
            own.count_miss()
        sums.note(process, encode_families(metrics.registry))
    assert _value(sums, "messaging_participant_cache_hit_ratio") == pytest.approx(3 / 4)


def test_what_a_process_tells_once_is_told_of_all(settings: Settings) -> None:
    """The sum has the names of one process, and every gauge that is a share is known as one."""
    metrics = Service(settings, Logs("error")).metrics
    sums = Sums()
    sums.note(1, encode_families(metrics.registry))
    heads = [
        {line for line in text.decode().splitlines() if line.startswith("# TYPE")}
        for text in (metrics.render(), sums.render())
    ]
    assert heads[0] == heads[1]
    shares = {head.split()[2] for head in heads[0] if re.search(r"_(ratio|rate) gauge", head)}
    assert shares == set(SHARES)
