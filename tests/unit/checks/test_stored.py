"""What a server holds when all is over is held against what the journeys told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.final_reads import READ_AT, add, final_look, run_looks
from tests.histories import Op, value_of

from stormproof.checks.orphans import check_orphans
from stormproof.checks.outcome import Outcome
from stormproof.checks.stored import check_stored
from stormproof.checks.stored_apart import check_apart
from stormproof.model.history import Function, Step, digest_word

LOST, REFUSED, SURPLUS, REPEATED = (
    "stored_lost",
    "stored_refused",
    "stored_surplus",
    "stored_repeated",
)
ALL = (LOST, REFUSED, SURPLUS, REPEATED)
ASKED = tuple(f"{metric}: count==0" for metric in ALL)


def stored(after: Any, ops: list[Op], *asked: str, before: Any = (), **more: Any) -> Outcome:
    looks = [final_look(after, before, of="chat", left_out=more.pop("left_out", 0))]
    return run_looks(check_stored, looks, ops, *asked, **more)


def kinds(outcome: Outcome) -> set[str]:
    return {one.kind for one in outcome.findings}


def test_a_healthy_service_is_not_accused() -> None:
    """What was acknowledged is stored, what was refused is not, and what is unknown may be either;
    rows from before the load are nobody's business."""
    ops = [
        add(1),
        add("two"),
        add(3, Step.REFUSED),
        add(4, Step.UNKNOWN),
        add(5, Step.UNKNOWN),
        add(6),
        add(6, function=Function.REMOVE, began=300, ended=400),
        add(9, key="another"),
    ]
    outcome = stored([1, "two", 4, 77, 77], ops, *ASKED, before=[77, 77, 3])
    assert outcome.findings == []
    assert [value_of(outcome, metric, "messages") for metric in ALL] == [0, 0, 0, 0]
    assert [value_of(outcome, metric) for metric in ALL] == [0, 0, 0, 0]


def test_an_acknowledged_element_that_is_not_stored_is_lost() -> None:
    """Whether an objective asks or not, and the witness names it with both instants."""
    outcome = stored([1], [add(1), add("two")])
    (found,) = outcome.findings
    assert (found.kind, found.count) == ("stored-lost", 1)
    assert found.witnesses[0].what == (
        f"#{digest_word('two'):016x} of chat, acknowledged at 0.000 s,"
        " is not in messages, read at 0.001 s"
    )
    assert value_of(outcome, LOST, "messages") == value_of(outcome, LOST) == 1


def test_everything_lost_is_lost() -> None:
    """An empty table is no mistake of the statement: what was acknowledged is not in it."""
    outcome = stored([], [add(1), add(2)])
    assert kinds(outcome) == {"stored-lost"}
    assert value_of(outcome, LOST) == 2
    assert kinds(stored([8], [add(1)], before=[8])) == {"stored-lost"}


def test_a_refused_element_that_is_stored_is_found() -> None:
    """Only when it was not there before, nobody else's add explains it, and an objective asks: a
    set-up may have stored it, whom no ledger hears."""
    ops, bar = [add(1), add(2, Step.REFUSED)], "stored_refused: count==0"
    assert kinds(stored([1, 2], ops, bar)) == {"stored-refused"}
    assert kinds(stored([1, 2], ops)) == set()
    assert kinds(stored([1, 2], ops, bar, before=[2])) == set()
    assert kinds(stored([1, 2], [*ops, add(2, Step.UNKNOWN)], bar)) == set()


@pytest.mark.parametrize(
    ("rows", "metric", "kind"),
    [([1, 7], SURPLUS, "stored-surplus"), ([1, 1], REPEATED, "stored-repeated")],
)
def test_surplus_and_repeated_rows_are_wrong_where_it_is_asked(
    rows: list[int], metric: str, kind: str
) -> None:
    """They are counted always, and accuse only what an objective forbids."""
    silent, asked = (
        stored(rows, [add(1)], *bars) for bars in ((), (f"{metric}{{what:messages}}: count==0",))
    )
    assert kinds(silent) == set()
    assert kinds(asked) == {kind}
    assert value_of(silent, metric, "messages") == value_of(asked, metric) == 1
    assert kinds(stored(rows, [add(1)], f"{metric}{{what:other}}: count==0")) == set()


def test_what_was_removed_for_good_and_is_stored_is_surplus() -> None:
    """A removal that was acknowledged holds; one that may not have been made explains a row."""
    removal: dict[str, Any] = {"function": Function.REMOVE, "began": 300, "ended": 400}
    gone = [add(1), add(2), add(2, **removal)]
    assert value_of(stored([1, 2], gone), SURPLUS) == 1
    maybe = [add(1), add(2), add(2, Step.UNKNOWN, **removal)]
    assert value_of(stored([1, 2], maybe), SURPLUS) == 0
    assert value_of(stored([1], maybe), LOST) == 0


def test_an_add_that_ended_after_the_read_began_may_be_missing() -> None:
    """Only what was acknowledged before is owed."""
    late = add(2, began=READ_AT - 10, ended=READ_AT + 10)
    assert value_of(stored([1], [add(1), late]), LOST) == 0


@pytest.mark.parametrize(
    ("after", "ops", "why"),
    [
        ("no answer within 30s", [add(1)], "messages was not read when all was over: no answer"),
        (["1"], [add(1)], "none of 1 new row of messages is an element that was added to chat"),
        ([], [add(1, Step.UNKNOWN)], "no add to chat was acknowledged for good"),
        ([], [], "no add to chat was acknowledged for good"),
    ],
)
def test_what_says_nothing_leaves_the_run_undecided(after: Any, ops: list[Op], why: str) -> None:
    """A read that failed, that is of something else, or nothing to hold it against accuses nobody
    and clears nobody."""
    outcome = stored(after, ops, *ASKED)
    assert kinds(outcome) <= {"final-unread"}
    for metric in ALL:
        for what in ("messages", ""):
            found = outcome.measured[metric, what]
            assert found.value is None
            assert found.why.startswith(why)
            assert found.remedy


def test_entries_without_the_field_are_no_proof_of_loss() -> None:
    """Where nothing of a stream can be matched and entries were left out, nobody is accused."""
    outcome = stored([], [add(1)], left_out=3)
    assert kinds(outcome) == {"final-unread"}
    assert value_of(outcome, LOST) is None


def test_without_a_read_before_the_load_only_the_lost_are_known() -> None:
    """What may have been there at first is held against nobody, and clears nobody of a loss."""
    ops = [add(1), add(2), add(3, Step.REFUSED)]
    outcome = stored([1, 3, 9, 9], ops, *ASKED, before="too many rows")
    assert kinds(outcome) == {"stored-lost"}
    assert value_of(outcome, LOST) == 1
    for metric in (REFUSED, SURPLUS, REPEATED):
        assert "was not read before the load" in outcome.measured[metric, ""].why
    clean = stored([1, 2], ops, *ASKED, before="too many rows")
    assert [value_of(clean, metric) for metric in ALL] == [None, 0, 0, 0]
    assert kinds(clean) == {"final-unread"}


def test_a_record_that_was_cut_off_accuses_nobody() -> None:
    """What is missing from it may be a removal, or an add."""
    outcome = stored([1, 7], [add(1), add(2), add(7, Step.REFUSED)], *ASKED, whole=False)
    assert outcome.findings == []
    assert [value_of(outcome, metric) for metric in ALL] == [None] * 4


def test_elements_that_were_there_before_show_nothing() -> None:
    """Of a run that adds what an earlier one has added nobody can tell what was stored; one element
    of its own, or one more row, can be told; and one that is gone is lost all the same."""
    before = [1, 2]
    none = stored([1, 2], [add(1), add(2)], before=before)
    assert kinds(none) == {"final-unread"}
    assert none.measured[LOST, "messages"].why == (
        "2 acknowledged elements of messages, and none that was not there before the load"
    )
    others = stored([1, 2, 9], [add(1), add(2)], *ASKED, before=before)
    assert [value_of(others, metric) for metric in (LOST, SURPLUS)] == [None, 1]
    for after, ops in (([1, 2, 3], [add(1), add(3)]), ([1, 2, 2], [add(2)])):
        assert value_of(stored(after, ops, before=before), LOST) == 0
    assert value_of(stored([1], [add(1), add(2)], before=before), LOST) == 1


def test_elements_that_were_there_before_are_no_samples() -> None:
    """Of nine acknowledged elements that an earlier run had stored and one that it had not, one
    shows what is stored; so a floor of samples is not met by what shows nothing."""
    ops = [add(one) for one in range(10)]
    outcome = stored(range(10), ops, before=range(9))
    assert (value_of(outcome, LOST), outcome.measured[LOST, "messages"].samples) == (0, 1)
    assert stored(range(10), ops).measured[LOST, "messages"].samples == 10
    gone = stored(range(1, 10), ops, before=range(9))
    assert (value_of(gone, LOST), gone.measured[LOST, "messages"].samples) == (1, 2)


def test_one_undecided_read_leaves_the_sum_undecided() -> None:
    """Unless another one has found something: that is not undone by what is unknown."""
    good, bad = final_look([1], of="chat", name="good"), final_look("away", of="chat", name="bad")
    lossy = final_look([], of="chat", name="lossy")
    undecided = run_looks(check_stored, [good, bad], [add(1)])
    assert value_of(undecided, LOST) is None
    assert value_of(undecided, LOST, "good") == 0
    assert value_of(run_looks(check_stored, [bad, lossy], [add(1)]), LOST) == 1


def apart(mine: Any, theirs: Any, ops: list[Op], *, of: str = "", before: Any = ()) -> Outcome:
    looks = [
        final_look(mine, before, name="rows", of=of),
        final_look(theirs, name="events", same_as="rows"),
    ]
    return run_looks(check_apart, looks, ops, "stored_apart{what:events}: count==0")


def test_what_one_server_has_and_the_other_has_not_is_found_both_ways() -> None:
    """A row without its entry and an entry without its row are told apart."""
    outcome = apart([1, 2, 3], [2, 3, 4], [])
    titles = [one.title for one in outcome.findings]
    assert titles == [
        "1 element in rows, and not in events",
        "1 element in events, and not in rows",
    ]
    assert value_of(outcome, "stored_apart", "events") == 2
    assert "1 of rows, read at 0.001 s, is not in events" in outcome.findings[0].witnesses[0].what


def test_servers_that_hold_the_same_are_not_accused() -> None:
    """Rows from before the load, what is stored twice, and where the ledger's key is known what
    others wrote meanwhile or somebody may have removed, are no difference."""
    assert apart([1, 2, 9], [2, 1, 1], [], before=[9]).findings == []
    ops = [add(1), add(2), add(3), add(3, Step.UNKNOWN, function=Function.REMOVE)]
    same = apart([1, 2, 3, 50], [1, 2, 60], ops, of="chat")
    assert same.findings == []
    assert value_of(same, "stored_apart") == 0
    unknown = [add(1), add(2, Step.UNKNOWN)]
    assert value_of(apart([1, 2], [1], unknown, of="chat"), "stored_apart") == 1


@pytest.mark.parametrize(
    ("mine", "theirs", "before", "why"),
    [
        ([1], ["1"], (), "events and rows have no row in common"),
        ([], [], (), "events and rows hold nothing new that could be compared"),
        ("away", [1], (), "rows was not read when all was over: away"),
        ([1], [1], "away", "rows was not read before the load: away"),
    ],
)
def test_what_cannot_be_compared_is_undecided(
    mine: Any, theirs: Any, before: Any, why: str
) -> None:
    """Nothing in common is rather two spellings than two losses."""
    outcome = apart(mine, theirs, [], before=before)
    assert outcome.findings == []
    assert outcome.measured["stored_apart", "events"].why == why


def test_elements_that_are_spelt_otherwise_are_not_apart() -> None:
    """With `of` as well: texts for numbers, or entries without the field, are no two losses; where
    one server gives nothing at all, what the other has is lost from it."""
    ops = [add(1), add(2)]
    spelt = apart([1, 2], ["1", "2"], ops, of="chat")
    assert spelt.findings == []
    assert spelt.measured["stored_apart", "events"].why == "events and rows have no row in common"
    looks = [
        final_look([1, 2], name="rows", of="chat"),
        final_look([], name="events", same_as="rows", left_out=2),
    ]
    assert value_of(run_looks(check_apart, looks, ops), "stored_apart", "events") is None
    assert value_of(apart([1, 2], [], ops, of="chat"), "stored_apart", "events") == 2


def orphans(after: Any, before: Any = (), undone: str = "", left_out: int = 0) -> Outcome:
    looks = [final_look(after, before, name="tickets", empty=True, left_out=left_out)]
    return run_looks(lambda told, all_: check_orphans(told, all_, undone), looks)


def test_what_users_did_not_clean_up_is_held_against_nobody() -> None:
    """Rows left after clean-ups that failed may be our own; no row is no row all the same."""
    outcome = orphans([1, 2], [2], undone="3 of 9 clean-ups of users failed")
    assert kinds(outcome) == {"final-unread"}
    assert outcome.measured["orphaned", "tickets"].why == (
        "1 row left in tickets, and users may have left them: 3 of 9 clean-ups of users failed"
    )
    assert value_of(orphans([2], [2], undone="some failed"), "orphaned", "tickets") == 0


def test_entries_without_the_field_are_not_taken_for_none() -> None:
    """A stream that must be empty holds entries, of which a misspelt field shows nothing."""
    outcome = orphans([], left_out=2)
    assert kinds(outcome) == {"final-unread"}
    assert "2 entries left in tickets without" in outcome.measured["orphaned", "tickets"].why
    assert value_of(orphans([1], left_out=2), "orphaned", "tickets") == 1


def test_rows_that_are_left_over_are_orphans() -> None:
    """Each row more than there was before the load counts, and those of before are told."""
    outcome = orphans([1, 1, 2, 5], before=[5, 1])
    (found,) = outcome.findings
    assert (found.kind, found.count) == ("orphaned", 2)
    assert found.title == (
        "2 rows left in tickets when everybody had gone (2 more from before the load)"
    )
    assert value_of(outcome, "orphaned", "tickets") == value_of(outcome, "orphaned") == 2


def test_nothing_left_over_is_nothing() -> None:
    """No row, or those alone that were there before; and no row is no row, whatever was before."""
    for after, before in (([], []), ([5, 5], [5, 5]), ([], [5]), ([], "away")):
        outcome = orphans(after, before)
        assert outcome.findings == []
        assert value_of(outcome, "orphaned", "tickets") == 0


@pytest.mark.parametrize(
    ("after", "before", "why"),
    [("away", (), "was not read when all was over: away"), ([1], "away", "what was there before")],
)
def test_an_unknown_rest_is_undecided(after: Any, before: Any, why: str) -> None:
    """A read that failed clears nobody, and rows of unknown age accuse nobody."""
    outcome = orphans(after, before)
    assert kinds(outcome) <= {"final-unread"}
    assert why in outcome.measured["orphaned", "tickets"].why


GONE = [add(1), add(2), add(1, function=Function.REMOVE, began=300, ended=400)]
ALL_GONE = [*GONE, add(2, function=Function.REMOVE, began=300, ended=400)]


@pytest.mark.parametrize(
    ("rows", "before", "more", "left"),
    [
        pytest.param([2, 2], (), [], 0, id="all of it went"),
        pytest.param([1, 2, 1], (), [], 2, id="two rows stayed"),
        pytest.param([1, 2], [1], [], 1, id="whatever was there before"),
        pytest.param([], (), ALL_GONE[3:], 0, id="nothing is left at all, and nothing had to be"),
        pytest.param([], (), [], None, id="what was kept is not there either"),
        pytest.param([1, 2], (), [add(1, began=350, ended=500)], None, id="added again, perhaps"),
        pytest.param(
            [1, 2],
            (),
            [add(2, Step.UNKNOWN, function=Function.REMOVE, began=300)],
            1,
            id="removed, perhaps",
        ),
    ],
)
def test_rows_of_what_journeys_removed_are_left_over(
    rows: list[int], before: Any, more: list[Op], left: int | None
) -> None:
    """Only what was added and surely removed, before the read, and not added again may not stay."""
    looks = [final_look(rows, before, name="comments", without="chat")]
    outcome = run_looks(check_orphans, looks, [*GONE, *more])
    assert value_of(outcome, "orphaned", "comments") == left
    if left:
        (found,) = outcome.findings
        assert found.title == (
            f"{'1 row' if left == 1 else '2 rows'} left in comments of what had been removed"
            " from chat"
        )
        assert found.witnesses[0].what.startswith("1 of comments")


@pytest.mark.parametrize(
    ("look", "ops", "why"),
    [
        (final_look("away", without="chat"), GONE, "was not read when all was over"),
        (final_look([1], without="chat"), GONE[:2], "was removed for good"),
        (final_look([7], without="chat"), GONE, "no row of messages is anything that was added"),
        (final_look([], without="chat", left_out=2), GONE, "no row of messages is anything"),
        (final_look([], without="chat"), GONE, "has no row, and nobody removed 1 element of chat"),
    ],
)
def test_rows_that_cannot_be_held_against_removals_decide_nothing(
    look: Any, ops: list[Op], why: str
) -> None:
    """Without a read, a removal, or a row that is anybody's, nobody is cleared or accused."""
    outcome = run_looks(check_orphans, [look], ops)
    assert value_of(outcome, "orphaned") is None
    assert why in outcome.measured["orphaned", "messages"].why
    assert "orphaned" not in kinds(outcome)
    cut = run_looks(check_orphans, [final_look([1, 2], without="chat")], GONE, whole=False)
    assert (value_of(cut, "orphaned"), cut.findings) == (None, [])
