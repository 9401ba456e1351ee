"""Looking up words against a dictionary, and dated keys against sorting by key and instant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormproof.checks import lookup
from stormproof.checks.lookup import Lookup, dated

WORDS = st.one_of(
    st.integers(0, 5), st.integers(0, 2**64 - 1), st.integers(1, 5).map(lambda n: n << 60)
)
ROWS = st.lists(st.tuples(WORDS, WORDS), max_size=40)
INSTANTS = st.one_of(st.integers(0, 9), st.integers(-(2**63), 2**63 - 1))


def _columns(rows: list[tuple[int, int]]) -> tuple[lookup.Words, lookup.Words]:
    table = np.array(rows, np.uint64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


@given(ROWS, ROWS, st.integers(1, 2), st.sampled_from([0, 1, lookup.PROBES_MAX]))
def test_rows_are_found_as_in_a_dictionary(
    known: list[tuple[int, int]], asked: list[tuple[int, int]], width: int, probes: int
) -> None:
    """Each row is found where it is known and nowhere else, whether or not slots are enough."""
    places = {row: index for index, row in enumerate({row[:width] for row in known})}
    distinct = [(row[0], row[-1]) for row in places]
    asked = [*asked, *known]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lookup, "PROBES_MAX", probes)
        found, is_known = Lookup(*_columns(distinct)[:width]).find(*_columns(asked)[:width])
    assert is_known.tolist() == [row[:width] in places for row in asked]
    assert found.tolist() == [places.get(row[:width], 0) for row in asked]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 4), INSTANTS), max_size=12), min_size=1, max_size=3),
    st.integers(5, 2**20),
)
def test_dated_keys_order_by_key_and_then_by_instant(
    tables: list[list[tuple[int, int]]], keys: int
) -> None:
    """Numbers of one table or of several compare as their keys and instants do, however far apart
    the instants are."""
    columns = [np.array(one, np.int64).reshape(-1, 2) for one in tables]
    numbers = np.concatenate(dated([(one[:, 0], one[:, 1]) for one in columns], keys)).tolist()
    pairs = [pair for table in tables for pair in table]
    for one, number in zip(pairs, numbers, strict=True):
        for other, another in zip(pairs, numbers, strict=True):
            assert (one < other) == (number < another)
