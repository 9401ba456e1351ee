"""The corners of set-full, one by one."""

from __future__ import annotations

from tests.histories import Op, run_check, value_of

from stormproof.checks.sets import check_sets
from stormproof.model.history import Function, Step


def _add(value: int, began: int, ended: int, step: Step = Step.OK) -> Op:
    return Op(function=Function.ADD, key="s", value=value, began=began, ended=ended, step=step)


def _read(value: list[int], began: int, ended: int, user: int = 1) -> Op:
    return Op(function=Function.READ_SET, key="s", value=value, began=began, ended=ended, user=user)


def _kinds(*ops: Op, whole: bool = True) -> list[str]:
    return [one.kind for one in run_check(check_sets, ops, whole=whole).findings]


def test_an_element_that_later_reads_hold_is_stable() -> None:
    """Nothing is wrong with an element that is there."""
    outcome = run_check(check_sets, [_add(1, 1, 2), _read([1], 3, 4)])
    assert outcome.findings == []
    assert value_of(outcome, "set_lost") == value_of(outcome, "set_stale_s") == 0.0


def test_an_element_that_every_later_read_misses_is_lost() -> None:
    """One read that began after the acknowledgement and missed it is enough."""
    outcome = run_check(check_sets, [_add(1, 1, 2), _read([], 3, 4)])
    (finding,) = outcome.findings
    assert finding.kind == "set-lost"
    assert finding.witnesses[0].what == (
        "1 of #" + finding.witnesses[0].what[6:22] + ", known at 0.000 s,"
        " missed by user 1 in the read begun at 0.000 s"
    )
    assert outcome.measured["set_stale_s", ""].beyond == "lost"


def test_a_read_that_is_concurrent_with_the_add_proves_no_loss() -> None:
    """A read that began before the acknowledgement may have been before the add."""
    assert _kinds(_add(1, 1, 5), _read([], 4, 9)) == ["set-unread"]


def test_an_unknown_add_that_nobody_saw_is_owed_to_nobody() -> None:
    """What may not have happened need not be there, even long after."""
    assert _kinds(_add(1, 1, 0, Step.UNKNOWN), _add(2, 1, 2), _read([2], 8, 9)) == []


def test_an_unknown_add_that_lands_later_is_known_from_its_first_read_on() -> None:
    """Missing before it was seen is no fault; missing for good afterwards is."""
    unknown = _add(1, 1, 2, Step.UNKNOWN)
    sure = _add(2, 1, 2)
    landed = (_read([2], 3, 4), _read([1, 2], 5, 6))
    assert _kinds(unknown, sure, *landed) == []
    assert _kinds(unknown, sure, *landed, _read([2], 7, 8)) == ["set-lost"]


def test_reads_that_overlap_prove_nothing_about_what_only_one_of_them_saw() -> None:
    """A read under way when another one first saw an unknown element may have been before it."""
    unknown, sure = _add(1, 1, 2, Step.UNKNOWN), _add(2, 1, 2)
    overlapping = (_read([1, 2], 3, 9), _read([2], 4, 8, user=2))
    assert _kinds(unknown, sure, *overlapping) == []


def test_an_element_that_comes_late_is_stale_for_as_long_as_it_was_missed() -> None:
    """The latency runs from when it was known to the last begin of a read that missed it."""
    ops = [_add(1, 1, 2), _read([], 3, 4), _read([], 1_000_000_002, 1_000_000_003)]
    ops.append(_read([1], 1_000_000_004, 1_000_000_005))
    outcome = run_check(check_sets, ops, "set_stale_s: max<0.5")
    assert value_of(outcome, "set_stale") == 1.0
    assert value_of(outcome, "set_stale_s") == 1.0
    assert [one.kind for one in outcome.findings] == ["set-stale"]
    assert "begun 1.000 s later" in outcome.findings[0].witnesses[0].what
    assert run_check(check_sets, ops, "set_stale_s: max<2").findings == []


def test_a_refused_add_that_is_seen_is_an_anomaly_of_its_own() -> None:
    """Refused means that it did not happen; in a record that was cut off it may have, elsewhere."""
    ops = (_read([], 1, 2), _add(1, 3, 4, Step.REFUSED), _add(2, 3, 4), _read([1, 2], 5, 6))
    assert _kinds(*ops) == ["set-refused-seen"]
    assert _kinds(*ops, whole=False) == []


def test_a_refused_element_that_was_there_at_first_is_no_anomaly() -> None:
    """POST answers 409 to what a filled database has; where nobody looked before, nobody knows."""
    asked = "set_refused_seen: count==0"
    ops = (_add(1, 3, 4, Step.REFUSED), _add(2, 3, 4), _read([1, 2], 5, 6))
    held = run_check(check_sets, [_read([1], 1, 2), *ops], asked)
    assert held.findings == []
    assert value_of(held, "set_refused_seen") == 0.0
    unseen = run_check(check_sets, ops, asked)
    assert unseen.findings == []
    assert "at first" in unseen.measured["set_refused_seen", ""].why


def test_an_element_is_followed_until_it_may_be_removed() -> None:
    """Held before its removal is proof; missed until then is late or lost; neither is nothing."""
    remove = Op(function=Function.REMOVE, key="s", value=1, began=9, ended=10)
    after = _read([], 11, 12)
    held = run_check(check_sets, [_add(1, 1, 2), _read([1], 3, 4), remove, after])
    assert held.findings == []
    assert held.measured["set_lost", ""].samples == 1
    missed = run_check(check_sets, [_add(1, 1, 2), _read([], 3, 4), remove, after])
    assert [one.kind for one in missed.findings] == ["set-unread"]
    assert "lost, or late" in missed.measured["set_lost", ""].why
    unread = run_check(check_sets, [_add(1, 1, 2), remove, after])
    assert [one.kind for one in unread.findings] == ["set-unread"]
    assert "before somebody may have removed it" in unread.measured["set_lost", ""].why


def test_an_element_refused_once_and_added_again_is_no_anomaly() -> None:
    """A retry that is acknowledged, or may have been made, explains what is seen."""
    refused = _add(1, 1, 2, Step.REFUSED)
    assert _kinds(refused, _add(1, 3, 4), _read([1], 5, 6)) == []
    assert _kinds(refused, _add(1, 3, 0, Step.UNKNOWN), _read([1], 5, 6)) == []


def test_what_somebody_may_have_removed_is_not_followed() -> None:
    """A removal that may have been made explains an absence; a refused one does not."""
    remove = Op(function=Function.REMOVE, key="s", value=1, began=3, ended=0, step=Step.UNKNOWN)
    assert _kinds(_add(1, 1, 2), _add(2, 1, 2), remove, _read([2], 8, 9)) == []
    remove.step, remove.ended = Step.REFUSED, 4
    assert _kinds(_add(1, 1, 2), _add(2, 1, 2), remove, _read([2], 8, 9)) == ["set-lost"]


def test_the_same_element_of_another_set_is_another_element() -> None:
    """A read tells about its own set alone."""
    other = Op(function=Function.READ_SET, key="t", value=[], began=3, ended=4)
    assert _kinds(_add(1, 1, 2), other) == ["set-unread"]


def test_a_record_that_was_cut_off_proves_no_loss_and_no_health() -> None:
    """What is missing from the record may be what took the element away."""
    outcome = run_check(check_sets, [_add(1, 1, 2), _read([], 3, 4)], whole=False)
    assert outcome.findings == []
    assert "cut off" in outcome.measured["set_lost", ""].why


def test_no_acknowledged_add_is_no_evidence() -> None:
    """A set to which nothing could be added has not been tested."""
    ops = [_add(1, 1, 2, Step.REFUSED), _read([], 3, 4)]
    assert run_check(check_sets, ops).measured["set_lost", ""].why == "no add was acknowledged"


def test_what_only_an_objective_makes_wrong_is_told_when_it_asks() -> None:
    """Elements of other people, and repeated ones, are held against the set only where asked."""
    ops = [_add(1, 1, 2), _read([1, 1, 9], 3, 4)]
    assert run_check(check_sets, ops).findings == []
    asked = ("set_unexpected: count==0", "set_repeated: count==0")
    outcome = run_check(check_sets, ops, *asked)
    assert [one.kind for one in outcome.findings] == ["set-unexpected", "set-repeated"]
    assert outcome.findings[0].witnesses[0].what.startswith("9 of ")
    assert outcome.findings[1].witnesses[0].what.startswith("1 of ")


def test_a_set_that_is_only_counted_is_not_followed() -> None:
    """Whoever asks for totals alone need not read the set."""
    total = Op(function=Function.TOTAL, key="s", value=1, began=3, ended=4)
    assert _kinds(_add(1, 1, 2), total) == []
    assert _kinds(_add(1, 1, 2), total, _read([], 5, 6)) == ["set-lost"]
