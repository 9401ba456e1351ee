"""What findings about values, sights, effects and last reads tell, and when they stay silent."""

from __future__ import annotations

from typing import Any

import pytest
from tests.histories import Op, run_check, value_of

from stormproof.checks import set_sessions
from stormproof.checks.effects import check_effects
from stormproof.checks.isolation import check_isolation
from stormproof.checks.reconcile import check_final_reads
from stormproof.checks.sessions import check_monotonic, check_own_writes, check_staleness
from stormproof.checks.totals import check_totals
from stormproof.checks.unique_ids import check_unique_ids
from stormproof.model.history import Function, Step

SECOND = 1_000_000_000


def _op(function: Function, value: Any, *span: int, key: str = "k", **more: Any) -> Op:
    return Op(function=function, key=key, value=value, began=span[0], ended=span[-1], **more)


WRITES = [_op(Function.WRITE, 1, 1, 2), _op(Function.WRITE, 2, 3, SECOND)]
OLD_READ = _op(Function.READ, 1, 3 * SECOND, 3 * SECOND + 1)


def _told(outcome: Any) -> str:
    (finding,) = outcome.findings
    told: str = finding.witnesses[0].what
    return told.partition(" ")[2]


def test_a_read_of_what_was_overwritten_is_told_with_its_age() -> None:
    """The age runs from the acknowledgement that overwrote it; a wide bar bears it in silence."""
    ops = [*WRITES, OLD_READ]
    outcome = run_check(check_staleness, ops, "reads_stale_s: max<1")
    assert value_of(outcome, "reads_stale_s") == 2.0
    assert value_of(outcome, "reads_stale") == 1.0
    assert "2.000 s after user 1 had set it to 2" in _told(outcome)
    assert run_check(check_staleness, ops, "reads_stale_s: max<3").findings == []


def test_own_writes_and_steps_back_are_told() -> None:
    """Who wrote 2 and reads 1 is let down; so is who had read 2 before."""
    own = run_check(check_own_writes, [*WRITES, OLD_READ], "reads_not_own_writes: count==0")
    assert "although user 1 had set it to 2" in _told(own)
    newer = _op(Function.READ, 2, 2 * SECOND, user=4)
    older = _op(Function.READ, 1, 3 * SECOND, user=4)
    back = run_check(check_monotonic, [*WRITES, newer, older], "reads_not_monotonic: count==0")
    assert "read as 1 by user 4" in _told(back)


def test_users_miss_in_sets_what_they_added_or_found() -> None:
    """An own element that a later read lacks, and one that an earlier read held."""
    add = _op(Function.ADD, 7, 1, 2)
    found = _op(Function.READ_SET, [7], 3, 4, user=2)
    lacking = [_op(Function.READ_SET, [], 5, 6), _op(Function.READ_SET, [], 5, 6, user=2)]
    own = run_check(check_own_writes, [add, found, *lacking], "reads_not_own_writes: count==0")
    assert "without 7, which its user had added by" in _told(own)
    back = run_check(check_monotonic, [add, found, *lacking], "reads_not_monotonic: count==0")
    assert "read by user 2 between" in _told(back)


def test_sets_too_large_to_be_held_are_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is bounded; what would take more is no pass. What was added takes none."""
    monkeypatch.setattr(set_sessions, "SET_ENTRIES_HELD_MAX", 5)
    ops = [_op(Function.ADD, 1, 1, 2)]
    ops += [_op(Function.READ_SET, [1, 2, 3], at, at + 1) for at in (3, 5)]
    metric = "reads_not_monotonic"
    assert "too large" in run_check(check_monotonic, ops).measured[metric, ""].why
    assert value_of(run_check(check_own_writes, ops), "reads_not_own_writes") == 0.0
    monkeypatch.setattr(set_sessions, "SET_ENTRIES_HELD_MAX", 6)
    assert value_of(run_check(check_monotonic, ops), metric) == 0.0


@pytest.mark.parametrize(
    ("check", "metric"),
    [
        (check_own_writes, "reads_not_own_writes"),
        (check_monotonic, "reads_not_monotonic"),
        (check_staleness, "reads_stale_s"),
        (check_final_reads, "final_off"),
    ],
)
def test_cut_or_unread_histories_are_undecided(check: Any, metric: str) -> None:
    """Neither a record that was cut off nor one without reads clears or accuses anybody."""
    cut = run_check(check, [*WRITES, OLD_READ], whole=False)
    assert "cut off" in cut.measured[metric, ""].why
    unread = run_check(check, WRITES)
    assert unread.measured[metric, ""].why
    assert unread.measured[metric, ""].remedy
    assert cut.findings == unread.findings == []


EARLY_READ = _op(Function.READ, 0, 1, 2, user=4)
FOUND = _op(Function.READ_SET, [7], 5, 6, user=2)


@pytest.mark.parametrize(
    ("check", "metric", "ops", "chance"),
    [
        pytest.param(
            check_own_writes,
            "reads_not_own_writes",
            [*WRITES, _op(Function.READ, 2, 2 * SECOND, user=4)],
            _op(Function.READ, 2, 2 * SECOND),
            id="nobody read what it wrote",
        ),
        pytest.param(
            check_own_writes,
            "reads_not_own_writes",
            [_op(Function.ADD, 7, 1, 2), FOUND],
            _op(Function.READ_SET, [7], 5, 6),
            id="nobody read the set it added to",
        ),
        pytest.param(
            check_monotonic,
            "reads_not_monotonic",
            [*WRITES, OLD_READ, EARLY_READ, _op(Function.READ, 2, 3 * SECOND, user=5)],
            _op(Function.READ, 2, 4 * SECOND, user=5),
            id="each user read once",
        ),
        pytest.param(
            check_monotonic,
            "reads_not_monotonic",
            [*WRITES, EARLY_READ, _op(Function.READ, 1, 5, 6, user=4)],
            _op(Function.READ, 1, 7, 8, user=4),
            id="nothing is older than what was there at first",
        ),
        pytest.param(
            check_monotonic,
            "reads_not_monotonic",
            [_op(Function.READ_SET, [], 3, 4, user=2), FOUND],
            _op(Function.READ_SET, [7], 7, 8, user=2),
            id="nothing had been found",
        ),
        *(
            pytest.param(
                check_staleness,
                metric,
                [_op(Function.READ, 0, 1, 3), *WRITES],
                _op(Function.READ, 1, 3, 4),
                id=f"{metric}: every read came first",
            )
            for metric in ("reads_stale", "reads_stale_s")
        ),
    ],
)
def test_reads_that_could_not_have_been_wrong_are_no_evidence(
    check: Any, metric: str, ops: list[Op], chance: Op
) -> None:
    """Without a read that could break the promise it is undecided; one that does not is a pass."""
    untried = run_check(check, ops).measured[metric, ""]
    assert (untried.value, untried.samples) == (None, 0)
    assert untried.why.startswith("no read came after")
    tried = run_check(check, [*ops, chance]).measured[metric, ""]
    assert (tried.value, tried.samples, tried.why) == (0.0, 1, "")


def test_a_bar_that_bears_some_needs_all_sets_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found so far is enough to fail, and not to pass while sets were left out."""
    monkeypatch.setattr(set_sessions, "SET_ENTRIES_HELD_MAX", 2)
    newer = _op(Function.READ, 2, 2 * SECOND)
    ops = [*WRITES, newer, OLD_READ, _op(Function.ADD, 1, 1, 2, key="s")]
    ops += [_op(Function.READ_SET, [1, 2, 3], at, at + 1, key="s") for at in (3, 5)]
    metric = "reads_not_monotonic"
    assert value_of(run_check(check_monotonic, ops, f"{metric}: count==0"), metric) == 1.0
    borne = run_check(check_monotonic, ops, f"{metric}: count<5")
    assert "too large" in borne.measured[metric, ""].why


def test_a_value_that_was_written_twice_says_nothing() -> None:
    """Nobody can tell which of the two writes was read."""
    again = _op(Function.WRITE, 1, 2 * SECOND, 2 * SECOND + 1)
    outcome = run_check(check_staleness, [*WRITES, again, OLD_READ])
    assert outcome.measured["reads_stale_s", ""].why


def test_a_foreign_sight_and_a_second_effect_are_told() -> None:
    """Whose it is, who saw it; which effects a key had."""
    ops = [
        _op(Function.OWNS, "secret plan", 1, key="tenant:9"),
        _op(Function.MAY_SEE, None, 2, key="tenant:7", user=3),
        _op(Function.SAW, "secret plan", 3, key="", user=3),
    ]
    outcome = run_check(check_isolation, ops)
    assert outcome.findings[0].kind == "isolation-foreign"
    assert "seen by user 3 at 0.000 s" in _told(outcome)
    ops[1].key = "tenant:9"
    assert run_check(check_isolation, ops).findings == []
    paid = [_op(Function.EFFECT, "key-1", at, key="payment", other=at) for at in (1, 1, 2)]
    outcome = run_check(check_effects, paid)
    assert outcome.findings[0].title == "1 key acted on more than once"
    assert "1 (seen by user 1 at 0.000 s) and 2 (seen by" in _told(outcome)
    assert run_check(check_effects, paid[:2]).findings == []


@pytest.mark.parametrize(
    ("ops", "why"),
    [
        (
            [_op(Function.ADD, 1, 1, 2), _op(Function.TOTAL, 1, 3, 4)],
            "how many there were at first",
        ),
        ([_op(Function.TOTAL, 0, 1, 2), _op(Function.ADD, 1, 3, 4)], "no total after the last"),
        ([_op(Function.TOTAL, 0, 1, 2)], "no change of a set whose total was asked"),
        ([_op(Function.TOTAL, "many", 1, 2), _op(Function.ADD, 1, 3, 4)], "as a number"),
    ],
)
def test_totals_with_too_little_to_go_by_are_undecided(ops: list[Op], why: str) -> None:
    """Without a first total, a last one, or anything that changed, nothing off proves nothing."""
    outcome = run_check(check_totals, ops)
    assert why in outcome.measured["totals_off", ""].why
    assert [one.kind for one in outcome.findings] == ["total-unread"]


def test_a_total_that_is_off_is_told_with_what_was_due() -> None:
    """The finding names what was reported, to whom, and the bounds."""
    ops = [_op(Function.TOTAL, 0, 1, 2), _op(Function.ADD, 1, 3, 4), _op(Function.TOTAL, 0, 5, 6)]
    outcome = run_check(check_totals, ops)
    assert "reported as 0 to user 1" in _told(outcome)
    assert _told(outcome).endswith("when 1 was due")


def test_what_is_added_may_have_been_there_at_first() -> None:
    """A total that an idempotent add leaves alone accuses nobody, and proves nothing."""
    ops = [_op(Function.TOTAL, 3, 1, 2), _op(Function.ADD, 1, 3, 4), _op(Function.TOTAL, 3, 5, 6)]
    outcome = run_check(check_totals, ops, "totals_off: count==0")
    assert [one.kind for one in outcome.findings] == ["total-unread"]
    assert "had been there at first" in outcome.measured["totals_off", ""].why


def test_a_total_that_lags_fails_a_run_only_where_it_is_asked() -> None:
    """A cache's second is for the objective to forbid; the last total is not."""
    late = [_op(Function.TOTAL, 0, 1, 2), _op(Function.ADD, 1, 3, 4), _op(Function.TOTAL, 0, 5, 6)]
    ops = [*late, _op(Function.ADD, 2, 7, 8), _op(Function.TOTAL, 2, 9, 10)]
    assert run_check(check_totals, ops).findings == []
    asked = run_check(check_totals, ops, "totals_off: count==0")
    assert [one.kind for one in asked.findings] == ["total-off"]
    assert value_of(asked, "totals_off") == 1.0


def test_a_key_of_which_nothing_was_acknowledged_leaves_other_totals_decided() -> None:
    """Whether anything was tested is asked over all keys; a key without changes is not judged."""
    ops = [_op(Function.TOTAL, 0, 1, 2), _op(Function.ADD, 1, 3, 4), _op(Function.TOTAL, 1, 5, 6)]
    ops += [_op(Function.TOTAL, 7, 1, 2, key="other"), _op(Function.TOTAL, 9, 5, 6, key="other")]
    refused = _op(Function.ADD, 1, 3, 4, key="full", step=Step.REFUSED)
    ops += [_op(Function.TOTAL, 7, 1, 2, key="full"), refused]
    outcome = run_check(check_totals, ops, "totals_off: count==0")
    assert outcome.findings == []
    assert value_of(outcome, "totals_off") == 0.0


def test_nothing_at_all_is_no_number_key_or_value() -> None:
    """A sight, an owner's value, an idempotency key and an effect that are null are not zero."""
    ops = [
        _op(Function.OWNS, 0, 1, key="tenant:7"),
        _op(Function.OWNS, None, 1, key="tenant:7"),
        _op(Function.SAW, None, 2, user=3),
    ]
    outcome = run_check(check_isolation, ops)
    assert outcome.findings == []
    assert value_of(outcome, "isolation_foreign") is None
    effects = [
        _op(Function.EFFECT, None, 1, other=1),
        _op(Function.EFFECT, None, 2, other=2),
        _op(Function.EFFECT, 5, 3, other=None),
        _op(Function.EFFECT, 5, 4, other=7),
    ]
    outcome = run_check(check_effects, effects)
    assert outcome.findings == []
    assert value_of(outcome, "effects_duplicated") == 0.0
    assert value_of(run_check(check_effects, effects[:2]), "effects_duplicated") is None


def test_a_record_that_was_cut_off_accuses_nobody_of_a_foreign_sight() -> None:
    """What is missing may tell of another owner, who lets the user see it."""
    ops = [_op(Function.OWNS, 1, 1, key="tenant:7"), _op(Function.SAW, 1, 2, user=3)]
    outcome = run_check(check_isolation, ops, whole=False)
    assert outcome.findings == []
    assert "cut off" in outcome.measured["isolation_foreign", ""].why
    assert [one.kind for one in run_check(check_isolation, ops).findings] == ["isolation-foreign"]


@pytest.mark.parametrize(
    ("ops", "how"),
    [
        ([_op(Function.READ_SET, [1], 9, 10)], ""),
        ([_op(Function.READ_SET, [], 9, 10)], "without 1"),
        ([_op(Function.READ_SET, [1, 2], 9, 10)], ""),
        ([_op(Function.READ_SET, [], 0, 1), _op(Function.READ_SET, [1, 2], 9, 10)], "with 2"),
        ([_op(Function.READ_SET, [2], 0, 1), _op(Function.READ_SET, [1, 2], 9, 10)], ""),
        ([_op(Function.READ_SET, [3], 9, 10)], "without 1, with 3"),
        ([_op(Function.READ_SET, [], 3, 4), _op(Function.READ_SET, [1], 9, 10)], ""),
    ],
)
def test_the_last_read_of_a_set_is_what_the_changes_make(ops: list[Op], how: str) -> None:
    """What was added for sure is there; what was refused or removed is not."""
    changes = [
        _op(Function.ADD, 1, 1, 2),
        _op(Function.ADD, 2, 2, 3, step=Step.REFUSED),
        _op(Function.ADD, 3, 1, 2),
        _op(Function.REMOVE, 3, 3, 4),
    ]
    outcome = run_check(check_final_reads, [*changes, *ops], "final_off: count==0")
    assert value_of(outcome, "final_off") == bool(how)
    assert [one.witnesses[0].what.partition(" ")[2] for one in outcome.findings] == (
        [f"{how}, by user 1 in the read begun at 0.000 s"] if how else []
    )


def test_the_last_read_of_a_value_is_one_that_was_not_overwritten() -> None:
    """Of two writes one after the other only the later may be left."""
    outcome = run_check(check_final_reads, [*WRITES, OLD_READ], "final_off: count==0")
    assert "read as 1, which had been overwritten" in _told(outcome)
    fine = _op(Function.READ, 2, 3 * SECOND)
    assert value_of(run_check(check_final_reads, [*WRITES, fine]), "final_off") == 0.0


def test_what_could_not_have_been_foreign_shows_nothing() -> None:
    """Where everybody may see everything it is undecided; one who may not is enough to pass."""
    ops = [_op(Function.OWNS, 1, 1, key="tenant:7"), _op(Function.MAY_SEE, None, 1, key="tenant:7")]
    ops += [_op(Function.SAW, 1, 2)]
    told = run_check(check_isolation, ops)
    assert "nothing could have been foreign" in told.measured["isolation_foreign", ""].why
    assert told.findings == []
    two = [_op(Function.OWNS, 2, 1, key="tenant:8")]
    assert value_of(run_check(check_isolation, [*ops, *two]), "isolation_foreign") == 0.0


def test_a_single_id_is_compared_with_nothing() -> None:
    """What was given out once cannot be given out twice."""
    ops = [_op(Function.ISSUED, 1, 1, key="order")]
    assert "no two ids" in run_check(check_unique_ids, ops).measured["ids_duplicated", ""].why
    two = run_check(check_unique_ids, [*ops, _op(Function.ISSUED, 2, 2, key="order")])
    assert value_of(two, "ids_duplicated") == 0.0


def test_totals_before_any_acknowledged_change_are_no_samples() -> None:
    """They say what there was at first, however often."""
    early = [_op(Function.TOTAL, 0, 1, 2) for _ in range(9)]
    ops = [*early, _op(Function.ADD, 1, 3, 4), _op(Function.TOTAL, 1, 5, 6)]
    assert run_check(check_totals, ops).measured["totals_off", ""].samples == 1
