"""Inboxes as the domains see them that append to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry
from tests.sanctum.conftest import DATABASE
from tests.sanctum.inboxes import Parts
from tests.sanctum.servers import Postgres

from sanctum.backing.database import Row, Transaction
from sanctum.inbox.metrics import InboxMetrics
from sanctum.inbox.pruning import Pruning
from sanctum.inbox.storage import PRUNED_ENTRIES_MAX

AGEING = """
    UPDATE inbox_entries SET created_at = now() - interval '61 s'
    WHERE user_id = {user} AND number <> {kept}
"""


async def test_append_costs_one_statement_however_many_are_told(parts: Parts) -> None:
    """Entries for many users take one statement, and none at all for nobody."""
    statements: list[str] = []

    class Counting(Transaction):
        async def fetch(self, sql: str, *arguments: object) -> Sequence[Row]:
            statements.append(sql)
            return await super().fetch(sql, *arguments)

    async with parts.database.transaction("tell") as transaction:
        counting = Counting(transaction._connection)
        told = await parts.inbox.append(counting, range(1, 21), "notification", {"event": "test"})
        nobody = await parts.inbox.append(counting, [], "notification", {})
    assert (len(told), len(nobody), len(statements)) == (20, 0, 1)
    assert sorted(json.loads(frame)["user"] for _, frame in told.frames) == list(range(1, 21))


async def test_entry_that_was_rolled_back_leaves_no_gap(parts: Parts) -> None:
    """When the cause is not stored, neither is the entry, and its number is given to the next."""

    async def fail() -> None:
        async with parts.database.transaction("tell") as transaction:
            await parts.inbox.append(transaction, [1, 2], "notification", {"event": "lost"})
            raise RuntimeError("the cause is not stored")

    with pytest.raises(RuntimeError):
        await fail()
    async with parts.database.transaction("tell") as transaction:
        told = await parts.inbox.append(transaction, [1], "notification", {"event": "kept"})
    assert [frame for _, frame in told.frames] == [
        b'{"user":1,"number":1,"kind":"notification","event":"kept"}'
    ]
    assert (await parts.storage.after(1, 0)).frames == [(1, told.frames[0][1])]
    assert await parts.storage.last_numbers([1, 2]) == {1: 1}


async def test_many_that_tell_the_same_users_at_once_do_not_block_each_other(parts: Parts) -> None:
    """Appends in any order of users, all at once, give each inbox numbers without gaps."""

    async def tell(users: Sequence[int]) -> None:
        async with parts.database.transaction("tell") as transaction:
            await parts.inbox.append(transaction, users, "notification", {"event": "test"})

    orders = [range(1, 21), range(20, 0, -1), range(5, 15), (3, 17, 9, 1)]
    await asyncio.gather(*(tell(order) for order in orders * 5))
    lasts = await parts.storage.last_numbers(range(1, 21))
    assert lasts == {user: 5 * sum(user in order for order in orders) for user in range(1, 21)}
    page = await parts.storage.after(3, 0)
    assert [number for number, _ in page.frames] == list(range(1, lasts[3] + 1))


async def test_old_entries_are_pruned_from_the_front(parts: Parts, postgres: Postgres) -> None:
    """Entries older than promised go, however many and whoever's; one that is not, and all after
    it, stay. Who comes back late is sent what is left, and nobody waits for what is gone."""
    for _ in range(PRUNED_ENTRIES_MAX + 5):
        async with parts.database.transaction("tell") as transaction:
            await parts.inbox.append(transaction, [1, 2], "notification", {"event": "test"})
    await postgres.execute(
        AGEING.format(user=1, kept=PRUNED_ENTRIES_MAX + 2),
        AGEING.format(user=2, kept=0),
        database=DATABASE,
    )
    pruning = Pruning(parts.storage, InboxMetrics(CollectorRegistry()), kept_s=60)
    await pruning.take_turn()
    first = await parts.storage.after(1, 0)
    assert first.frames[0][0] == PRUNED_ENTRIES_MAX + 1
    for _ in range(3):
        await pruning.take_turn()
    late = await parts.storage.after(1, 7)
    assert [number for number, _ in late.frames] == list(
        range(PRUNED_ENTRIES_MAX + 2, PRUNED_ENTRIES_MAX + 6)
    )
    empty = await parts.storage.after(2, 0)
    assert (empty.frames, empty.last, empty.full) == ([], PRUNED_ENTRIES_MAX + 5, False)
    async with parts.database.transaction("tell") as transaction:
        (frame,) = (await parts.inbox.append(transaction, [2], "notification", {})).frames
    assert json.loads(frame[1])["number"] == PRUNED_ENTRIES_MAX + 6
    assert (await parts.storage.after(19, 4)).last == 4
