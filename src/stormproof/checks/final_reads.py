"""The checkers of what servers of the target hold when all is over, by final reads of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from stormproof.checks.completeness import warned
from stormproof.checks.final_looks import FinalLook, final_looks
from stormproof.checks.history import History, Told
from stormproof.checks.orphans import check_orphans
from stormproof.checks.outcome import Outcome
from stormproof.checks.spelt import with_unspelt
from stormproof.checks.stored import check_stored
from stormproof.checks.stored_apart import check_apart
from stormproof.model.finding import Finding, Witness
from stormproof.model.objective import Objective
from stormproof.model.record import Record
from stormproof.rules.windows import Windows

UNDONE = ("cleanup-failed", "teardown-failed")  # what users left behind themselves
REMEDY = "see why it could not be read, and run again"


def final_checkers(
    record: Record,
    windows: Windows,
    history: Callable[[], History],
    asked: Sequence[Objective],
) -> dict[str, Callable[[], Outcome]]:
    """Return the checkers of final reads, by name; none where the plan makes none.

    Args:
        record: everything observed.
        windows: what instants are told by.
        history: what journeys told, and what was read.
        asked: the objectives.
    """
    if not record.plan.final_reads:
        return {}
    looks = cache(lambda: final_looks(record, history()))

    def told() -> Told:
        return Told(history=history(), windows=windows, asked=tuple(asked))

    return {
        "final looks": lambda: Outcome(findings=list(_unread(looks()))),
        "stored": lambda: with_unspelt(check_stored(told(), looks())),
        "stored apart": lambda: with_unspelt(check_apart(told(), looks())),
        "orphans": lambda: with_unspelt(check_orphans(told(), looks(), warned(record, *UNDONE))),
    }


def _unread(looks: Sequence[FinalLook]) -> Iterator[Finding]:
    """Find what was to be read and was not: what it holds is not known, asked or not."""
    for one in looks:
        if not one.after.is_made:
            yield Finding(
                kind="final-unread",
                title=f"{one.name} was not read when all was over",
                count=1,
                witnesses=[Witness(what=f"{one.name}: {one.after.why}")],
                advice=REMEDY,
            )
