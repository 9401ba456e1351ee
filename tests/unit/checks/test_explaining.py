"""Stories of findings and objectives, from records with a planted loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.builders import (
    FEED_OPERATION,
    LedgerWriter,
    at,
    frame,
    frames,
    healthy_record,
    operations,
    plan,
    story,
)
from tests.histories import Op, segments_of

from stormproof.checks.explaining import Unknown, explain, names_in
from stormproof.checks.judge import judge
from stormproof.kernel.limits import (
    EXPLAINED_MOMENTS_MAX,
    EXPLAINED_OPERATIONS_MAX,
    EXPLAINED_WITNESSES_MAX,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import DrainEvent, EndEvent, Failure
from stormproof.model.finding import ACCUSING
from stormproof.model.history import Function, digest_word
from stormproof.model.ledger import ENTRY, EntryKind
from stormproof.model.record import Record
from stormproof.model.story import Story
from stormproof.rules.finding_kinds import OF_HISTORY
from stormproof.rules.grammar import objective
from stormproof.rules.history_metrics import COUNTED, FINALLY_READ, LASTED


def _room(members: int = 3) -> LedgerWriter:
    writer = LedgerWriter(now_ns=at(11.0))
    for user in range(members):
        writer.join(user, 7)
    return writer


def _say(writer: LedgerWriter, at_s: float, number: int, heard_by: Sequence[int]) -> int:
    """Send a message of user 0 at an instant, and have some users receive it."""
    writer.now_ns = at(at_s)
    key = writer.send(0, 7, number, number)
    for user in heard_by:
        writer.receive(user, 7, key, number)
    return key


def _failure(at_s: float, kind: str = "http 503") -> Failure:
    return Failure(
        worker=0,
        user=1,
        series=FEED_OPERATION,
        kind=kind,
        intended_ns=at(at_s - 0.1),
        start_ns=at(at_s - 0.1),
        end_ns=at(at_s),
        status=503,
    )


def _losing() -> tuple[Record, int]:
    """Return a record in which user 2 never gets what was acknowledged in the cut; and its key."""
    writer = _room()
    _say(writer, 11.5, 1, [0, 1, 2])
    key = _say(writer, 13.0, 2, [0, 1])
    _say(writer, 14.0, 3, [0, 1, 2])
    failures = (_failure(13.2), _failure(13.4), _failure(13.3, "timeout"))
    return healthy_record(ledger=(writer.array,), failures=failures), key


def _op(function: Function, value: Any, *span_s: float, key: str = "k", user: int = 1) -> Op:
    """Return an operation with instants in seconds."""
    began, ended = (round(one * SECOND_NS) for one in (span_s[0], span_s[-1]))
    return Op(function=function, key=key, value=value, began=began, ended=ended, user=user)


def _explain(record: Record, name: str) -> list[Story]:
    return explain(record, judge(record, version="0"), name)


def _whats(told: Story) -> list[str]:
    return [one.what for one in told.moments]


def test_a_lost_message_is_told_from_its_sending_to_what_its_member_got_instead() -> None:
    """Sent, acknowledged, got by two; the third's session and numbers; the fault and failures."""
    record, key = _losing()
    finding, told = _explain(record, "lost")
    assert finding.title.startswith("lost: 1 acknowledged message lost")
    assert f"key {key:x}: message 2 of user 0 (worker 0)" in told.facts
    assert "owed to 3 users: 2 got it, 1 did not" in told.facts
    assert "never got it: user 2" in told.facts
    assert "in force when it was acknowledged: cache-cut" in told.facts
    assert "the drain ended at 41.000 s with everything there" in told.facts
    whats = _whats(told)
    order = [
        "user 2 joins scope 7: owed what is above number 0",
        "user 2 gets number 1 of scope 7",
        "user 0 sends it into scope 7",
        "acknowledged as number 2 of scope 7, 1 ms after it was sent",
        "user 0 gets it, as number 2 of scope 7",
        "user 1 gets it, as number 2 of scope 7",
        "GET /feed failed: http 503 (2 times, the last at 13.400 s)",
        "GET /feed failed: timeout (1 time)",
        "user 2 gets number 3 of scope 7, and never 2",
    ]
    assert [what for what in whats if what in order] == order
    assert "cache-cut is in force" in whats
    assert "probe ready: not ok (status 503)" in whats
    assert [one.at_s for one in told.moments] == sorted(one.at_s for one in told.moments)


def test_what_to_look_at_follows_from_the_session() -> None:
    """A member that was connected points at the fan-out, one that was away at the resume."""
    record, _ = _losing()
    told = _explain(record, "lost")[1]
    assert told.advice[0] == "what becomes of an acknowledged message while cache-cut is in force"
    assert told.advice[1].startswith("user 2 was connected when it was acknowledged (13.002 s)")
    writer = _room()
    _say(writer, 11.5, 1, [0, 1, 2])
    writer.leave(2, 7)
    _say(writer, 20.0, 2, [0, 1])
    writer.join(2, 7, after=1)
    _say(writer, 21.0, 3, [0, 1, 2])
    (_, away) = _explain(healthy_record(ledger=(writer.array,)), "lost")
    assert (
        away.advice[0] == "user 2 was not connected for all of that time: what a resume sends again"
    )
    assert away.advice[1].startswith("follow a key")
    assert "in force when it was acknowledged: no fault" in away.facts
    assert "user 2 loses its connection to scope 7" in _whats(away)


def test_faults_that_came_before_a_later_message_was_got_are_told() -> None:
    """A message may be lost long after its acknowledgement: what was broken until its member got a
    later one is told, however far away it is."""
    writer = _room()
    _say(writer, 19.0, 1, [0, 1, 2])
    _say(writer, 20.0, 2, [0, 1])
    _say(writer, 34.0, 3, [0, 1, 2])
    told = _explain(healthy_record(ledger=(writer.array,)), "lost")[1]
    assert "in force when it was acknowledged: no fault" in told.facts
    assert "came before a later one was got: cache-restart" in told.facts
    assert "cache-restart is in force" in _whats(told)
    assert "cache-cut is in force" not in _whats(told)
    assert told.advice[0] == "who had it in hand, not yet delivered, when cache-restart came"


def test_a_record_with_a_history_as_well_tells_its_lost_message() -> None:
    """Entries of the history whose fields look like the member's scope are none of its session."""
    record, _ = _losing()
    ops = [
        Op(function=Function.READ_SET, key="s", value=[1] * 7, began=1, ended=at_ns, user=user)
        for user in range(3)
        for at_ns in (2, 13 * SECOND_NS)
    ]
    ops.append(Op(function=Function.WRITE, key="r", value=1, began=3, ended=4, user=2))
    both = replace(record, ledger=(*record.ledger, *segments_of(ops)))
    assert bool(((both.ledger[-1]["scope"] == 7) & (both.ledger[-1]["kind"] > 7)).any())
    told, alone = _explain(both, "lost")[1], _explain(record, "lost")[1]
    assert (told.facts, told.moments) == (alone.facts, alone.moments)


def test_what_nobody_got_points_at_what_hands_it_out() -> None:
    """A message that not even its sender got was lost before the ways to the members part."""
    writer = _room()
    _say(writer, 20.0, 1, [])
    _say(writer, 21.0, 2, [0, 1, 2])
    told = _explain(healthy_record(ledger=(writer.array,)), "lost")[1]
    assert told.advice[0].startswith("nobody got it, and user 0 was connected")


def test_a_message_is_told_by_its_key() -> None:
    """The key of a witness tells that message alone, without the finding around it."""
    record, key = _losing()
    (told,) = _explain(record, f"{key:X}")
    assert told == _explain(record, "lost")[1]


def test_when_a_message_was_due_is_told() -> None:
    """The intended instant comes from its acknowledgement, before the sending that was late."""
    writer = _room()
    writer.now_ns = at(20.0)
    key = writer.send(0, 7, 1, None)
    row = (int(EntryKind.OK), 0, 0, 0, 7, 1, key, 0, at(20.5), 499_000, 700_000)
    writer.entries.append(ENTRY.pack(*row))
    told = _explain(healthy_record(ledger=(writer.array,)), "lost")[1]
    (due,) = [one for one in told.moments if one.what == "due to be sent"]
    assert due.at_s == pytest.approx(19.8)


def test_a_duplicate_is_told_with_both_receipts() -> None:
    """Who got it again is said among the facts, and when among the moments."""
    writer = _room()
    key = _say(writer, 20.0, 1, [0, 1, 2])
    writer.receive(1, 7, key, 1)
    told = _explain(healthy_record(ledger=(writer.array,)), "duplicated")[1]
    assert "got it more than once: user 1" in told.facts
    assert "user 1 gets it AGAIN, as number 1 of scope 7" in _whats(told)


def test_many_receivers_are_told_together() -> None:
    """Thirty users that got it are one moment, the one that did not is named."""
    writer = _room(31)
    _say(writer, 20.0, 1, range(30))
    _say(writer, 21.0, 2, range(31))
    told = _explain(healthy_record(ledger=(writer.array,)), "lost")[1]
    assert "never got it: user 30" in told.facts
    (together,) = [what for what in _whats(told) if "30 users get it" in what]
    assert together.endswith("users 0, 1, 2, 3, 4, 5 and 24 more")


def test_of_many_witnesses_the_first_are_told_and_the_others_named() -> None:
    """Ten lost messages: three lives, seven keys."""
    writer = _room()
    keys = [_say(writer, 20.0 + number, number, [0, 1]) for number in range(1, 11)]
    told = _explain(healthy_record(ledger=(writer.array,)), "lost")
    assert len(told) == 1 + EXPLAINED_WITNESSES_MAX
    named = [fact for fact in told[0].facts if fact.startswith(f"{keys[9]:x}: message 10")]
    assert len(named) == 1


def test_a_record_that_was_cut_tells_what_it_has() -> None:
    """Without a drain the gap is proven by the number above it, and the story says so."""
    record, _ = _losing()
    events = tuple(one for one in story() if not isinstance(one, DrainEvent | EndEvent))
    cut = replace(record, events=events, sealed=False)
    told = _explain(cut, "lost")[1]
    assert "owed to 3 users: 2 got it, 1 did not" in told.facts
    assert any("the run was not drained" in fact for fact in told.facts)


def test_what_is_around_is_bounded() -> None:
    """A thousand kinds of failures leave a story that can be read, and say how many more."""
    record, _ = _losing()
    many = tuple(_failure(13.0 + one / 1_000, f"kind {one}") for one in range(500))
    told = _explain(replace(record, failures=many), "lost")[1]
    assert len(told.moments) == EXPLAINED_MOMENTS_MAX
    assert told.left_out > 400
    assert "acknowledged as number 2 of scope 7, 1 ms after it was sent" in _whats(told)


def _slow() -> Record:
    """Return a record whose second 20 is slow, with failures in it."""
    every = [one for one in frames() if (one.worker, one.second) != (0, 20)]
    every.append(frame(0, 20, [operations([900.0] * 60, failed=3)]))
    every.sort(key=lambda one: (one.second, one.worker))
    asked = objective("http_req_duration{scenario:feed,window:calm}", "max<300")
    return healthy_record(
        plan(objectives=(asked,)), frames=tuple(every), failures=(_failure(20.5), _failure(20.6))
    )


def test_an_objective_is_told_with_its_worst_second() -> None:
    """Its answer, its window, the second and operation that broke it, failures and faults."""
    (told,) = _explain(_slow(), "http_req_duration")
    assert told.title == "objective http_req_duration{scenario:feed,window:calm}: max<300"
    facts = "\n".join(told.facts)
    assert "FAIL: 900" in facts
    assert "window calm: 4 to 12 s, " in facts
    assert "worst second: 20, with 900" in facts
    assert "in second 20: GET /feed, 110 times, 3 failed, slowest 900" in facts
    assert "GET /feed failed: http 503, 2 times, 20.500 to 20.600 s" in facts
    assert "fault cache-cut: 12.000 to 16.000 s, ready again at 16.405 s" in facts
    assert "GET /feed failed: http 503 (2 times, the last at 20.600 s)" in _whats(told)


def test_an_objective_on_delivery_brings_its_finding() -> None:
    """Whoever asks for delivery_lost is told of the lost messages."""
    record, _ = _losing()
    told = _explain(record, "delivery_lost")
    assert [one.title.partition(":")[0] for one in told] == [
        "objective delivery_lost",
        "lost",
        "lost",
    ]


KEY = f"#{digest_word('k'):016x}"  # as it is told where the ledger does not spell it
HISTORIES: dict[str, tuple[str, list[Op]]] = {
    "set_lost": (
        "set-lost",
        [_op(Function.ADD, 5, 1.0, 1.1), _op(Function.READ_SET, [], 2.0, 2.1, user=3)],
    ),
    "counter_off": (
        "counter-off",
        [
            _op(Function.READ, 0, 0.1, 0.2),
            _op(Function.INCREMENT, 1, 1.0, 1.1),
            _op(Function.READ, 9, 2.0, 2.1),
        ],
    ),
    "ids_duplicated": (
        "id-duplicated",
        [_op(Function.ISSUED, 5, 1.0), _op(Function.ISSUED, 5, 2.0, user=3)],
    ),
    "register_nonlinearizable": (
        "register-nonlinearizable",
        [_op(Function.WRITE, 1, 1.0, 1.1), _op(Function.READ, 7, 2.0, 2.1)],
    ),
}


@pytest.mark.parametrize("metric", HISTORIES)
def test_an_objective_on_data_brings_its_finding_and_what_was_done_to_the_key(metric: str) -> None:
    """The witness is told with the operations on its key, and not with those on another."""
    kind, ops = HISTORIES[metric]
    other = _op(Function.WRITE, 3, 1.5, 1.6, key="another")
    asked = plan(objectives=(objective(metric, "count==0"),))
    segments = segments_of([*ops, other])
    told = _explain(replace(healthy_record(asked), ledger=segments), metric)
    assert [one.title.partition(":")[0] for one in told] == [f"objective {metric}", kind, kind]
    done = [one.what for one in told[2].moments if one.about == "data"]
    assert len(done) == len(ops)
    assert f"of {len(ops)} operations on {KEY}, {len(ops)} are told" in told[2].facts
    assert not any("another" in what for what in done)


def test_every_metric_of_the_history_has_its_findings() -> None:
    """Whatever the catalog counts in a history leads to kinds that accuse."""
    assert set(OF_HISTORY) == {*COUNTED, *LASTED, *FINALLY_READ}
    assert all(kinds[0] in ACCUSING for kinds in OF_HISTORY.values())


def test_operations_on_a_key_are_bounded() -> None:
    """Of a thousand reads around a lost element the nearest are told, and how many there are."""
    ops = [_op(Function.ADD, 5, 1.0, 1.1)]
    ops += [_op(Function.READ_SET, [], 2 + one / 1_000, 2.5 + one / 1_000) for one in range(1_000)]
    told = _explain(replace(healthy_record(), ledger=segments_of(ops)), "set-lost")[1]
    done = [one for one in told.moments if one.about == "data"]
    assert len(done) <= EXPLAINED_OPERATIONS_MAX
    assert f"user 1 adds 5 to {KEY}, until 1.100 s" in [one.what for one in done]
    assert "5 was changed 1 time, and 0 of 1000 reads after that held it" in told.facts
    assert f"of 1001 operations on {KEY}, {len(done)} are told" in told.facts
    assert told.left_out >= 1001 - len(done)


def test_an_objective_on_recovery_is_told_around_its_faults() -> None:
    """What a checker measured has no worst second; the steps of the faults are told instead."""
    (told,) = _explain(healthy_record(), "recovery_ready_s")
    whats = _whats(told)
    assert "cache-cut is over" in whats
    assert "cache-restart left nothing behind" in whats
    assert len(whats) == len({(one.at_s, one.what) for one in told.moments})


def test_a_gate_is_told_by_its_name() -> None:
    """The steady state's objectives can be asked for as the verdict spells them."""
    (told,) = _explain(healthy_record(), "steady state: http_req_failed{scenario:feed")
    assert told.facts[0].startswith("PASS: 0")


def test_unknown_and_ambiguous_names_are_refused() -> None:
    """No name, and a part that several objectives have, name what there is."""
    record, _ = _losing()
    verdict = judge(record, version="0")
    with pytest.raises(Unknown) as nothing:
        explain(record, verdict, "duplicated")
    assert nothing.value.near == []
    with pytest.raises(Unknown) as several:
        explain(record, verdict, "health_")
    assert len(several.value.near) == 2
    with pytest.raises(Unknown):
        explain(record, verdict, "")
    assert names_in(verdict)[0] == "lost"


def test_a_finding_without_a_key_is_told_around_its_instant() -> None:
    """A record whose load never started still tells what it can."""
    record = healthy_record()
    verdict = judge(replace(record, events=(), frames=(), sealed=False), version="0")
    for name in {one.kind for one in verdict.findings}:
        assert explain(replace(record, events=(), frames=(), sealed=False), verdict, name)


def _busy(reads: int) -> Record:
    """Return a record in which a key was added to once and read often, across both faults."""
    ops = [_op(Function.ADD, 5, 1.0, 1.1), _op(Function.WRITE, 1, 1.0, 1.1, key="another")]
    ops += [_op(Function.READ_SET, [5], 2 + one / 2, 2.1 + one / 2, user=3) for one in range(reads)]
    return replace(healthy_record(), ledger=segments_of(ops))


@pytest.mark.parametrize("name", ["k", KEY])
def test_any_key_of_the_history_is_told_by_its_text_or_digest(name: str) -> None:
    """Nothing found it wrong, and yet all that was done to it is told, with the faults then."""
    (told,) = _explain(_busy(30), name)
    assert told.title == f"key {KEY}"
    assert told.facts == [
        "31 operations of 2 users, 1.000 to 16.500 s",
        "31 ok, 0 refused, 0 unknown",
    ]
    whats = _whats(told)
    assert whats[0] == f"user 1 adds 5 to {KEY}, until 1.100 s"
    assert "cache-cut is in force" in whats
    assert not any("another" in what for what in whats)
    assert (told.left_out, told.advice) == (0, [])


def test_of_a_busy_key_the_first_operations_are_told_or_all() -> None:
    """What was left out is counted, and everything is told where it is asked for."""
    record = _busy(70)
    (told,) = _explain(record, "k")
    assert sum(one.about == "data" for one in told.moments) == EXPLAINED_MOMENTS_MAX
    assert told.left_out >= 71 - EXPLAINED_MOMENTS_MAX
    assert told.advice == ["tell more of it with --all"]
    verdict = judge(record, version="0")
    (whole,) = explain(record, verdict, "k", everything=True)
    assert sum(one.about == "data" for one in whole.moments) == 71
    assert whole.left_out == 0


def test_any_message_is_told_by_its_key() -> None:
    """One that everybody got, and that no witness names, has its life as well."""
    writer = _room()
    key = _say(writer, 20.0, 1, [0, 1, 2])
    (told,) = _explain(healthy_record(ledger=(writer.array,)), f"{key:x}")
    assert told.title == f"message {key:x}"
    assert "owed to 3 users: 3 got it, 0 did not" in told.facts


def test_all_witnesses_are_told_where_it_is_asked_for() -> None:
    """Ten lost messages: ten lives, and none that is only named."""
    writer = _room()
    for number in range(1, 11):
        _say(writer, 20.0 + number, number, [0, 1])
    record = healthy_record(ledger=(writer.array,))
    told = explain(record, judge(record, version="0"), "lost", everything=True)
    assert len(told) == 1 + 10
    assert told[0].facts == []
