"""Conversations in tests: made, posted to and read, one user at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.sanctum.clients import Answer, Api
from tests.sanctum.conftest import DATABASE
from tests.sanctum.servers import DEADLINE_S, Postgres

# What the consumer does for each message; here for one conversation at a time.
ARRIVAL = """
    WITH missing AS (
        SELECT p.user_id, m.number, m.author_id, row_number() OVER (
            PARTITION BY p.user_id ORDER BY m.number
        ) AS place
        FROM participants p JOIN conversation_messages m USING (conversation_id)
        WHERE p.conversation_id = {conversation} AND p.joined_number < m.number
        AND NOT EXISTS (
            SELECT 1 FROM inbox_entries e WHERE e.user_id = p.user_id
            AND e.conversation_id = m.conversation_id AND e.message_number = m.number
        )
    ), sent AS (
        DELETE FROM outbox WHERE conversation_id = {conversation}
    ), entries AS (
        INSERT INTO inbox_entries (user_id, number, kind, conversation_id, message_number, body)
        SELECT user_id, place + coalesce(
            (SELECT max(e.number) FROM inbox_entries e WHERE e.user_id = missing.user_id), 0
        ), 'message', {conversation}, number, ''
        FROM missing
    )
    UPDATE participants p SET unread = unread + (
        SELECT count(*) FROM missing
        WHERE user_id = p.user_id AND author_id <> p.user_id AND number > p.read_number
    )
    WHERE conversation_id = {conversation}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Use one conversation of a served Sanctum."""

    api: Api
    id: int

    async def call(self, user: int, method: str, path: str = "", body: object = None) -> Answer:
        """Call a route below the conversation."""
        token = await self.api.token(user)
        return await self.api.call(method, f"/v1/conversations/{self.id}{path}", body, token)

    async def post(self, user: int, client_id: str, payload: str = "hello") -> Answer:
        """Post a message."""
        return await post(self.api, user, self.id, client_id, payload)

    async def say(self, user: int, count: int, tag: str = "m") -> None:
        """Post messages, all acknowledged."""
        for i in range(count):
            answer = await self.post(user, f"{tag}-{i}")
            assert answer.status == 201, answer

    async def numbers(self, user: int, limit: int = 100) -> list[int]:
        """Page through all messages and list their numbers."""
        return [one["number"] for one in await self.messages(user, limit)]

    async def messages(self, user: int, limit: int = 100) -> list[dict[str, Any]]:
        """Page through all messages, newest first."""
        seen: list[dict[str, Any]] = []
        before = ""
        while True:
            page = await self.call(user, "GET", f"/messages?limit={limit}{before}")
            assert page.status == 200, page
            seen += page.body["messages"]
            if page.body["next"] is None:
                return seen
            before = f"&before={page.body['next']}"

    async def add(self, user: int, added: int) -> Answer:
        """Add a participant."""
        return await self.call(user, "POST", "/participants", {"user": added})

    async def remove(self, user: int, removed: int) -> Answer:
        """Remove a participant."""
        return await self.call(user, "DELETE", f"/participants/{removed}")

    async def read_up_to(self, user: int, number: int) -> Answer:
        """Mark messages as read."""
        return await self.call(user, "POST", "/read", {"number": number})

    async def arrive(self, postgres: Postgres) -> None:
        """Bring what was posted to every inbox."""
        await postgres.execute(ARRIVAL.format(conversation=self.id), database=DATABASE)


async def converse(
    api: Api, creator: int, *others: int, kind: str = "group", title: str = "a title"
) -> Talk:
    """Make a conversation."""
    body = {"kind": kind, "title": title, "participants": others}
    answer = await api.call("POST", "/v1/conversations", body, await api.token(creator))
    assert answer.status == 201, answer
    return Talk(api=api, id=answer.body["id"])


async def post(
    api: Api, user: int, conversation: int, client_id: str, payload: str = "hello"
) -> Answer:
    """Post a message to any conversation."""
    body = {"conversation": conversation, "id": client_id, "payload": payload}
    return await api.call("POST", "/v1/messages", body, await api.token(user))


async def unread(api: Api, user: int) -> int:
    """Count what a user has not read, over all conversations."""
    answer = await api.call("GET", "/v1/unread", token=await api.token(user))
    count: int = answer.body["unread"]
    return count


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something that is asked for comes true."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.01)
