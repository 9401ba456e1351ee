"""The checker of unique ids: nothing new was given an id that something else has."""

from __future__ import annotations

import numpy as np

from stormproof.checks.history import Ints, Table, Told, is_absent
from stormproof.checks.ledger import SLICE, Words
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function

GIVEN_TWICE_SHOWN = 2
MIXER = np.uint64(0x9E37_79B9_7F4A_7C15)  # odd, so that no two kinds become one


def check_unique_ids(told: Told) -> Outcome:
    """Check that no id of a kind was given out twice.

    What it does: compares all ids that journeys were given, across users and workers. Why it
    matters: two orders under one number are one order for everything behind it. What a failure
    looks like: "1 id given out more than once", with who was given it and when. Limits: ids that
    nobody told the ledger are not compared; texts are, by a digest of 64 bits.
    Source: Jepsen's unique-ids.
    """
    issued = told.history.facts.of(Function.ISSUED)
    issued = issued.where(~is_absent(issued))
    groups = _given_twice(issued)
    measured = Measurement(value=float(len(groups)), samples=len(issued))
    if len(issued) < GIVEN_TWICE_SHOWN:
        measured = Measurement(
            value=None,
            samples=0,
            why="no two ids were given out" if len(issued) else "no id was given to anything",
            remedy="check what the journey tells the ledger",
        )
    findings = [_doubled(issued, groups, told)] if groups else []
    return Outcome(findings=findings, measured={("ids_duplicated", ""): measured})


def _given_twice(issued: Table) -> list[Ints]:
    """Return the rows of each id that was given out more than once, in order.

    Sorting words that mix kind and id finds all of them, and a few others at worst.
    """
    words = _mixed(issued)
    words.sort()
    again = np.unique(words[1:][words[1:] == words[:-1]])
    del words
    if not len(again):
        return []
    rows = np.flatnonzero(np.isin(_mixed(issued), again))
    few = issued.where(rows)
    by_id: dict[tuple[int, int], list[int]] = {}
    for row, key, value in zip(*(one.tolist() for one in (rows, few.key, few.value)), strict=True):
        by_id.setdefault((key, value), []).append(row)
    groups = [np.array(mine, np.int64) for mine in by_id.values() if len(mine) > 1]
    return sorted(groups, key=lambda mine: int(mine[0]))


def _mixed(issued: Table) -> Words:
    """Return a word for each kind and id, made in slices: there may be ten million."""
    words = np.empty(len(issued), np.uint64)
    for start in range(0, len(issued), SLICE):
        some = issued.where(np.arange(start, min(start + SLICE, len(issued))))
        words[start : start + SLICE] = some.value ^ (some.key * MIXER)
    return words


def _doubled(issued: Table, groups: list[Ints], told: Told) -> Finding:
    witnesses = []
    for group in groups[:FINDINGS_LISTED_MAX]:
        every = issued.where(group)
        shown = every.where(np.argsort(every.ended_ns, kind="stable")[:GIVEN_TWICE_SHOWN])
        given = " and ".join(
            f"user {user} at {told.at(at_ns)}"
            for user, at_ns in zip(shown.user.tolist(), shown.ended_ns.tolist(), strict=True)
        )
        more = len(every) - GIVEN_TWICE_SHOWN
        witnesses.append(
            Witness(
                what=f"{told.history.key_text(int(shown.key[0]))}"
                f" {told.history.value_text(int(shown.value[0]))} was given to {given}"
                f"{f' and {more} more times' if more > 0 else ''}",
                at_ns=int(shown.ended_ns[0]),
            )
        )
    return Finding(
        kind="id-duplicated",
        title=f"{counted(len(groups), 'id')} given out more than once",
        count=len(groups),
        witnesses=witnesses,
        advice="let one place draw ids, or make them wide and random enough",
    )
