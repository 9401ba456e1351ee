"""The limit under which few descriptors are left."""

from __future__ import annotations

import pytest

from stormproof.faults.descriptor_limits import limit_that_leaves, spare_under


@pytest.mark.parametrize(
    ("spare", "in_use", "limit"),
    [
        (0, {0, 1, 2}, 3),
        (2, {0, 1, 2}, 5),
        (0, {0, 1, 2, 5}, 3),
        (1, {0, 1, 2, 5}, 4),
        (3, {0, 1, 2, 5}, 7),
        (0, set(), 0),
        (0, {3, 4}, 0),
    ],
)
def test_limit_leaves_exactly_what_is_spared(spare: int, in_use: set[int], limit: int) -> None:
    """New descriptors get the lowest free numbers, so these are counted, not what is open."""
    assert limit_that_leaves(spare, in_use) == limit
    assert spare_under(limit, in_use) == spare
