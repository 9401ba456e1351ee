"""One verdict over one record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.builders import (
    CUT,
    DROPS,
    ITERATIONS,
    LedgerWriter,
    at,
    counted,
    frame,
    frames,
    healthy_record,
    operations,
    plan,
)

from stormproof.checks import judge as judging
from stormproof.checks.judge import judge, round_significant, worst
from stormproof.checks.outcome import Outcome
from stormproof.kernel.canonical import canonical_json
from stormproof.model.event import (
    DecisionEvent,
    DrainEvent,
    EndEvent,
    Event,
    FaultEvent,
    FaultStep,
    PartEvent,
    WarningEvent,
    WorkerEvent,
)
from stormproof.model.objective import Status
from stormproof.model.plan import NotJudged
from stormproof.model.record import Record
from stormproof.model.verdict import Judged, Verdict
from stormproof.rules.grammar import objective

CALM_P95 = "http_req_duration{scenario:feed,window:calm}: p(95)<300"


def _judge(record: Record, **options: Any) -> Verdict:
    return judge(record, version="0", **options)


def _of(verdict: Verdict, name: str) -> Judged:
    return next(one for one in verdict.objectives if one.name.startswith(name))


def _plus(record: Record, *events: Event) -> Record:
    every = sorted([*record.events, *events], key=lambda one: one.at_ns)
    return replace(record, events=tuple(every))


def _minus(record: Record, *kinds: type[Event]) -> Record:
    return replace(record, events=tuple(one for one in record.events if not isinstance(one, kinds)))


def _losing(record: Record) -> Record:
    writer = LedgerWriter()
    writer.join(0, 1)
    writer.send(0, 1, 1, 1)
    key = writer.send(0, 1, 2, 2)
    writer.receive(0, 1, key, 2)
    return replace(record, ledger=(writer.array,))


def test_a_healthy_run_passes() -> None:
    """Everything met, two faults survived, and the headline says so."""
    verdict = _judge(healthy_record())
    assert verdict.verdict is Status.PASS
    assert verdict.headline == "PASS: 7 objectives met, 2 faults survived"
    assert [trial.status for trial in verdict.trials] == [Status.PASS]
    assert verdict.findings == []
    assert verdict.generator.valid


def test_judging_again_gives_the_same_bytes() -> None:
    """Nothing but the record goes into a verdict."""
    one, again = (canonical_json(_judge(healthy_record())) for _ in range(2))
    assert one == again
    assert msgspec.json.decode(one, type=Verdict) == _judge(healthy_record())


def test_a_breached_bar_fails() -> None:
    """A valid value beyond its bar fails the run, with value and bar in the headline."""
    verdict = _judge(healthy_record(frames=tuple(frames(latency_ms=400.0))))
    slow = _of(verdict, CALM_P95)
    assert slow.status is Status.FAIL
    assert slow.value == pytest.approx(400, rel=1e-3)
    assert verdict.verdict is Status.FAIL
    assert verdict.headline.startswith(f"FAIL: {CALM_P95} (400")
    assert "wanted < 300 ms" in slow.why


def test_other_objectives_replace_the_plans() -> None:
    """A stricter profile turns the same record to FAIL, under its own name."""
    strict = [objective("http_req_duration{scenario:feed,window:calm}", "p(95)<10")]
    verdict = _judge(healthy_record(), objectives=strict, not_judged=[], profile="strict")
    assert (verdict.verdict, verdict.profile) == (Status.FAIL, "strict")
    assert len(verdict.objectives) == 2


def test_validity_comes_before_value() -> None:
    """With the workers' core taken, neither a good nor a bad latency decides anything."""
    for latency_ms in (20.0, 400.0):
        taken = [
            frame(one.worker, one.second, one.counts, core_idle_share=0.0)
            for one in frames(latency_ms)
        ]
        verdict = _judge(healthy_record(frames=tuple(taken)))
        assert verdict.verdict is Status.INCONCLUSIVE
        assert "another process kept the workers' core busy" in verdict.headline
        assert _of(verdict, CALM_P95).remedy
        assert not verdict.generator.valid
        assert _of(verdict, "delivery_lost").status is Status.PASS


def test_a_metric_that_never_showed_is_inconclusive() -> None:
    """A name that no journey uses is not met, however low the bar."""
    unknown = [objective("http_req_duration{name:GET /nowhere}", "p(95)<300")]
    judged = _of(_judge(healthy_record(), objectives=unknown), "http_req_duration")
    assert judged.status is Status.INCONCLUSIVE
    assert "never seen" in judged.why


def test_too_few_samples_are_inconclusive() -> None:
    """Three good requests prove nothing, and the verdict says how many would."""
    verdict = _judge(healthy_record(frames=tuple(frames(rate=2))))
    assert "60 samples" not in _of(verdict, CALM_P95).why
    assert "116 samples, 200 needed" in _of(verdict, CALM_P95).why
    assert _of(verdict, CALM_P95).status is Status.INCONCLUSIVE


def test_drops_are_beyond_every_bar() -> None:
    """A generator that dropped a tenth of its iterations has an infinite p95."""
    dropping = [
        frame(w, s, [operations([20.0] * 45), counted(DROPS, 5), counted(ITERATIONS, 45)])
        for s in range(42)
        for w in range(2)
    ]
    judged = _of(_judge(healthy_record(frames=tuple(dropping))), CALM_P95)
    assert (judged.status, judged.value, judged.beyond) == (Status.FAIL, None, "dropped")


def test_fault_windows_need_a_fault_that_bit() -> None:
    """A fault that was not witnessed leaves its windows undecided."""
    blunt = tuple(
        msgspec.structs.replace(one, step=FaultStep.NOT_WITNESSED)
        if isinstance(one, FaultEvent) and one.step is FaultStep.WITNESSED and one.fault == CUT
        else one
        for one in healthy_record().events
    )
    verdict = _judge(replace(healthy_record(), events=blunt))
    judged = _of(verdict, "http_req_failed{scenario:feed,window:fault}")
    assert judged.status is Status.INCONCLUSIVE
    assert "cache-cut was not seen to bite" in judged.why
    assert [one.kind for one in verdict.findings] == ["not-witnessed"]
    assert _of(verdict, CALM_P95).status is Status.PASS


def test_a_fault_that_never_came_survives_nothing() -> None:
    """A run whose fault was never injected does not pass, although no objective asks for it."""
    healthy = healthy_record()
    spared = tuple(
        one for one in healthy.events if not (isinstance(one, FaultEvent) and one.fault == CUT)
    )
    asked = [objective("http_req_duration{scenario:feed}", "p(95)<300")]
    assert _judge(healthy, objectives=asked).verdict is Status.PASS
    verdict = _judge(replace(healthy, events=spared), objectives=asked)
    assert verdict.verdict is Status.INCONCLUSIVE
    assert verdict.headline == "INCONCLUSIVE: cache-cut was never reached"


def test_a_lost_message_fails_the_run() -> None:
    """The finding leads the headline, and the objective on it is not named a second time."""
    verdict = _judge(_losing(healthy_record()))
    assert verdict.verdict is Status.FAIL
    assert (
        verdict.headline == "FAIL: 1 acknowledged message lost: 1 delivery missing after the drain"
    )
    assert _of(verdict, "delivery_lost").status is Status.FAIL


def test_a_finding_fails_without_an_objective_on_it() -> None:
    """One witness of a loss is a failure, whatever was asked."""
    verdict = _judge(_losing(healthy_record()), objectives=[objective("http_reqs", "count>1")])
    assert verdict.verdict is Status.FAIL


def test_a_checker_that_saw_nothing_proves_nothing() -> None:
    """A trial that has its deliveries checked does not pass without any, whatever is asked."""
    asked = [objective("http_reqs", "count>1")]
    verdict = _judge(healthy_record(ledger=()), objectives=asked)
    assert verdict.verdict is Status.INCONCLUSIVE
    assert verdict.headline == "INCONCLUSIVE: no acknowledged message was owed to anybody"
    unchecked = plan(checkers=())
    assert _judge(healthy_record(unchecked, ledger=()), objectives=asked).verdict is Status.PASS


def test_a_cut_record_is_inconclusive_at_best() -> None:
    """Without end and seal everything measured is undecided, and the headline says why."""
    verdict = _judge(replace(_minus(healthy_record(), EndEvent, DrainEvent), sealed=False))
    assert verdict.verdict is Status.INCONCLUSIVE
    assert verdict.headline.startswith("INCONCLUSIVE: the run has no end: it was cut off")
    assert verdict.problems == ["the record was never sealed"]
    for name in (CALM_P95, "delivery_lost", "recovery_ready_s"):
        assert _of(verdict, name).status is Status.INCONCLUSIVE


def test_a_cut_record_fails_when_it_proves_a_loss() -> None:
    """A gap below a higher number is a loss in a truncated record too."""
    cut = replace(_minus(healthy_record(), EndEvent, DrainEvent), sealed=False)
    verdict = _judge(_losing(cut))
    assert verdict.verdict is Status.FAIL
    assert "although later ones arrived" in verdict.headline


@pytest.mark.parametrize("how", ["interrupted", "controller-died", "aborted", "healed"])
def test_a_run_that_did_not_complete_is_inconclusive(how: str) -> None:
    """Every other end than "completed" is named and never a pass."""
    ended = _plus(_minus(healthy_record(), EndEvent), EndEvent(at_ns=at(43), how=how, detail="why"))
    verdict = _judge(ended)
    assert verdict.verdict is Status.INCONCLUSIVE
    assert f"did not complete ({how}: why)" in verdict.headline


def test_a_problem_of_the_record_is_inconclusive() -> None:
    """A changed or missing segment never passes, and is listed."""
    verdict = _judge(replace(healthy_record(), problems=("worker-0.seg was changed",)))
    assert verdict.verdict is Status.INCONCLUSIVE
    assert verdict.problems == ["worker-0.seg was changed"]


def test_an_irreproducible_decision_is_our_fault() -> None:
    """A live decision that the frames do not bear out leaves the run undecided."""
    changed = tuple(
        msgspec.structs.replace(one, value=0.05) if isinstance(one, DecisionEvent) else one
        for one in healthy_record().events
    )
    verdict = _judge(replace(healthy_record(), events=changed))
    assert verdict.verdict is Status.INCONCLUSIVE
    assert [one.kind for one in verdict.findings] == ["irreproducible-decision"]


def test_a_decision_on_an_unknown_rule_is_our_fault() -> None:
    """A decision by a rule that the plan does not have cannot be computed again."""
    stray = DecisionEvent(
        at_ns=at(4.1),
        rule="http_reqs: count>1",
        from_second=2,
        to_second=4,
        status="pass",
        value=1.0,
        action="proceed",
    )
    assert _judge(_plus(healthy_record(), stray)).verdict is Status.INCONCLUSIVE


def test_a_gate_that_was_never_asked_is_inconclusive() -> None:
    """A planned question about the steady state must have been asked."""
    verdict = _judge(_minus(healthy_record(), DecisionEvent))
    assert verdict.verdict is Status.INCONCLUSIVE
    assert "never asked" in _of(verdict, "steady state").why


def test_a_failed_gate_fails_the_run() -> None:
    """An objective breached in the steady state is a failure, and the skipped faults say so."""
    bad = [frame(w, s, [operations([20.0] * 50, failed=20)]) for s in range(42) for w in range(2)]
    verdict = _judge(healthy_record(frames=tuple(bad)))
    assert _of(verdict, "steady state").status is Status.FAIL
    assert verdict.verdict is Status.FAIL


def test_a_dead_part_fails_and_a_dead_worker_does_not() -> None:
    """The target's own death is its failure; the generator's is ours."""
    dead = _plus(healthy_record(), PartEvent(at_ns=at(20), part="api", step="exited"))
    verdict = _judge(dead)
    assert (verdict.verdict, verdict.findings[0].kind) == (Status.FAIL, "part-died")
    lost = _plus(healthy_record(), WorkerEvent(at_ns=at(20), worker=1, step="died", detail="-9"))
    verdict = _judge(lost)
    assert (verdict.verdict, verdict.findings[0].kind) == (Status.INCONCLUSIVE, "worker-died")


def test_a_part_that_a_fault_restarts_did_not_die() -> None:
    """The exit of the part that a fault breaks, while it does, is the fault's doing."""
    exited = _plus(healthy_record(), PartEvent(at_ns=at(26.05), part="cache", step="exited"))
    assert _judge(exited).verdict is Status.PASS


def test_a_crashed_checker_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checker that raises leaves its objectives undecided, names the error, and stops nothing."""

    def crash(*_: object) -> Outcome:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(judging, "check_delivery", crash)
    verdict = _judge(healthy_record())
    assert verdict.verdict is Status.INCONCLUSIVE
    assert "ZeroDivisionError: by hand" in _of(verdict, "delivery_lost").why
    assert _of(verdict, "recovery_ready_s").status is Status.PASS


def test_objectives_that_do_not_block_decide_nothing() -> None:
    """A breach that does not block is shown and passed over."""
    strict = objective("http_req_duration{scenario:feed}", "p(95)<10")
    asked = [msgspec.structs.replace(strict, blocking=False), objective("http_reqs", "count>1")]
    verdict = _judge(healthy_record(), objectives=asked)
    assert _of(verdict, "http_req_duration").status is Status.FAIL
    assert verdict.verdict is Status.PASS


def test_a_reduced_scope_is_said_in_the_headline() -> None:
    """What was not judged at this scale is counted in the first line."""
    skipped = [NotJudged(objective="x", why="too short"), NotJudged(objective="y", why="too short")]
    verdict = _judge(healthy_record(plan(scope="reduced", scale=0.5)), not_judged=skipped)
    assert verdict.headline.endswith("(reduced: 2 objectives not judged at this scale)")
    assert (verdict.scope, verdict.scale) == ("reduced", 0.5)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("shown", [True, False])
def test_nothing_judged_is_no_pass(gated: bool, shown: bool) -> None:
    """A run proves nothing whose steady state alone was judged, or nothing that blocks."""
    of = plan() if gated else plan(gate=())
    harmless = msgspec.structs.replace(objective("http_reqs", "count>1"), blocking=False)
    verdict = _judge(healthy_record(of), objectives=[harmless] if shown else [])
    assert verdict.verdict is Status.INCONCLUSIVE
    assert "nothing was judged" in verdict.headline


def test_an_exact_objective_fails_on_one_witness() -> None:
    """An exact share that was broken once fails although the generator was not valid."""
    broken = [
        frame(w, s, [operations([20.0] * 50, failed=int(s == 20))], core_idle_share=0.0)
        for s in range(42)
        for w in range(2)
    ]
    exact = objective("http_req_failed{scenario:feed}", "rate==0", exact=True)
    verdict = _judge(healthy_record(frames=tuple(broken)), objectives=[exact])
    assert _of(verdict, "http_req_failed{scenario:feed}: rate==0").status is Status.FAIL


@pytest.mark.parametrize(
    ("metric", "threshold", "status"),
    [
        ("http_reqs", "count>=1000000", Status.INCONCLUSIVE),
        ("http_reqs", "count==1000000", Status.INCONCLUSIVE),
        ("http_reqs", "rate>=1000", Status.INCONCLUSIVE),
        ("http_req_duration", "p(95)<10", Status.INCONCLUSIVE),
        ("http_reqs", "count<100", Status.FAIL),
        ("http_reqs", "count==100", Status.FAIL),
    ],
)
def test_only_what_was_seen_is_a_witness(metric: str, threshold: str, status: Status) -> None:
    """In a record that was cut off an exact floor, rate or time breaks nothing; a ceiling does."""
    cut = replace(_minus(healthy_record(), EndEvent, DrainEvent), sealed=False)
    verdict = _judge(cut, objectives=[objective(metric, threshold, exact=True)])
    assert _of(verdict, f"{metric}: ").status is status


def test_an_empty_record_is_judged() -> None:
    """A run that was killed before anything happened still has a verdict."""
    empty = healthy_record(
        frames=(), events=(), probes=(), ledger=(), series={}, sealed=False, problems=("no seal",)
    )
    assert _judge(empty).verdict is Status.INCONCLUSIVE


def test_rounding_keeps_six_digits() -> None:
    """Floats of a verdict have six significant digits; infinities and zero stay."""
    assert round_significant(123.456789) == 123.457
    assert round_significant(0.000123456789) == 0.000123457
    assert [round_significant(one) for one in (0.0, float("inf"))] == [0.0, float("inf")]


def test_the_worst_counts() -> None:
    """PASS < INCONCLUSIVE < FAIL."""
    assert worst([]) is Status.PASS
    assert worst([Status.PASS, Status.INCONCLUSIVE]) is Status.INCONCLUSIVE
    assert worst([Status.FAIL, Status.INCONCLUSIVE, Status.PASS]) is Status.FAIL


def test_a_record_that_cannot_be_judged_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever raises outside the checkers, the answer is INCONCLUSIVE and names the error."""
    for broken in ("windows_of", "outages_of", "validity_of", "replay_gate", "instants_of"):
        with monkeypatch.context() as patch:
            patch.setattr(f"stormproof.checks.judge.{broken}", _explode)
            verdict = judge(healthy_record(), version="t")
        assert verdict.verdict is Status.INCONCLUSIVE
        assert "ZeroDivisionError: boom" in verdict.headline
        assert [one.kind for one in verdict.findings] == ["checker-failed"]
        assert verdict.plan_sha256 == healthy_record().plan.digest()


def _explode(*_: object) -> None:
    raise ZeroDivisionError("boom")


def test_warnings_are_in_the_verdict() -> None:
    """What the run said of itself stands in the verdict, the first hundred of it."""
    told = [WarningEvent(at_ns=at(3), code="names-folded", text=str(one)) for one in range(120)]
    record = healthy_record(events=(*healthy_record().events, *told))
    verdict = judge(record, version="t")
    assert verdict.verdict is Status.PASS
    assert (verdict.warnings[0], verdict.warnings[-1]) == ("names-folded: 0", "and 20 more")
    assert len(verdict.warnings) == 101


@pytest.mark.parametrize("kind", ["misnumbered", "reordered"])
def test_numbers_that_lie_fail_the_run(kind: str) -> None:
    """A wrong or falling number fails the run without an objective on it."""
    writer = LedgerWriter()
    writer.join(0, 1)
    keys = [writer.send(0, 1, number, number) for number in (1, 2)]
    for place in (0, 1) if kind == "misnumbered" else (1, 0):
        number = 5 + place if kind == "misnumbered" else 1 + place
        writer.receive(0, 1, keys[place], number)
    verdict = judge(healthy_record(ledger=(writer.array,)), version="t")
    assert verdict.verdict is Status.FAIL
    assert [one.kind for one in verdict.findings] == [kind]
