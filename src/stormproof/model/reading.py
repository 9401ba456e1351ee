"""Readings: what a source of figures gave, as it is kept in the record, series by series once."""

from __future__ import annotations

import msgspec

from stormproof.model.observed import ObservedKind


class ObservedSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Give an id (unique within the record) to a figure of a source with its tags.

    `is_rest`: it has no values, but stands for what was left out of `name` because there were too
    many series or values of a tag; with no name, for what was left out of any.
    """

    id: int
    source: str
    name: str
    tags: dict[str, str]
    kind: ObservedKind
    is_rest: bool = False


class SourceReading(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One time that a source was asked: from when to when, and what came.

    `ids` and `values` are parallel; with an `error` there are none. Instants are CLOCK_MONOTONIC.
    `natives` are the buckets of those that are native histograms, by id (`model.native.packed`);
    older records have none.
    """

    source: str
    start_ns: int
    end_ns: int
    error: str = ""
    ids: list[int] = []
    values: list[float] = []
    natives: dict[int, bytes] = {}

    @property
    def at_ns(self) -> int:
        """The instant that its values are taken to be of: the middle of the question."""
        return (self.start_ns + self.end_ns) // 2
