"""The checkers of the history: which there are, what each needs, and what each measures.

A checker runs when its operations are in the record. Where an objective asks for what it measures
and there are none of them, the answer is that there are none: undecided, never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from stormproof.checks.counters import check_counters
from stormproof.checks.effects import check_effects
from stormproof.checks.history import History, Told, has_history
from stormproof.checks.isolation import check_isolation
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.reconcile import check_final_reads
from stormproof.checks.registers import check_registers
from stormproof.checks.sessions import check_monotonic, check_own_writes, check_staleness
from stormproof.checks.sets import check_sets
from stormproof.checks.sometimes import check_sometimes
from stormproof.checks.spelt import with_unspelt
from stormproof.checks.totals import check_totals
from stormproof.checks.unique_ids import check_unique_ids
from stormproof.model.history import Function
from stormproof.model.objective import Objective
from stormproof.model.record import Record
from stormproof.rules.history_metrics import SEEN, WHAT
from stormproof.rules.windows import Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChecker:
    """A pure function from what journeys told to what is wrong, and when it is asked.

    `needs`: one of these functions must be in the record. `written` is how a journey tells it.
    `only_asked`: what it finds is wrong only where an objective says so.
    """

    name: str
    check: Callable[[Told], Outcome]
    needs: frozenset[Function]
    metrics: tuple[str, ...]
    written: str
    only_asked: bool = False


CHECKERS: Final = (
    HistoryChecker(
        name="sets",
        check=check_sets,
        needs=frozenset({Function.ADD}),
        metrics=(
            "set_lost",
            "set_stale",
            "set_stale_s",
            "set_unexpected",
            "set_repeated",
            "set_refused_seen",
        ),
        written="user.ledger.add(key, element)",
    ),
    HistoryChecker(
        name="counters",
        check=check_counters,
        needs=frozenset({Function.INCREMENT}),
        metrics=("counter_off",),
        written="user.ledger.increment(key)",
    ),
    HistoryChecker(
        name="unique ids",
        check=check_unique_ids,
        needs=frozenset({Function.ISSUED}),
        metrics=("ids_duplicated",),
        written="user.ledger.issued(kind, id)",
    ),
    HistoryChecker(
        name="registers",
        check=check_registers,
        needs=frozenset({Function.WRITE, Function.CAS}),
        metrics=("register_nonlinearizable",),
        written="user.ledger.write(key, value)",
        only_asked=True,
    ),
    HistoryChecker(
        name="own writes",
        check=check_own_writes,
        needs=frozenset({Function.WRITE, Function.CAS, Function.ADD}),
        metrics=("reads_not_own_writes",),
        written="user.ledger.write(key, value)",
        only_asked=True,
    ),
    HistoryChecker(
        name="monotonic reads",
        check=check_monotonic,
        needs=frozenset({Function.WRITE, Function.CAS, Function.READ_SET}),
        metrics=("reads_not_monotonic",),
        written="user.ledger.read(key)",
        only_asked=True,
    ),
    HistoryChecker(
        name="staleness",
        check=check_staleness,
        needs=frozenset({Function.WRITE, Function.CAS}),
        metrics=("reads_stale", "reads_stale_s"),
        written="user.ledger.write(key, value)",
        only_asked=True,
    ),
    HistoryChecker(
        name="isolation",
        check=check_isolation,
        needs=frozenset({Function.SAW}),
        metrics=("isolation_foreign",),
        written="user.ledger.saw(value)",
    ),
    HistoryChecker(
        name="effects",
        check=check_effects,
        needs=frozenset({Function.EFFECT}),
        metrics=("effects_duplicated",),
        written="user.ledger.effect(kind, idempotency_key, id)",
    ),
    HistoryChecker(
        name="totals",
        check=check_totals,
        needs=frozenset({Function.TOTAL}),
        metrics=("totals_off",),
        written="user.ledger.total(key)",
    ),
    HistoryChecker(
        name="final reads",
        check=check_final_reads,
        needs=frozenset({Function.ADD, Function.REMOVE, Function.WRITE, Function.CAS}),
        metrics=("final_off",),
        written="user.ledger.write(key, value)",
        only_asked=True,
    ),
    HistoryChecker(
        name="sometimes",
        check=check_sometimes,
        needs=frozenset({Function.SEEN}),
        metrics=(SEEN,),
        written="user.ledger.seen(what)",
    ),
)


def history_checkers(
    record: Record,
    windows: Windows,
    history: Callable[[], History],
    asked: Sequence[Objective],
) -> dict[str, Callable[[], Outcome]]:
    """Return the checkers of the history that a record or an objective asks for, by name.

    Args:
        record: everything observed.
        windows: what instants are told by.
        history: what journeys told.
        asked: the objectives.
    """
    wanted = {one.metric for one in asked}
    if not has_history(record.ledger):
        return {
            one.name: partial(_absent, one, asked) for one in CHECKERS if wanted & set(one.metrics)
        }
    functions = cache(lambda: history().functions())

    def run(one: HistoryChecker) -> Outcome:
        if not one.needs & functions():
            return _absent(one, asked)
        if one.only_asked and not wanted & set(one.metrics):
            return Outcome()
        told = Told(history=history(), windows=windows, asked=tuple(asked))
        return with_unspelt(one.check(told))

    return {one.name: partial(run, one) for one in CHECKERS}


def _absent(checker: HistoryChecker, asked: Sequence[Objective]) -> Outcome:
    """Say of everything asked that the journeys told nothing about it."""
    why = f"no journey told the ledger: nothing was recorded with {checker.written}"
    nothing = Measurement(value=None, samples=0, why=why, remedy=f"call {checker.written}")
    measured: dict[Key, Measurement] = {
        (one.metric, one.tags.get(WHAT, "")): nothing
        for one in asked
        if one.metric in checker.metrics
    }
    return Outcome(measured=measured)
