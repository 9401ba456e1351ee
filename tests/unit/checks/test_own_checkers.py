"""Checkers of one's own: what they are given, what becomes of their answers, and of bad ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.builders import healthy_record, plan

from stormproof import Breach, Checked, HistoryView, checker
from stormproof.checks.explaining import explain
from stormproof.checks.judge import judge
from stormproof.checks.own_checkers import NOT_RUN
from stormproof.checks.own_words import Unspelt
from stormproof.model.metric import CustomMetric, MetricKind
from stormproof.model.objective import Status
from stormproof.model.own_checker import FoundBreach, OwnAnswer
from stormproof.model.plan import OwnChecker, Source
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.rules.grammar import objective
from stormproof.rules.questions import Declared, declared_by
from stormproof.testing import WrittenHistory, ask_checker, history

METRIC = CustomMetric(name="payments_lost", kind=MetricKind.CHECKED)
OWN = OwnChecker(
    source=Source(file="demo.py", function="payments_last", sha256="0" * 64), metrics=(METRIC,)
)


@checker(metrics=("payments_lost",), needs=("write", "read"), keys="order:", final_reads=True)
def payments_last(told: HistoryView) -> Checked:
    """What was paid is paid in the end."""
    paid, last = list(told.operations("write", outcome="ok")), told.last_reads()
    lost = [one for one in paid if last[one.key_id].value != "paid"]
    return Checked(
        looked_at=len(paid),
        measured={"payments_lost": len(lost)},
        breaches=[Breach(f"{one.key} is not paid", [one, last[one.key_id]]) for one in lost],
    )


def _orders(state: str = "paid") -> WrittenHistory:
    """Return two orders that were paid, of which the second one reads as `state`."""
    told = history().write("order:1", "paid", at=1).write("order:2", "paid", at=2, user=3)
    return told.read("order:1", "paid", at=30).read("order:2", state, at=30.5, until=30.75, user=3)


def test_what_is_well_is_measured_and_nothing_is_found() -> None:
    """Both payments last: none is lost of two that were looked at."""
    answer = ask_checker(payments_last, _orders())
    assert answer == OwnAnswer(looked_at=2, measured={"payments_lost": 0})


def test_a_breach_cites_its_operations() -> None:
    """The story has both operations with user and instants, the keys, and when it showed."""
    answer = ask_checker(payments_last, _orders("placed"))
    (breach,) = answer.breaches
    assert (answer.measured, answer.count) == ({"payments_lost": 1}, 1)
    assert breach.what == "order:2 is not paid"
    assert breach.shown == (
        "user 3 write order:2 paid, 2.000 s to 2.001 s;"
        " user 3 read order:2 placed, 30.500 s to 30.750 s"
    )
    assert breach.keys == (f"{HistoryView.id_of('order:2'):016x}",)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (history().write("cart:1", "paid", at=1), "no 'write' was recorded on a key order:..."),
        (history().write("order:1", "paid", at=1), "no 'read' was recorded"),
        (_orders().write("order:1", "paid", at=40), "1 key not read after the last change"),
        (_orders().write("order:3", "paid", at=40, outcome=""), "1 key not read after the last"),
        (_orders().cut(), "the run has no end: it was cut off: what is missing may explain"),
    ],
)
def test_what_a_checker_needs_and_has_not_leaves_it_undecided(
    told: WrittenHistory, why: str
) -> None:
    """No operation of a kind, no final read, a record that was cut: why, a remedy, no value."""
    answer = ask_checker(payments_last, told)
    assert why in answer.why
    assert answer.remedy
    assert (answer.measured, answer.breaches, answer.failed) == ({}, (), False)


def _returning(value: object) -> OwnAnswer:
    @checker(metrics=("payments_lost", "late_s"), needs=("write",))
    def odd(_: HistoryView) -> object:
        return value

    return ask_checker(odd, _orders())


def _checked(**changes: Any) -> Checked:
    measured = {"payments_lost": 0, "late_s": 0.5}
    return Checked(**{"looked_at": 2, "measured": measured, **changes})


WHOLE = {"payments_lost": 0, "late_s": 0.5}
LOST = Breach("lost", [_orders().view().operation(0)])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (None, "it returned None and not a Checked"),
        (0, "it returned 0 and not a Checked"),
        ({"payments_lost": 0}, "and not a Checked"),
        (_checked(measured={"payments_lost": 0}), "it did not measure late_s"),
        (_checked(measured=WHOLE | {"paymentslost": 0}), "which it does not declare"),
        (_checked(measured=WHOLE | {"set_lost": 0}), "'set_lost', which it does not declare"),
        (_checked(measured=WHOLE | {"late_s": "none"}), "measured late_s as 'none'"),
        (_checked(measured=WHOLE | {"late_s": True}), "measured late_s as True"),
        (_checked(measured=WHOLE | {"late_s": float("nan")}), "must be finite"),
        (_checked(measured=WHOLE | {"late_s": float("inf")}), "must be finite"),
        (_checked(measured=WHOLE | {"payments_lost": -1}), "not negative"),
        (_checked(measured=[0, 0]), "which is no mapping"),
        (_checked(looked_at="two"), "looked at 'two'"),
        (_checked(looked_at=-2), "looked at -2"),
        (_checked(looked_at=2**60), "is no number of things"),
        (_checked(breaches=[LOST], looked_at=0), "breaches, and says that it looked at nothing"),
        (_checked(breaches=[Breach(None, [7])]), "does not say what is wrong: None"),  # type: ignore[arg-type, list-item]
        (_checked(breaches=[Breach("x", 7)]), "shows 'x' by 7: give it a list"),  # type: ignore[arg-type]
        (_checked(undecided=7), "undecided=7"),
        (_checked(breaches=[OwnAnswer()]), "which is no Breach"),
        (_checked(breaches="lost"), "breaches that are no list"),
        (_checked(breaches=np.array([])), "breaches that are no list"),
        (_checked(breaches=[Breach("lost", [])]), "without an operation that shows it"),
        (_checked(breaches=[Breach("lost", [7])]), "by something that is no operation"),  # type: ignore[list-item]
        (_checked(breaches=[Breach(" ", [_orders().view().operation(0)])]), "does not say what"),
        (_checked(breaches=[Breach("x", [_orders().view().operation(0)])]), "another history"),
    ],
)
def test_an_answer_that_is_no_whole_one_is_the_checkers_fault(given: object, why: str) -> None:
    """Whatever is returned, it says what is wrong and measures nothing."""
    answer = _returning(given)
    assert answer.failed
    assert why in answer.why
    assert answer.measured == {}


def test_a_checker_that_looked_at_nothing_or_says_so_is_undecided() -> None:
    """Zero breaches among zero things are no answer, nor what the checker itself calls none."""
    assert _returning(_checked(looked_at=0)).why == "it looked at nothing"
    told = _returning(_checked(undecided="nobody\npaid", remedy="pay", measured={}))
    assert (told.why, told.remedy, told.failed, told.measured) == ("nobody paid", "pay", False, {})


def test_numbers_of_numpy_are_numbers() -> None:
    """Counts and sums of columns need no conversion."""
    measured = {"payments_lost": np.int64(1), "late_s": np.float32(2)}
    given = _checked(looked_at=np.int64(2), measured=measured)
    assert _returning(given).measured == {"payments_lost": 1.0, "late_s": 2.0}


def test_the_history_is_told_as_it_was() -> None:
    """Functions, outcomes, values, elements, expectations, instants and faults come through."""
    told = (
        history().add("cart", 5, at=1, user=2, outcome="refused").read("cart", [5, "a", None], at=2)
    )
    told.compare_and_set("title", None, "new", at=3, outcome="unknown").total("cart", 2, at=4)
    told.effect("payment", "k1", "p1", at=5).seen("a 409", at=6).saw("secret", at=7)
    told.increment("likes", -3, at=0.5, until=0.6, outcome="").fault("cut", at=1, until=2)
    view = told.view()
    seen = [
        (one.function, one.outcome, one.key, one.value, one.expected) for one in view.operations()
    ]
    assert seen == [
        ("increment", "unknown", "likes", -3, None),
        ("add", "refused", "cart", 5, None),
        ("read_set", "ok", "cart", (5, "a", None), None),
        ("compare_and_set", "unknown", "title", "new", None),
        ("total", "ok", "cart", 2, None),
        ("effect", "ok", "payment", "k1", "p1"),
        ("seen", "ok", "a 409", None, None),
        ("saw", "ok", "", "secret", None),
    ]
    first, second = list(view.operations())[:2]
    assert (first.began_s, first.ended_s, second.user) == (0.5, None, 2)
    assert second.ended_s == pytest.approx(1.001)
    assert [(one.name, one.from_s, one.to_s) for one in view.faults] == [("cut", 1, 2)]
    assert [one.key for one in view.by_key("add", "increment")["likes"]] == ["likes"]


def test_nothing_that_is_given_can_be_changed() -> None:
    """Columns, elements and operations refuse to be written to."""
    view = history().read("cart", [1, 2], at=1).write("a", 1, at=2).view()
    for column in (*view.columns.values(), view.operation(0).element_ids):
        with pytest.raises(ValueError, match="read-only"):
            column[:] = 0
    with pytest.raises(TypeError):
        view.columns["user"] = np.zeros(2)  # type: ignore[index]
    with pytest.raises(AttributeError):
        view.operation(0).user = 7  # type: ignore[misc]


def test_an_unknown_function_or_outcome_is_told() -> None:
    """A misspelt filter must not look like an empty history."""
    view = _orders().view()
    with pytest.raises(ValueError, match="no operation 'wirte'"):
        next(view.operations("wirte"))
    with pytest.raises(ValueError, match="no outcome 'fail'"):
        next(view.operations(outcome="fail"))


def test_a_text_that_the_record_does_not_spell_is_not_guessed() -> None:
    """Its words are there; reading the text raises, and leaves a checker undecided."""
    view = _orders().view()
    blind = _without_names(view)
    one = blind.operation(0)
    assert one.key_id == HistoryView.id_of("order:1")
    assert one.value_id == HistoryView.id_of("paid")
    for read in (lambda: one.key, lambda: one.value, lambda: blind.with_keys("order:")):
        with pytest.raises(Unspelt, match="none of them"):
            read()
    answer = ask_checker(payments_last, blind)
    assert "spells out 10,000 keys" in answer.why
    assert not answer.failed


def test_a_text_that_was_cut_off_is_not_taken_for_a_whole_one() -> None:
    """A key of which the record has the beginning only does not read as that beginning."""
    view = _orders().view()
    cut = {word: text[:4] for word, text in view.spelling.names.items()}
    with pytest.raises(Unspelt, match="only a part of 'orde'"):
        _ = _without_names(view, cut).operation(0).key


def _without_names(view: HistoryView, names: Mapping[int, str] | None = None) -> HistoryView:
    return replace(view, spelling=replace(view.spelling, names=names or {}))


@pytest.mark.parametrize(
    ("make", "error", "what"),
    [
        (lambda: checker(metrics="lost", needs=("write",)), TypeError, "metrics must be a tuple"),  # type: ignore[arg-type]
        (lambda: checker(metrics=["a"], needs=("write",)), TypeError, "not \\['a'\\]"),  # type: ignore[arg-type]
        (lambda: checker(metrics=(), needs=("write",)), ValueError, "must not be empty"),
        (lambda: checker(metrics=("a",), needs=("write",), bears_cuts="no"), TypeError, "True or"),  # type: ignore[arg-type]
        (lambda: checker(metrics=("a",), needs=()), ValueError, "must not be empty"),
        (lambda: checker(metrics=("a",), needs=("wirte",)), ValueError, "no operation 'wirte'"),
        (lambda: checker(metrics=("a",), needs=("write",))(lambda: 0), TypeError, "one argument"),  # type: ignore[arg-type, misc]
        (
            lambda: checker(metrics=("a",), needs=("write",))(_coroutine),
            TypeError,
            "`def` function",
        ),
    ],
)
def test_a_decorator_that_cannot_be_meant_is_refused(
    make: Callable[[], object], error: type[Exception], what: str
) -> None:
    """Wrong types, empty tuples, unknown operations and functions of another shape are told."""
    with pytest.raises(error, match=what):
        make()


async def _coroutine(history: HistoryView) -> None:
    """Be no checker."""


def _record(*thresholds: str, own: tuple[OwnChecker, ...] = (OWN,)) -> Record:
    """Return a record that passes, whose file declares a checker and whose plan asks for it."""
    base = plan(own_checkers=own)
    asked = [objective("payments_lost", text, declared=declared_by(base)) for text in thresholds]
    return healthy_record(plan(own_checkers=own, objectives=(*base.objectives, *asked)))


def _judged(record: Record, answer: OwnAnswer | None) -> Verdict:
    own = None if answer is None else {"payments_last": answer}
    return judge(record, version="0", own=own)


def _status(verdict: Verdict) -> Status | None:
    found = [one.status for one in verdict.objectives if one.name.startswith("payments_lost")]
    return found[0] if found else None


BREACH = FoundBreach(what="order:2 is not paid", shown="...", at_ns=7, keys=("0" * 16,))


@pytest.mark.parametrize(
    ("answer", "status", "kinds"),
    [
        (OwnAnswer(looked_at=2, measured={"payments_lost": 0}), Status.PASS, []),
        (OwnAnswer(looked_at=2, measured={"payments_lost": 1}), Status.FAIL, []),
        (
            OwnAnswer(looked_at=2, measured={"payments_lost": 1}, breaches=(BREACH,), count=1),
            Status.FAIL,
            ["own-breach"],
        ),
        (OwnAnswer(looked_at=2), Status.INCONCLUSIVE, []),
        (OwnAnswer(why="it raised", failed=True), Status.INCONCLUSIVE, ["own-failed"]),
        (OwnAnswer(why="unread"), Status.INCONCLUSIVE, ["own-undecided"]),
        (None, Status.INCONCLUSIVE, ["own-undecided"]),
    ],
)
def test_answers_decide_their_objectives(
    answer: OwnAnswer | None, status: Status, kinds: list[str]
) -> None:
    """A value is held against its bar; without one the objective and the verdict are undecided."""
    verdict = _judged(_record("count==0"), answer)
    assert _status(verdict) is status
    assert verdict.verdict is status, verdict.headline
    assert [one.kind for one in verdict.findings] == kinds


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OwnAnswer(looked_at=2, measured={"payments_lost": 1}), Status.PASS),
        (OwnAnswer(looked_at=1, breaches=(BREACH,), count=9), Status.FAIL),
        (OwnAnswer(why="it raised", failed=True), Status.INCONCLUSIVE),
        (None, Status.INCONCLUSIVE),
    ],
)
def test_what_no_objective_asks_is_told_all_the_same(
    answer: OwnAnswer | None, status: Status
) -> None:
    """A breach fails a run that nobody asked about it, and a checker that failed keeps it open."""
    verdict = _judged(_record(), answer)
    assert verdict.verdict is status, verdict.headline


def test_a_breach_heads_the_verdict() -> None:
    """The headline names the checker and what is wrong, and how many more there are."""
    verdict = _judged(_record(), OwnAnswer(looked_at=1, breaches=(BREACH,), count=9))
    assert verdict.headline == "FAIL: payments_last: order:2 is not paid (and 8 more)"


def test_why_it_was_not_run_is_said_with_what_to_do() -> None:
    """Without trust the objective says that the code was not run, and which option runs it."""
    verdict = _judged(_record("count==0"), None)
    (judged,) = [one for one in verdict.objectives if one.name.startswith("payments_lost")]
    assert judged.why == NOT_RUN.why
    assert "--trust-checkers" in judged.remedy


@pytest.mark.parametrize("name", ["set_lost", "payments_lost"])
def test_a_metric_that_is_not_a_checkers_own_is_nobodys(name: str) -> None:
    """In a plan that was made by hand, one of ours or another checker's passes nothing."""
    twin = OwnChecker(
        source=Source(file="demo.py", function="twin", sha256="0" * 64),
        metrics=(CustomMetric(name=name, kind=MetricKind.CHECKED),),
    )
    answer = OwnAnswer(looked_at=2, measured={name: 0})
    record = _record(own=(OWN, twin))
    own = {"payments_last": answer, "twin": answer}
    verdict = judge(record, version="0", own=own)
    assert verdict.verdict is Status.INCONCLUSIVE
    assert any(f"claims {name}" in one.title for one in verdict.findings)


def test_how_a_metric_of_a_checker_is_asked() -> None:
    """Counts by `count`, seconds by `max`, over the whole run; a misspelt one is told."""
    late = CustomMetric(name="paid_late_s", kind=MetricKind.CHECKED, unit="s")
    declared = Declared(metrics={"payments_lost": METRIC, "paid_late_s": late})
    counted = objective("payments_lost", "count==0", declared=declared)
    assert (counted.window, counted.samples_min, counted.unit) == ("run", 1, "")
    assert objective("paid_late_s", "max<2", declared=declared).unit == "s"
    for metric, text, what in (
        ("payment_lost", "count==0", "did you mean 'payments_lost'"),
        ("payments_lost", "max<2", "use count, value"),
        ("paid_late_s", "p(95)<2", "use max, value"),
        ("payments_lost{window:calm}", "count==0", "over the whole run"),
        ("payments_lost{scenario:a}", "count==0", "no tag 'scenario'"),
    ):
        with pytest.raises(ValueError, match=what.replace("(", r"\(")):
            objective(metric, text, declared=declared)


def test_a_breach_is_explained_by_its_checker_its_metric_and_its_kind() -> None:
    """Each name brings the finding, and with its witness all that was done to the keys it cites."""
    written = _orders("placed")
    answer = ask_checker(payments_last, written)
    record = _record("count==0")
    record = replace(record, ledger=(*record.ledger, written.segment()))
    verdict = _judged(record, answer)
    for name in ("payments_last", "own-breach", "payments_lost"):
        told = explain(record, verdict, name)
        assert told[-1].title.startswith("own-breach: order:2 is not paid: user 3 write order:2")
        whats = [one.what for one in told[-1].moments if one.about == "data"]
        assert "user 3 reads order:2 as placed, until 30.750 s" in whats
        assert "user 3 sets order:2 to paid, until 2.001 s" in whats  # long before
        assert not any("order:1" in what for what in whats)
