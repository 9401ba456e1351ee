"""Tag sets: what a user does is counted under what it wears, whatever it puts on and takes off."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.load.wearers import Wearer

from stormproof.load.tagging import Group, Tagged

keys = st.sampled_from(["plan", "region", "tier"])
values = st.sampled_from(["a", "b", ""])
names = st.sampled_from(["cart", "pay", "x y"])
# What a block puts on, and the blocks within it.
blocks: st.SearchStrategy[list[object]] = st.recursive(
    st.builds(list[object]),
    lambda inner: st.lists(
        st.tuples(st.dictionaries(keys, values, max_size=3) | names, inner), max_size=3
    ),
    max_leaves=12,
)


def expected_in(tags: Mapping[str, str], block: dict[str, str] | str) -> dict[str, str]:
    """Return the tags inside of a block, as plain dictionaries."""
    if isinstance(block, str):
        return {**tags, "group": f"{tags.get('group', '')}::{block}"}
    return {**tags, **block}


def entered(user: Wearer, block: dict[str, str] | str) -> AbstractContextManager[None]:
    """Make the `with` block of a user."""
    return Group(user, block) if isinstance(block, str) else Tagged(user, block)


def walk(user: Wearer, tree: object, tags: dict[str, str]) -> None:
    """Go through nested blocks and hold what is worn against what should be."""
    assert isinstance(tree, list)
    for block, inner in tree:
        with entered(user, block):
            inside = expected_in(tags, block)
            assert user.tags == inside
            series = user.outfit.http.get.get("/x") or user.outfit.http.get.add("/x")
            assert user.tape.series[series.series].tags == {**inside, "name": "GET /x"}
            walk(user, inner, inside)
        assert user.tags == tags


@given(trees=st.lists(blocks, min_size=1, max_size=3))
def test_what_is_worn_is_what_the_blocks_say(trees: list[object]) -> None:
    """Blocks in blocks put on exactly their tags, take them off, and equal tags are one series."""
    user = Wearer(tags={"region": "eu"})
    for tree in trees:
        walk(user, tree, {"region": "eu", "scenario": "shop"})
    seen = [(one.metric, tuple(sorted(one.tags.items()))) for one in user.tape.series]
    assert len(seen) == len(set(seen))
