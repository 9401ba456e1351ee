"""What was done to one key of the history: around an instant, for a finding's story, or in all."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from stormproof.checks.history import History, Table
from stormproof.checks.ledger import FOREVER_NS
from stormproof.checks.surroundings import in_order, surroundings
from stormproof.checks.wording import counted
from stormproof.kernel.limits import EXPLAINED_OPERATIONS_MAX
from stormproof.model.final_read import READER
from stormproof.model.finding import Witness
from stormproof.model.history import (
    FLAG_ABSENT,
    FLAG_EXPECTS_ABSENT,
    FUNCTION_MASK,
    Function,
    Step,
    digest_word,
)
from stormproof.model.record import Record
from stormproof.model.story import Moment, Story
from stormproof.rules.windows import Windows

_DIGEST = re.compile(r"#[0-9a-f]{16}")
# Kinds whose witnesses say "VALUE of KEY", others "KEY ..."
VALUE_FIRST = ("set-", "isolation-", "stored-")


def key_of(history: History, kind: str, witness: Witness) -> int | None:
    """Return the key that a witness of a kind of finding is about; None where none is named."""
    keys: list[int] = np.unique(np.concatenate([one.key for one in _tables(history)])).tolist()
    named = sorted(((history.key_text(key), key) for key in keys), key=_longest_first)
    for name, key in named:
        if kind.startswith(VALUE_FIRST):
            is_about = f" of {name}," in witness.what or f" of {name} " in witness.what
        else:
            is_about = witness.what.startswith((f"{name} ", f"{name}:"))
        if is_about:
            return key
    return None


def _longest_first(named: tuple[str, int]) -> tuple[int, str]:
    return -len(named[0]), named[0]


def keys_of(history: History, kind: str, witness: Witness) -> list[int]:
    """Return the keys that a witness is about: those that it cites, or else the one it names."""
    if witness.of:
        return [int(one, 16) for one in witness.of]
    named = key_of(history, kind, witness)
    return [] if named is None else [named]


def named_key(history: History, name: str) -> int | None:
    """Return the key that a reader calls by its text, or by `#` and its digest; None: no such."""
    words = {digest_word(name)}
    if _DIGEST.fullmatch(name):
        words.add(int(name[1:], 16))
    there = {int(key) for one in _tables(history) for key in np.unique(one.key)}
    return next(iter(words & there), None)


def tell_key(record: Record, windows: Windows, history: History, key: int, *, most: int) -> Story:
    """Tell what was done to a key in the whole run, at most `most` operations from its first on."""
    tables = [one.where(one.key == np.uint64(key)) for one in _tables(history)]
    began = sorted(
        (int(table.began_ns[row]), at, row)
        for at, table in enumerate(tables)
        for row in range(len(table))
    )
    told = [told_of(history, windows, tables[at], row) for _, at, row in began[:most]]
    until_ns = began[: len(told)][-1][0]
    faults = [
        one for one in surroundings(record, windows, began[0][0], until_ns) if one.about == "fault"
    ]
    steps = Counter(Step(int(step)) for table in tables for step in table.step.tolist())
    users = {int(user) for table in tables for user in table.user.tolist()}
    span = f"{windows.at_s(began[0][0]):.3f} to {windows.at_s(began[-1][0]):.3f} s"
    facts = [
        f"{counted(len(began), 'operation')} of {counted(len(users), 'user')}, {span}",
        f"{steps[Step.OK]} ok, {steps[Step.REFUSED]} refused, {steps[Step.UNKNOWN]} unknown",
    ]
    more = len(began) - len(told)
    moments, left_out = in_order([*told, *faults], keep="data", most=most)
    return Story(
        title=f"key {history.key_text(key)}",
        facts=facts,
        moments=moments,
        left_out=left_out + more,
        advice=["tell more of it with --all"] if more else [],
    )


def operations_near(
    history: History,
    windows: Windows,
    key: int,
    at_ns: int,
    margin_ns: int,
    most: int = EXPLAINED_OPERATIONS_MAX,
) -> tuple[list[Moment], int]:
    """Return the operations on a key nearest to an instant, and how many more there are near it.

    Near is what was under way at most `margin_ns` before or after; `most` are returned.
    """
    found = [
        (abs(began_ns - at_ns), few, row)
        for few in (_nearest(one, key, at_ns, margin_ns, most) for one in _tables(history))
        for row, began_ns in enumerate(few.began_ns.tolist())
    ]
    found.sort(key=lambda one: one[0])
    told = [told_of(history, windows, table, row) for _, table, row in found]
    near = sum(int(_is_near(table, key, at_ns, margin_ns).sum()) for table in _tables(history))
    told = told[:most]
    return told, near - len(told)


def _tables(history: History) -> tuple[Table, ...]:
    return history.changes, history.reads, history.facts


def _is_near(
    table: Table, key: int, at_ns: int, margin_ns: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which operations are near; what never ended is near where it began."""
    began_ns, ended_ns = table.began_ns, table.ended_ns
    over_ns = np.where(ended_ns == FOREVER_NS, began_ns, ended_ns)
    is_near: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        (table.key == np.uint64(key))
        & (began_ns <= at_ns + margin_ns)
        & (over_ns >= at_ns - margin_ns)
    )
    return is_near


def _nearest(table: Table, key: int, at_ns: int, margin_ns: int, most: int) -> Table:
    """Return the operations on a key that began nearest to an instant, the nearest first."""
    near = table.where(np.flatnonzero(_is_near(table, key, at_ns, margin_ns)))
    apart = np.abs(near.began_ns - at_ns)
    return near.where(np.argsort(apart, kind="stable")[:most])


def told_of(history: History, windows: Windows, table: Table, row: int) -> Moment:
    """Return an operation as a reader is told it."""
    began_ns, ended_ns = int(table.began_ns[row]), int(table.ended_ns[row])
    until = ""
    if table.step[row] == Step.UNKNOWN:
        until = ": no answer that says whether it was made"
    elif table.step[row] == Step.REFUSED:
        until = ": refused"
    elif ended_ns != began_ns:
        until = f", until {windows.at_s(ended_ns):.3f} s"
    user = int(table.user[row])
    who = "stormproof" if user == READER else f"user {user}"
    what = f"{who} {_deed(history, table, row)}{until}"
    return Moment(at_s=windows.at_s(began_ns), about="data", what=what)


def _deed(history: History, table: Table, row: int) -> str:
    key, flags = history.key_text(int(table.key[row])), int(table.flags[row])
    is_absent = bool(flags & FLAG_ABSENT)
    value = "absent" if is_absent else history.value_text(int(table.value[row]))
    other = "absent" if flags & FLAG_EXPECTS_ABSENT else history.value_text(int(table.other[row]))
    match Function(flags & FUNCTION_MASK):
        case Function.ADD:
            return f"adds {value} to {key}"
        case Function.REMOVE:
            return f"removes {value} from {key}"
        case Function.INCREMENT:
            return f"changes {key} by {value}"
        case Function.WRITE:
            return f"sets {key} to {value}"
        case Function.CAS:
            return f"sets {key} from {other} to {value}"
        case Function.READ_SET:
            return f"reads the elements of {key}"
        case Function.READ | Function.TOTAL:
            return f"reads {key} as {value}"
        case Function.ISSUED:
            return f"is given {key} {value}"
        case Function.EFFECT:
            return f"sees the effect {other} of {key} {value}"
        case _:
            return f"tells {value} of {key}"
