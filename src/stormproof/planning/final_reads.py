"""Final reads: what a trial declares of them, and what it cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from stormproof.kernel.errors import Problem
from stormproof.kernel.limits import (
    FINAL_READ_STATEMENT_CHARACTERS_MAX,
    FINAL_READS_MAX,
    STREAM_NAME_CHARACTERS_MAX,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Plan, PlannedRead
from stormproof.model.profile import FinalReadNumbers, Profile
from stormproof.model.trial import FinalRead, Trial

EMPTY_WAIT_NS: Final = 5 * SECOND_NS
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TEXTS: Final = ("statement", "stream", "field", "group", "keys", "of", "same_as", "without")


def planned_reads(trial: Trial, profile: Profile) -> tuple[PlannedRead, ...]:
    """Return what is read when all is over, with the profile's times."""
    return tuple(_planned(name, one, profile) for name, one in trial.final_reads.items())


def _planned(name: str, one: FinalRead, profile: Profile) -> PlannedRead:
    numbers = profile.final_reads.get(name, FinalReadNumbers())
    wait_ns = numbers.wait_ns
    if wait_ns is None:
        wait_ns = EMPTY_WAIT_NS if one.empty else 0
    return PlannedRead(
        name=name,
        statement=one.statement,
        stream=one.stream,
        field=one.field,
        group=one.group,
        keys=one.keys,
        numbers=one.numbers,
        of=one.of,
        same_as=one.same_as,
        empty=one.empty,
        without=one.without,
        wait_ns=wait_ns,
        timeout_ns=numbers.timeout_ns,
    )


def has_right_types(one: FinalRead) -> bool:
    """Say whether the values of a final read are of their declared types; a trial is Python."""
    texts: Iterable[object] = (getattr(one, name) for name in _TEXTS)
    flags: Iterable[object] = (one.numbers, one.empty)
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(flag, bool) for flag in flags
    )


def final_read_problems(trial: Trial, profile: Profile, plan: Plan) -> Iterator[Problem]:
    """Find final reads that cannot be made, or that nothing is held against.

    Args:
        trial: of the right shape.
        profile: with their times.
        plan: the draft that they are part of.
    """
    where = f"trial {trial.name}"
    if len(trial.final_reads) > FINAL_READS_MAX:
        what = f"has {len(trial.final_reads)} final reads"
        yield Problem(where=where, what=what, fix=f"at most {FINAL_READS_MAX}")
    sources = {one.name for one in plan.sources}
    for one in planned_reads(trial, profile):
        place = f"{where}: final_reads {one.name}"
        for what, fix in _bad_read(one, trial):
            yield Problem(where=place, what=what, fix=fix)
        if one.source not in sources:
            what = f"the {one.source} of a target that runs already is not known"
            fix = f'profile: "sources": {{"{one.source}": {{"urlFrom": "NAME_OF_A_VARIABLE"}}}}'
            yield Problem(where=place, what=what, fix=fix)


def _bad_read(one: PlannedRead, trial: Trial) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a read, and what would be right."""
    if not _NAME.fullmatch(one.name):
        yield "the name is none", "letters, digits, - . and _, at most 64"
    asked = [bool(one.statement.strip()), bool(one.stream), bool(one.keys)]
    if sum(asked) != 1:
        yield "asks for one thing", "give it a statement, a stream or keys"
    if len(one.statement) > FINAL_READ_STATEMENT_CHARACTERS_MAX:
        limit = FINAL_READ_STATEMENT_CHARACTERS_MAX
        yield f"its statement has {len(one.statement)} characters", f"at most {limit}"
    texts = (one.stream, one.field, one.group, one.keys)
    if any(len(text) > STREAM_NAME_CHARACTERS_MAX for text in texts):
        yield "a name is too long", f"at most {STREAM_NAME_CHARACTERS_MAX} characters"
    if one.stream and bool(one.field) == bool(one.group):
        yield "of a stream one thing is read", "its entries' field=..., or a group=... with empty"
    if not one.stream and (one.field or one.group):
        yield "a field or a group is a stream's", "name the stream, too"
    yield from _bad_expectation(one, trial)


def _bad_expectation(one: PlannedRead, trial: Trial) -> Iterator[tuple[str, str]]:
    expected = (bool(one.of or one.same_as), one.empty, bool(one.without))
    if sum(expected) != 1:
        fix = "of=KEY, same_as=READ, without=KEY, or empty=True"
        yield "nothing, or too much, is expected of it", fix
    if one.group and not one.empty:
        yield "pending entries are no elements", "empty=True"
    if one.same_as:
        other = trial.final_reads.get(one.same_as)
        if other is None or one.same_as == one.name or other.empty or other.without:
            reads = trial.final_reads.items()
            known = [name for name, it in reads if not it.empty and not it.without]
            fix = f"known: {', '.join(name for name in known if name != one.name) or 'none'}"
            yield f"same_as {one.same_as!r} is no other read of elements", fix
