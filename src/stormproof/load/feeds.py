"""What one worker knows of its feeds: their rows, and who is to get which one next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from stormproof.clients.guard import IterationFailed
from stormproof.journeys.feed import Feed, Row

Warn = Callable[[str, str], None]  # (code, text)


@dataclass(slots=True, kw_only=True)
class _Shelf:
    """The rows of one feed in this worker; `taken` counts those that users shared out."""

    feed: Feed
    rows: tuple[Row, ...]
    taken: int = 0
    by_user: dict[int, int] = field(default_factory=dict)  # user -> rows it has had


class FeedDesk:
    """Hand rows to the users of one worker.

    Of what users share out, worker w of n gets the rows w, w + n, w + 2n, ...: together the workers
    hand out every row, none of them twice, without a word between them.
    """

    def __init__(
        self, rows: Mapping[Feed, tuple[Row, ...]], *, worker: int, workers: int, warn: Warn
    ) -> None:
        self._shelves = {feed: _Shelf(feed=feed, rows=each) for feed, each in rows.items()}
        self._worker = worker
        self._workers = workers
        self._warn = warn

    def draw(self, feed: Feed, user: int, random: Callable[[], Random]) -> Row:
        """Return the next row of a feed for a user.

        Args:
            feed: one of the journey file's.
            user: the user's id.
            random: makes the user's random stream when it is needed.

        Raises:
            IterationFailed: each row has been used, or the file never declared the feed.
        """
        shelf = self._shelves.get(feed)
        if shelf is None:
            raise IterationFailed(f"{feed!r} is not declared at the top of the journey file")
        rows = shelf.rows
        if feed.order == "random":
            return rows[random().randrange(len(rows))]
        if feed.order == "sequential":
            had = shelf.by_user.get(user, 0)
            shelf.by_user[user] = had + 1
            return rows[had % len(rows)]
        position = self._worker + shelf.taken * self._workers
        if feed.order == "unique" and position >= len(rows):
            text = f"{feed!r} is used up: each of its {len(rows)} rows has been taken once"
            self._warn("feed-used-up", text)
            raise IterationFailed(f"{feed!r} is used up")
        shelf.taken += 1
        return rows[position % len(rows)]
