"""The checker of unique ids against counting."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests.histories import Op, run_check, value_of

from stormproof.checks.unique_ids import check_unique_ids
from stormproof.model.history import Function

IDS = st.tuples(
    st.sampled_from(["order", "user"]),
    st.one_of(st.integers(-5, 5), st.sampled_from(["5", "x", "y"])),
    st.integers(1, 4),
)


@given(st.lists(IDS, min_size=1, max_size=30))
def test_ids_are_compared_within_their_kind(given_out: list[tuple[str, int | str, int]]) -> None:
    """As many ids are told as were given out more than once, across users and workers."""
    ops = [
        Op(function=Function.ISSUED, key=kind, value=value, began=at, ended=at, user=user)
        for at, (kind, value, user) in enumerate(given_out, 1)
    ]
    times = Counter((kind, value) for kind, value, _ in given_out)
    doubled = sum(count > 1 for count in times.values())
    outcome = run_check(check_unique_ids, ops)
    assert value_of(outcome, "ids_duplicated") == (doubled if len(ops) > 1 else None)
    assert [one.count for one in outcome.findings] == ([doubled] if doubled else [])
