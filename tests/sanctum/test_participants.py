"""Participants: who may let others in, who may send them away, and what is never done twice."""

from __future__ import annotations

import asyncio
from functools import partial

import asyncpg  # type: ignore[import-untyped]
from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE
from tests.sanctum.servers import Postgres
from tests.sanctum.talks import Talk, converse, until_true

from sanctum.messaging.conversations import PARTICIPANTS_MAX


async def _participants(talk: Talk, user: int = 1) -> list[int]:
    answer = await talk.call(user, "GET", "/participants")
    assert answer.status == 200, answer
    return sorted(answer.body["participants"])


async def test_participants_let_others_in(api: Api) -> None:
    """Whoever takes part adds others; the answer and every later list hold them."""
    talk = await converse(api, 1, 2)
    answer = await talk.add(2, 3)
    assert (answer.status, sorted(answer.body["participants"])) == (201, [1, 2, 3])
    assert await _participants(talk, 3) == [1, 2, 3]
    assert (await talk.post(3, "here")).status == 201
    again = await talk.add(1, 3)
    assert (again.status, again.body["error"]) == (409, "already_participant")
    unknown = await talk.add(1, 999)
    assert (unknown.status, unknown.body["error"]) == (422, "unknown_user")
    assert await _participants(talk) == [1, 2, 3]


async def test_bad_participants_are_refused(api: Api) -> None:
    """A body or a path that names no user is 422 and changes nothing."""
    talk = await converse(api, 1, 2)
    for body in ({}, {"user": 0}, {"user": "3"}, {"user": None}, {"user": 2**63}, [3]):
        answer = await talk.call(1, "POST", "/participants", body)
        assert answer.status == 422, body
    for path in ("0", "x", f"{2**63}", "-1"):
        assert (await talk.call(1, "DELETE", f"/participants/{path}")).status == 422, path
    assert await _participants(talk) == [1, 2]


async def test_creator_removes_and_others_leave(api: Api) -> None:
    """The creator removes anybody else, everybody else only themselves, nobody the creator."""
    talk = await converse(api, 1, 2, 3, 4)
    assert (await talk.remove(2, 3)).status == 403
    assert (await talk.remove(1, 1)).status == 409
    assert (await talk.remove(2, 1)).status == 403
    assert (await talk.remove(1, 5)).status == 404
    assert await _participants(talk) == [1, 2, 3, 4]
    assert (await talk.remove(1, 3)).status == 204
    assert (await talk.remove(2, 2)).status == 204
    assert (await talk.remove(2, 2)).status == 403
    assert await _participants(talk) == [1, 4]


async def test_who_is_removed_while_waiting_does_nothing(api: Api, postgres: Postgres) -> None:
    """What a participant asked for before a removal, and what waited for it, is refused after it:
    nobody lets themselves or others in again, and nothing more is posted or renamed."""
    talk = await converse(api, 1, 2)
    assert (await talk.post(2, "before")).status == 201
    connection = await asyncpg.connect(postgres.url(DATABASE))
    removal = connection.transaction()
    await removal.start()
    await connection.execute("SELECT FROM conversations FOR UPDATE")
    asked = [
        asyncio.ensure_future(one)
        for one in (
            talk.add(2, 2),
            talk.add(2, 3),
            talk.post(2, "late"),
            talk.call(2, "PATCH", body={"version": 1, "title": "late"}),
        )
    ]
    await until_true(partial(_all_wait, postgres, len(asked)))
    await connection.execute("DELETE FROM participants WHERE user_id = 2")
    await connection.execute("UPDATE conversations SET participants_version = 9")
    await removal.commit()
    await connection.close()
    assert [(await one).status for one in asked] == [403] * len(asked)
    assert await _participants(talk) == [1]
    assert await talk.numbers(1) == [1]
    assert (await talk.call(1, "GET")).body["title"] == "a title"


async def _all_wait(postgres: Postgres, count: int) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    (row,) = await postgres.fetch(waiting, DATABASE)
    return bool(row[0] == count)


async def test_conversation_can_be_full(api: Api, postgres: Postgres) -> None:
    """Of many who are added at once so many get in as the bound allows, and the rest are 409."""
    talk = await converse(api, 1, 2)
    late = f"generate_series(1000, {999 + PARTICIPANTS_MAX - 4}) AS i"
    accounts = f"SELECT i, 'late-' || i, '' FROM {late}"  # noqa: S608
    await postgres.execute(
        f"INSERT INTO users (id, username, password_hash) {accounts}",
        f"INSERT INTO participants SELECT {talk.id}, i, 0, 0, 0 FROM {late}",  # noqa: S608
        database=DATABASE,
    )
    answers = await asyncio.gather(*(talk.add(1, user) for user in range(3, 9)))
    assert sorted(answer.status for answer in answers) == [201, 201, 409, 409, 409, 409]
    assert {answer.body["error"] for answer in answers if answer.status == 409} == {
        "conversation_full"
    }
    assert len(await _participants(talk)) == PARTICIPANTS_MAX


async def test_concurrent_changes_are_told_in_their_order(api: Api) -> None:
    """After any mix of changes and messages at once, the list is that of the database and each
    participant sees exactly the messages since they joined."""
    talk = await converse(api, 1, 2)
    for user in range(1, 9):
        await api.token(user)

    async def come_and_go(user: int) -> None:
        for _ in range(3):
            assert (await talk.add(2, user)).status == 201
            assert (await talk.remove(1, user)).status == 204
        assert (await talk.add(2, user)).status == 201

    await asyncio.gather(*(come_and_go(user) for user in range(3, 9)), talk.say(1, 20))
    assert await _participants(talk, 8) == list(range(1, 9))
    await talk.say(1, 1, "last")
    for user in range(1, 9):
        numbers = await talk.numbers(user)
        assert numbers == list(range(21, 21 - len(numbers), -1))
        assert numbers
