"""Who gets which row of a feed."""

from __future__ import annotations

from random import Random

import pytest

from stormproof.clients.guard import IterationFailed
from stormproof.journeys.feed import Feed, Order
from stormproof.journeys.feed_rows import read_rows
from stormproof.load.feeds import FeedDesk


class Desk:
    """One worker's desk over a feed of numbers."""

    def __init__(self, order: Order, rows: int, *, worker: int = 0, workers: int = 1) -> None:
        self.feed = Feed.of([{"n": number} for number in range(rows)], order=order)
        self.warnings: list[tuple[str, str]] = []
        self.desk = FeedDesk(
            {self.feed: read_rows(self.feed)},
            worker=worker,
            workers=workers,
            warn=lambda code, text: self.warnings.append((code, text)),
        )

    def draw(self, user: int = 1, seed: int = 1, times: int = 1) -> list[int]:
        """Draw rows for a user."""
        random = Random(seed)  # noqa: S311
        return [self.desk.draw(self.feed, user, lambda: random)["n"] for _ in range(times)]


def test_sequential_is_each_users_own() -> None:
    """Every user goes through all rows from the first, and begins again at the end."""
    desk = Desk("sequential", 3)
    assert desk.draw(1, times=2) == [0, 1]
    assert desk.draw(2, times=4) == [0, 1, 2, 0]
    assert desk.draw(1, times=2) == [2, 0]


def test_random_follows_the_users_stream() -> None:
    """The rows of a random feed follow from the seed, and all of them come."""
    desk = Desk("random", 5)
    assert desk.draw(seed=3, times=50) == desk.draw(seed=3, times=50)
    assert desk.draw(seed=3, times=50) != desk.draw(seed=4, times=50)
    assert set(desk.draw(times=100)) == set(range(5))


def test_circular_is_shared_out_and_begins_again() -> None:
    """Users share a circular feed; after the last row comes the first."""
    desk = Desk("circular", 3)
    assert [*desk.draw(1, times=2), *desk.draw(2, times=3)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("rows", [1, 2, 7, 12])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_unique_rows_are_used_once_in_the_run(rows: int, workers: int) -> None:
    """All workers together hand out every row of a unique feed exactly once, then none."""
    seen: list[int] = []
    for worker in range(workers):
        desk = Desk("unique", rows, worker=worker, workers=workers)
        seen += desk.draw(times=len(range(worker, rows, workers)))
        with pytest.raises(IterationFailed, match="is used up"):
            desk.draw()
        assert [code for code, _ in desk.warnings] == ["feed-used-up"]
    assert sorted(seen) == list(range(rows))


def test_a_feed_that_nobody_declared_is_told() -> None:
    """A feed that is made in a function, where the plan cannot see it, ends the iteration."""
    with pytest.raises(IterationFailed, match="not declared at the top of the journey file"):
        Desk("unique", 1).desk.draw(Feed.csv("b.csv"), 1, Random)
