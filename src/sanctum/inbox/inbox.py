"""How other domains tell users something."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from sanctum.backing.database import Transaction
from sanctum.gateway.fanout import Publisher
from sanctum.inbox.frames import entry_frame
from sanctum.inbox.metrics import InboxMetrics
from sanctum.inbox.storage import InboxStorage

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Hold what was appended, to be published once that is committed.

    Attributes:
        kind: what all of them are.
        frames: the encoded entries, each with its user's id.
    """

    kind: str
    frames: Sequence[tuple[int, bytes]] = ()

    def __len__(self) -> int:
        return len(self.frames)


class Inbox:
    """Append entries to inboxes within a transaction, and publish them after it.

    An entry that its domain forgets to publish, or cannot, is stored all the same and reaches open
    sockets by the next sweep.
    """

    def __init__(self, storage: InboxStorage, publisher: Publisher, metrics: InboxMetrics) -> None:
        self._storage = storage
        self._publisher = publisher
        self._metrics = metrics

    async def append(
        self,
        transaction: Transaction,
        user_ids: Collection[int],
        kind: str,
        body: Mapping[str, object],
    ) -> Entries:
        """Append the same entry to several inboxes in one statement, however many they are.

        Append once in a transaction, as its last statement: the inboxes stay locked until its end,
        and two transactions that lock them one by one may block each other.

        Args:
            transaction: where the cause is stored.
            user_ids: whose inboxes; each user must exist and gets one entry.
            kind: what it is, for example `notification`.
            body: what can be encoded as JSON, without the names `user`, `number` and `kind`.

        Raises:
            DatabaseUnavailable: when the database did not answer.
        """
        return await self.append_each(transaction, kind, dict.fromkeys(user_ids, body))

    async def append_each(
        self, transaction: Transaction, kind: str, bodies: Mapping[int, Mapping[str, object]]
    ) -> Entries:
        """Append to each inbox an entry of its own, by the user's id; else as :meth:`append`."""
        if not bodies:
            return Entries(kind=kind)
        encoded = {
            user_id: _encoder.encode({"kind": kind, **body}) for user_id, body in bodies.items()
        }
        placed = await self._storage.append(transaction, kind, encoded)
        frames = [
            (user_id, entry_frame(user_id, number, encoded[user_id])) for user_id, number in placed
        ]
        return Entries(kind=kind, frames=frames)

    def publish(self, entries: Entries) -> None:
        """Send committed entries to the open sockets of their users, without waiting."""
        self._metrics.count_appended(entries.kind, len(entries))
        for user_id, frame in entries.frames:
            self._publisher.hand_over(user_id, frame)
