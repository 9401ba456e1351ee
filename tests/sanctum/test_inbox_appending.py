"""Inboxes as the domains see them that append to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from tests.sanctum.inboxes import Parts

from sanctum.backing.database import Row, Transaction


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
