"""The breaker: what opens it, what closes it, and what it lets pass meanwhile."""

from __future__ import annotations

import pytest

from sanctum.backing.breaker import TRIAL_AFTER_S, Attempt, Breaker, BreakerOpen, Patience
from sanctum.defects import Defect, Defects
from sanctum.telemetry.metrics import Metrics


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class _Bench:
    """A breaker that opens after three failures and a second's silence, on a clock of its own."""

    def __init__(self, *planted: Defect) -> None:
        self.clock = _Clock()
        self.metrics = Metrics()
        self.breaker = Breaker(
            "database",
            Patience(failures=3, silence_s=1, doubt_s=0.25),
            closed=True,
            defects=Defects(planted),
            metrics=self.metrics.storage,
            now=self.clock,
        )

    def fail(self, attempt: Attempt | None = None) -> None:
        """Let an operation fail."""
        self.breaker.fail(attempt or self.breaker.admit(), "ask", "no answer")

    def fail_probe(self) -> None:
        """Let a probe fail."""
        self.breaker.fail(self.breaker.admit_probe(), "probe", "no answer")

    def succeed(self) -> None:
        """Let an operation succeed."""
        self.breaker.succeed(self.breaker.admit())

    def probe(self) -> None:
        """Let a probe succeed."""
        self.breaker.succeed(self.breaker.admit_probe())

    def open(self) -> None:
        """Let as many operations fail as it takes, for as long as it takes."""
        self.clock.now += 1
        for _ in range(3):
            self.fail()
        assert not self.breaker.closed

    def sample(self, name: str) -> float:
        """Read a metric of the dependency."""
        text = self.metrics.render().decode()
        lines = [line for line in text.splitlines() if line.startswith(name + " ")]
        return float(lines[0].split()[-1])

    def transitions(self) -> tuple[float, float]:
        """Read how often it opened and closed."""
        name = 'storage_circuit_breaker_transitions{dependency="database",state="%s"}'
        return self.sample(name % "open"), self.sample(name % "closed")


def test_failures_in_a_row_open_it() -> None:
    """The third failure opens it, unless a success came in between; then all are refused."""
    bench = _Bench()
    for _ in range(4):
        bench.clock.now += 5
        bench.fail()
        bench.fail()
        bench.succeed()
    assert bench.transitions() == (0, 0)
    bench.open()
    with pytest.raises(BreakerOpen):
        bench.breaker.admit()
    assert bench.transitions() == (1, 0)
    refused = 'storage_circuit_breaker_refused_total{dependency="database"}'
    assert bench.sample(refused) == 1
    assert bench.sample('storage_circuit_breaker_open{dependency="database"}') == 1


def test_overload_does_not_open_it() -> None:
    """However many operations run out of time at once, one that succeeds now and then is enough."""
    bench = _Bench()
    for _ in range(10):
        bench.clock.now += 0.9
        for _ in range(50):
            bench.fail()
        bench.fail_probe()
        bench.succeed()
    assert bench.transitions() == (0, 0)
    bench.clock.now += 0.9
    for _ in range(50):
        bench.fail()
    assert bench.breaker.closed
    bench.clock.now += 0.1
    bench.fail()
    assert bench.transitions() == (1, 0)


def test_failure_after_a_silence_is_doubt() -> None:
    """One failure beside successes leaves it healthy; one with none for a while does not."""
    bench = _Bench()
    bench.probe()
    for _ in range(5):
        bench.clock.now += 0.2
        bench.fail()
        bench.succeed()
    seen = [bench.breaker.healthy]
    bench.clock.now += 0.25
    bench.fail_probe()
    seen.append(bench.breaker.healthy)
    bench.succeed()
    seen.append(bench.breaker.healthy)
    bench.probe()
    seen.append(bench.breaker.healthy)
    assert seen == [True, False, False, True]


def test_one_success_of_a_probe_closes_it() -> None:
    """A probe passes the open breaker; its failure leaves it open and its success closes it."""
    bench = _Bench()
    bench.open()
    bench.fail_probe()
    assert not bench.breaker.closed
    bench.probe()
    assert (bench.breaker.closed, bench.breaker.healthy) == (True, True)
    assert bench.transitions() == (1, 1)
    bench.fail()
    bench.fail()
    assert bench.breaker.closed


def test_without_probes_a_caller_tries_now_and_then() -> None:
    """After a while with no probe one operation is let through, and no second one beside it."""
    bench = _Bench()
    bench.open()
    bench.clock.now += TRIAL_AFTER_S
    trial = bench.breaker.admit()
    with pytest.raises(BreakerOpen):
        bench.breaker.admit()
    bench.breaker.succeed(trial)
    assert bench.breaker.closed


def test_probes_spare_callers_the_trial() -> None:
    """While probes are made no operation of a caller is tried on an open breaker."""
    bench = _Bench()
    bench.open()
    for _ in range(5):
        bench.clock.now += TRIAL_AFTER_S / 2
        bench.fail_probe()
        with pytest.raises(BreakerOpen):
            bench.breaker.admit()


def test_what_began_before_an_outage_proves_nothing_after_it() -> None:
    """Operations from before it opened that fail after it closed do not open it again."""
    bench = _Bench()
    old = [bench.breaker.admit() for _ in range(5)]
    bench.open()
    bench.probe()
    for attempt in old:
        bench.fail(attempt)
    assert (bench.breaker.closed, bench.breaker.healthy) == (True, True)


def test_old_success_does_not_close_it() -> None:
    """An operation that began before it opened and succeeds late leaves it open."""
    bench = _Bench()
    old = bench.breaker.admit()
    bench.open()
    bench.breaker.succeed(old)
    assert not bench.breaker.closed


def test_stuck_breaker_never_closes() -> None:
    """With that defect the first outage is the last: no success of a probe closes it."""
    bench = _Bench(Defect.KEEP_BREAKER_OPEN)
    bench.probe()
    assert bench.breaker.healthy
    bench.open()
    bench.probe()
    assert (bench.breaker.closed, bench.breaker.healthy) == (False, False)
