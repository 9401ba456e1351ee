"""What became of one element of a set: its changes, and the reads that held it or missed it."""

from __future__ import annotations

from typing import Final

import numpy as np

from stormproof.checks.history import History, Reads
from stormproof.checks.history_life import told_of
from stormproof.checks.wording import counted
from stormproof.model.final_read import READER
from stormproof.model.finding import Witness
from stormproof.model.history import INT_MAX, INT_MIN, WORD_MASK, Function, digest_word
from stormproof.model.story import Moment
from stormproof.rules.windows import Windows

CHANGES_MAX: Final = 20
ENDS: Final = 2  # of the reads that held it, and of those that missed it: the first and the last


def element_named(history: History, key: int, witness: Witness) -> int | None:
    """Return the word of the element that a witness "VALUE of KEY ..." is about, if it is told."""
    text, found, _ = witness.what.partition(f" of {history.key_text(key)}")
    if not found:
        return None
    words = {digest_word(text)}
    digits = text.removeprefix("-")
    if digits.isdecimal() and INT_MIN <= int(text) <= INT_MAX:
        words.add(int(text) & WORD_MASK)
    if text.startswith("#"):
        words.add(int(text[1:], 16))
    changes = history.changes.of(Function.ADD, Function.REMOVE)
    changed = set(changes.value[changes.key == np.uint64(key)].tolist())
    return next(iter(words & changed), None)


def tell_element(
    history: History, windows: Windows, key: int, element: int
) -> tuple[str, list[Moment]]:
    """Tell what was done to an element, and which reads held it, the first and the last of each.

    Args:
        history: what journeys told.
        windows: what instants are told by.
        key: of the set.
        element: its word.
    """
    changes = history.changes.of(Function.ADD, Function.REMOVE)
    is_mine = (changes.key == np.uint64(key)) & (changes.value == np.uint64(element))
    mine = changes.where(np.flatnonzero(is_mine))
    moments = [told_of(history, windows, mine, row) for row in range(min(len(mine), CHANGES_MAX))]
    reads = history.reads.of(Function.READ_SET)
    first_ns = int(mine.began_ns.min())
    reads = reads.where((reads.key == np.uint64(key)) & (reads.ended_ns > first_ns))
    is_held = _held(history, reads, element)
    name = history.value_text(element)
    for rows, how in ((np.flatnonzero(is_held), "with"), (np.flatnonzero(~is_held), "without")):
        ends = np.unique(np.concatenate([rows[: ENDS // 2], rows[len(rows) - ENDS // 2 :]]))
        moments += [_seen(windows, reads, row, f"{how} {name}") for row in ends.tolist()]
    held = int(np.count_nonzero(is_held))
    told = f"{name} was changed {counted(len(mine), 'time')}, and no journey read it after that"
    if len(reads):
        told = f"{name} was changed {counted(len(mine), 'time')}, and {held} of"
        told += f" {counted(len(reads), 'read')} after that held it"
    return told, moments


def without_told(told: list[Moment], life: list[Moment]) -> list[Moment]:
    """Return operations on a key without those that an element's life has told."""
    known = {(one.at_s, one.what.partition(" reads ")[0]) for one in life}
    return [
        one
        for one in told
        if one not in life and (one.at_s, one.what.partition(" reads ")[0]) not in known
    ]


def _held(
    history: History, reads: Reads, element: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which reads held an element; one at a time, for they may be large."""
    spans = zip(reads.first.tolist(), reads.count.tolist(), strict=True)
    return np.array(
        [np.uint64(element) in history.elements[first : first + count] for first, count in spans],
        np.bool_,
    )


def _seen(windows: Windows, reads: Reads, row: int, how: str) -> Moment:
    user, count = int(reads.user[row]), int(reads.count[row])
    who = "stormproof" if user == READER else f"user {user}"
    until = f"{windows.at_s(int(reads.ended_ns[row])):.3f} s"
    what = f"{who} reads {counted(count, 'element')}, {how}, until {until}"
    return Moment(at_s=windows.at_s(int(reads.began_ns[row])), about="data", what=what)
