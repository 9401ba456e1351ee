"""The seed of conversations: as if every message had been posted and delivered."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from tests.sanctum.clients import PASSWORD, Api
from tests.sanctum.conftest import DATABASE, SIZE
from tests.sanctum.servers import Postgres
from tests.sanctum.talks import Talk, converse, unread
from tests.sanctum.test_sessions import log_in, refresh, until_refused, works

from sanctum.seeding import SeedConflict, SeedSize, seed

WITH_TALKS = SeedSize(
    users=SIZE.users, channels=SIZE.channels, posts=SIZE.posts, conversations=3, messages=50
)
CREATOR = "SELECT created_by FROM conversations WHERE id = {}"
# Each finds what no service could have left behind.
INCONSISTENT = {
    "an inbox with a gap": """
        SELECT user_id FROM inbox_entries GROUP BY user_id
        HAVING count(*) <> max(number) OR min(number) <> 1
    """,
    "an inbox whose last number is another": """
        SELECT user_id FROM inboxes i WHERE last_number <> (
            SELECT count(*) FROM inbox_entries e WHERE e.user_id = i.user_id
        )
    """,
    "a participant without a message": """
        SELECT 1 FROM participants JOIN conversation_messages m USING (conversation_id)
        WHERE NOT EXISTS (
            SELECT FROM inbox_entries e WHERE e.user_id = participants.user_id
            AND e.conversation_id = m.conversation_id AND e.message_number = m.number
        )
    """,
    "a conversation whose last number is another": """
        SELECT 1 FROM conversations c WHERE last_number <> (
            SELECT count(*) FROM conversation_messages WHERE conversation_id = c.id
        )
    """,
    "a participant whose unread count is another": """
        SELECT 1 FROM participants p WHERE unread <> (
            SELECT count(*) FROM conversation_messages m
            WHERE m.conversation_id = p.conversation_id AND author_id <> user_id
        )
    """,
    "an author who takes no part": """
        SELECT 1 FROM conversation_messages m WHERE NOT EXISTS (
            SELECT FROM participants p
            WHERE p.conversation_id = m.conversation_id AND p.user_id = m.author_id
        )
    """,
}


async def _seed(postgres: Postgres, size: SeedSize) -> None:
    await asyncio.to_thread(seed, postgres.url(DATABASE), size, PASSWORD)


async def _count(postgres: Postgres, table: str) -> int:
    (row,) = await postgres.fetch(f"SELECT count(*) FROM {table}", DATABASE)  # noqa: S608
    count: int = row[0]
    return count


async def test_seeded_messages_were_delivered(api: Api, postgres: Postgres) -> None:
    """Messages, inboxes, numbers and unread counts agree, and the service goes on from there."""
    await _seed(postgres, WITH_TALKS)
    assert await _count(postgres, "conversation_messages") == 50
    assert await _count(postgres, "inbox_entries") == 50 * 4
    for what, query in INCONSISTENT.items():
        assert await postgres.fetch(query, DATABASE) == [], what
    talk = Talk(api=api, id=1)
    assert (await talk.post(1, "next")).body["number"] == 18
    assert [one["number"] for one in await talk.messages(2)] == list(range(18, 0, -1))
    assert await unread(api, 2) > 0
    (row,) = await postgres.fetch(
        "SELECT body FROM inbox_entries WHERE user_id = 1 AND number = 1", DATABASE
    )
    body = json.loads(row[0])
    assert 1.7e9 < body.pop("created") < 1e11
    assert body == {
        "kind": "message",
        "conversation": 1,
        "message": 1,
        "id": "seed-1-1",
        "from": 1,
        "payload": "Message 0 of the seed",
    }


async def test_seed_may_be_repeated(api: Api, postgres: Postgres) -> None:
    """What is there stays as it is, and more conversations come in beside it."""
    await _seed(postgres, WITH_TALKS)
    await _seed(postgres, WITH_TALKS)
    assert await _count(postgres, "inbox_entries") == 50 * 4
    foreign = await converse(api, 1, 2)
    assert foreign.id == 4
    larger = SeedSize(
        users=SIZE.users, channels=SIZE.channels, posts=SIZE.posts, conversations=6, messages=60
    )
    await _seed(postgres, larger)
    assert await _count(postgres, "conversation_messages") == 50 + 20
    assert (await foreign.call(2, "GET")).body["last_number"] == 0
    for what, query in INCONSISTENT.items():
        assert await postgres.fetch(query, DATABASE) == [], what


async def test_seed_takes_nothing_of_others(api: Api, postgres: Postgres) -> None:
    """A role that the seed sets back ends the user's sessions; where posts or channels of others
    have ids that it needs, it says so and changes nothing."""
    admin, promoted = await api.token(), await log_in(api, 3)
    await api.call("PUT", "/api/admin/users/2/role", {"role": "admin"}, admin)
    session = await log_in(api, 2)
    await _seed(postgres, SIZE)
    await until_refused(api, session)
    assert (await refresh(api, session)).status == 401
    assert await works(api, promoted)
    assert (await log_in(api, 2))["role"] == "user"
    await api.call("POST", "/api/posts", {"text": "of somebody"}, admin)
    await postgres.execute("INSERT INTO channels (name) VALUES ('foreign')", database=DATABASE)
    before = await _count(postgres, "memberships")
    for more, what in (
        (replace(SIZE, posts=SIZE.posts + 5), "1 of the ids 1 to 55 belong to other posts"),
        (
            replace(SIZE, channels=SIZE.channels + 5),
            "1 of the ids 1 to 10 belong to other channels",
        ),
    ):
        with pytest.raises(SeedConflict, match=what):
            await _seed(postgres, more)
    assert await _count(postgres, "memberships") == before


async def test_seed_gives_no_id_out_again(api: Api, postgres: Postgres) -> None:
    """After a seeded and a later conversation were deleted, the seed neither makes them anew nor
    lets the service give their ids to others: inboxes still tell of their messages."""
    await _seed(postgres, WITH_TALKS)
    later = await converse(api, 1, 2)
    await later.say(1, 1)
    for talk in (later, Talk(api=api, id=2)):
        creator = (await postgres.fetch(CREATOR.format(talk.id), DATABASE))[0][0]
        assert (await talk.call(creator, "DELETE")).status == 204
    await _seed(postgres, WITH_TALKS)
    assert (await converse(api, 1, 2)).id == later.id + 1
    assert await _count(postgres, "conversations") == 3


async def test_seed_gives_no_post_out_again(api: Api, postgres: Postgres) -> None:
    """Sown again after the newest post was deleted, the database numbers on: who was told of the
    deleted one is not led to another."""
    token = await api.token()
    deleted = (await api.call("POST", "/api/posts", {"text": "first"}, token)).body["id"]
    assert (await api.call("DELETE", f"/api/posts/{deleted}", token=token)).status == 204
    await asyncio.to_thread(seed, postgres.url(DATABASE), SIZE, PASSWORD)
    following = (await api.call("POST", "/api/posts", {"text": "second"}, token)).body["id"]
    assert following > deleted
