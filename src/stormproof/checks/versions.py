"""Which write a read value is from, and whether that is certainly older than another.

A value that was written once to its key names its write. One version is certainly older than
another when its write ended before the other's began; the value that a key had before all writes is
older than every write. A value that was written more than once says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from stormproof.checks.history import Told
from stormproof.checks.ledger import FOREVER_NS
from stormproof.model.history import FLAG_ABSENT, Function, Step

ABSENT: Final = -1
NEVER_NS: Final = -1  # when the value from before all writes was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A value of a key with the instants of its write; NEVER_NS for that from before all writes."""

    value: int
    began_ns: int
    ended_ns: int
    user: int
    is_made: bool  # it was acknowledged

    def is_older_than(self, other: Version) -> bool:
        """Return whether it certainly was written before `other` was."""
        return self.ended_ns < other.began_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A read of a key by a user, with the version that it gave."""

    version: Version
    began_ns: int
    ended_ns: int
    user: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The writes of a key and the reads whose version is known, each in order of their begin."""

    key: int
    writes: list[Version]
    looks: list[Look]


def stories_of(told: Told) -> Iterator[Story]:
    """Yield every key that was written, but for those that are incremented as well."""
    changes, reads = told.history.changes, told.history.reads.of(Function.READ)
    writes = changes.of(Function.WRITE, Function.CAS)
    writes = writes.where(writes.step != Step.REFUSED)
    keys = np.setdiff1d(writes.key, changes.of(Function.INCREMENT).key)
    versions: dict[int, list[Version]] = {int(key): [] for key in keys}
    mine = writes.where(np.isin(writes.key, keys))
    for key, flags, value, began_ns, ended_ns, user, step in zip(
        *(
            one.tolist()
            for one in (
                mine.key,
                mine.flags,
                mine.value,
                mine.began_ns,
                mine.ended_ns,
                mine.user,
                mine.step,
            )
        ),
        strict=True,
    ):
        versions[key].append(
            Version(
                value=ABSENT if flags & FLAG_ABSENT else value,
                began_ns=began_ns,
                ended_ns=ended_ns,
                user=user,
                is_made=step == Step.OK,
            )
        )
    looks: dict[int, list[tuple[int, int, int, int]]] = {key: [] for key in versions}
    mine_read = reads.where(np.isin(reads.key, keys))
    for key, flags, value, began_ns, ended_ns, user in zip(
        *(
            one.tolist()
            for one in (
                mine_read.key,
                mine_read.flags,
                mine_read.value,
                mine_read.began_ns,
                mine_read.ended_ns,
                mine_read.user,
            )
        ),
        strict=True,
    ):
        given = ABSENT if flags & FLAG_ABSENT else value
        looks[key].append((began_ns, ended_ns, given, user))
    for key, written in versions.items():
        yield _story(key, written, looks[key])


def _story(key: int, written: list[Version], looks: list[tuple[int, int, int, int]]) -> Story:
    by_value: dict[int, list[Version]] = {}
    for version in written:
        by_value.setdefault(version.value, []).append(version)
    for _, ended_ns, value, _ in looks:
        versions = by_value.setdefault(value, [_before_all(value)])
        if ended_ns < versions[0].began_ns:
            versions.insert(0, _before_all(value))  # so it was there before it was written
    known = []
    for began_ns, ended_ns, value, user in sorted(looks):
        version, *others = by_value[value]
        if not others:
            known.append(Look(version=version, began_ns=began_ns, ended_ns=ended_ns, user=user))
    return Story(key=key, writes=sorted(written, key=lambda one: one.began_ns), looks=known)


def _before_all(value: int) -> Version:
    return Version(value=value, began_ns=NEVER_NS, ended_ns=NEVER_NS, user=0, is_made=True)


def overwritten_ns(story: Story) -> list[int]:
    """Return, a write and one more, when the earliest acknowledged write from it on had ended.

    What is older than all writes from the i-th on was overwritten at the i-th instant.
    """
    earliest = [FOREVER_NS] * (len(story.writes) + 1)
    for index in range(len(story.writes) - 1, -1, -1):
        write = story.writes[index]
        ended_ns = write.ended_ns if write.is_made else FOREVER_NS
        earliest[index] = min(earliest[index + 1], ended_ns)
    return earliest
