"""Conversations: made, listed, changed by version, deleted; nobody else sees anything of them."""

from __future__ import annotations

import asyncio
from functools import partial

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.sanctum.clients import Answer, Api
from tests.sanctum.conftest import DATABASE
from tests.sanctum.servers import Postgres, Valkey
from tests.sanctum.talks import Talk, converse, until_true

from sanctum.messaging.conversations import PARTICIPANTS_MAX

CONFLICTS = "messaging_conversation_version_conflicts_total"
DENIED = 'sanctum_security_denied_total{what="conversation"}'


async def _listed(api: Api, user: int, query: str = "") -> Answer:
    return await api.call("GET", f"/v1/conversations{query}", token=await api.token(user))


async def test_conversation_is_seen_by_those_who_take_part(api: Api) -> None:
    """Every participant reads and lists it from its creation on; others get 403 and no entry."""
    talk = await converse(api, 1, 2, 3, title="three of us")
    for user in (1, 2, 3):
        found = await talk.call(user, "GET")
        assert (found.status, found.body["title"]) == (200, "three of us")
        assert (found.body["version"], found.body["created_by"]) == (1, 1)
        assert [one["id"] for one in (await _listed(api, user)).body["conversations"]] == [talk.id]
    before = await api.metric(DENIED)
    assert (await talk.call(4, "GET")).status == 403
    assert await api.metric(DENIED) == before + 1
    assert (await _listed(api, 4)).body == {"conversations": [], "next": None}


async def test_outsider_is_refused_everywhere(api: Api) -> None:
    """Each route of a conversation answers 403 to who takes no part and 404 where there is none."""
    talk = await converse(api, 1, 2)
    nowhere = Talk(api=api, id=talk.id + 1)
    attempts: list[tuple[str, str, object]] = [
        ("GET", "", None),
        ("PATCH", "", {"version": 1, "title": "mine"}),
        ("DELETE", "", None),
        ("GET", "/participants", None),
        ("POST", "/participants", {"user": 3}),
        ("DELETE", "/participants/2", None),
        ("GET", "/messages", None),
        ("POST", "/read", {"number": 1}),
    ]
    before = await api.metric(DENIED)
    for method, path, body in attempts:
        assert (await talk.call(3, method, path, body)).status == 403, (method, path)
        assert (await nowhere.call(3, method, path, body)).status == 404, (method, path)
        url = f"/v1/conversations/{talk.id}{path}"
        assert (await api.call(method, url, body)).status == 401, (method, path)
    assert (await talk.post(3, "x")).status == 403
    assert (await nowhere.post(3, "x")).status == 404
    assert await api.metric(DENIED) == before + len(attempts) + 1
    assert (await talk.call(1, "GET")).body["title"] == "a title"


async def test_bad_input_is_refused_with_its_field(api: Api) -> None:
    """A body or parameter that cannot be is 422 and names what is wrong; nothing is made."""
    talk = await converse(api, 1, 2)
    token = await api.token(1)
    users = list(range(2, 2 + PARTICIPANTS_MAX))
    bodies: list[tuple[dict[str, object], str]] = [
        ({"kind": "secret", "participants": [2]}, "kind"),
        ({"kind": "group"}, "participants"),
        ({"kind": "group", "participants": []}, "participants"),
        ({"kind": "group", "participants": [0]}, "participants"),
        ({"kind": "group", "participants": ["2"]}, "participants"),
        ({"kind": "group", "participants": [1]}, "participants"),
        ({"kind": "group", "participants": [2, 999]}, "participants"),
        ({"kind": "group", "participants": users}, "participants"),
        ({"kind": "direct", "participants": [2, 3]}, "participants"),
        ({"kind": "group", "participants": [2], "title": "x" * 201}, "title"),
        ({"kind": "group", "participants": [2], "title": "\x00"}, "title"),
    ]
    for body, field in bodies:
        answer = await api.call("POST", "/v1/conversations", body, token)
        assert (answer.status, field in answer.body["message"]) == (422, True), (body, answer)
    for query in ("limit=0", "limit=101", "before=1", "before=x-1", "before=" + "9" * 30 + "-1"):
        assert (await _listed(api, 1, f"?{query}")).status == 422, query
    for path in ("/v1/conversations/0", "/v1/conversations/x", f"/v1/conversations/{2**63}"):
        assert (await api.call("GET", path, token=token)).status == 422, path
    for change in ({"title": "no version"}, {"version": 0, "title": ""}, {"version": 1}):
        assert (await talk.call(1, "PATCH", "", change)).status == 422, change
    assert (await api.call("POST", "/v1/conversations", b" " * 70_000, token)).status == 413
    assert len((await _listed(api, 1)).body["conversations"]) == 1


async def test_list_pages_by_activity(api: Api) -> None:
    """Following `next` lists every conversation once, the one with the latest message first."""
    talks = [await converse(api, 1, 2, title=f"{i}") for i in range(7)]
    await talks[2].say(2, 1)
    assert (await talks[4].call(1, "PATCH", "", {"version": 1, "title": "later"})).status == 200
    seen: list[int] = []
    before = ""
    while True:
        page = (await _listed(api, 1, f"?limit=3{before}")).body
        seen += [one["id"] for one in page["conversations"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    expected = [talks[i].id for i in (4, 2, 6, 5, 3, 1, 0)]
    assert seen == expected


async def test_update_needs_the_version_that_is_there(api: Api) -> None:
    """Of updates of one version exactly one is made; each other is 409, counted, and changes
    nothing."""
    talk = await converse(api, 1, 2)
    before = await api.metric(CONFLICTS)
    changes = [{"version": 1, "title": f"title {i}"} for i in range(8)]
    answers = await asyncio.gather(
        *(talk.call(1 + i % 2, "PATCH", "", change) for i, change in enumerate(changes))
    )
    made = [answer.body for answer in answers if answer.status == 200]
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    assert await api.metric(CONFLICTS) == before + 7
    found = (await talk.call(2, "GET")).body
    assert (found["title"], found["version"]) == (made[0]["title"], 2)


async def test_only_the_creator_deletes(api: Api, postgres: Postgres) -> None:
    """Another participant is refused; afterwards nobody finds the conversation, and neither marks
    nor messages of it are left."""
    talk = await converse(api, 1, 2)
    await talk.say(1, 3)
    await talk.arrive(postgres)
    assert (await talk.call(2, "DELETE")).status == 403
    assert (await talk.call(1, "DELETE")).status == 204
    for method, path in (("GET", ""), ("GET", "/participants"), ("GET", "/messages")):
        for user in (1, 2, 3):
            assert (await talk.call(user, method, path)).status == 404, (method, path, user)
    assert (await talk.call(1, "DELETE")).status == 404
    assert (await talk.post(1, "late")).status == 404
    for table in ("conversations", "participants", "conversation_messages"):
        left = await postgres.fetch(f"SELECT count(*) FROM {table}", DATABASE)  # noqa: S608
        assert left[0][0] == 0, table
    assert (await _listed(api, 2)).body["conversations"] == []


@pytest.mark.parametrize("known", [True, False])
async def test_deletion_waits_for_a_delivery(api: Api, postgres: Postgres, known: bool) -> None:
    """A conversation deleted while messages of it are delivered waits until they are, whichever
    participant is told first, were they told anything before or not, and neither fails."""
    talk = await converse(api, 1, 2)
    connection = await asyncpg.connect(postgres.url(DATABASE))
    if known:
        await connection.execute("INSERT INTO inboxes (user_id) VALUES (1), (2)")
    delivery = connection.transaction()
    await delivery.start()
    await connection.execute(
        "INSERT INTO inboxes (user_id) VALUES (1), (2)"
        " ON CONFLICT (user_id) DO UPDATE SET last_number = 1"
    )
    await connection.execute("UPDATE participants SET unread = 1 WHERE user_id = 2")
    deletion = asyncio.ensure_future(talk.call(1, "DELETE"))
    await until_true(partial(_is_waiting, postgres))
    await connection.execute("UPDATE participants SET unread = 1 WHERE user_id = 1")
    await delivery.commit()
    await connection.close()
    assert (await deletion).status == 204


async def _is_waiting(postgres: Postgres) -> bool:
    return bool(await postgres.fetch("SELECT 1 FROM pg_locks WHERE NOT granted", DATABASE))


async def test_direct_conversation_has_two(api: Api) -> None:
    """Nobody is added to a direct conversation and nobody leaves it."""
    talk = await converse(api, 1, 2, kind="direct", title="")
    assert (await talk.add(1, 3)).status == 409
    assert (await talk.remove(2, 2)).status == 409
    assert sorted((await talk.call(2, "GET", "/participants")).body["participants"]) == [1, 2]


async def test_database_shows_the_role_nothing_of_others(postgres: Postgres, api: Api) -> None:
    """Row-level security binds the application's role: on behalf of an outsider, or of nobody, no
    row of a conversation is there to be read, changed or deleted."""
    talk = await converse(api, 1, 2)
    await talk.say(1, 2)
    for user in ("3", "0", ""):
        counts = await postgres.fetch_as_role(
            f"SET LOCAL sanctum.user_id = '{user}'",
            "SELECT count(*) FROM conversations",
            "SELECT count(*) FROM conversation_messages",
            "WITH c AS (UPDATE conversations SET title = 'x' RETURNING 1) SELECT count(*) FROM c",
            "WITH c AS (DELETE FROM conversations RETURNING 1) SELECT count(*) FROM c",
            database=DATABASE,
        )
        assert counts == [0, 0, 0, 0], user
    assert (await talk.call(2, "GET")).body["title"] == "a title"


async def test_database_binds_participants_too(postgres: Postgres, api: Api) -> None:
    """The role posts to no conversation on behalf of an outsider, and shows who joined late no
    message from before, whatever statement it runs."""
    talk = await converse(api, 1, 2)
    await talk.say(1, 2)
    assert (await talk.add(1, 3)).status == 201
    await talk.say(1, 1, "after")
    numbers = await postgres.fetch_as_role(
        "SET LOCAL sanctum.user_id = '3'",
        "SELECT array_agg(number) FROM conversation_messages",
        database=DATABASE,
    )
    assert numbers == [[3]]
    row = f"({talk.id}, 4, 4, 'x', 'x')"
    columns = "conversation_id, number, author_id, client_id, payload"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await postgres.fetch_as_role(
            "SET LOCAL sanctum.user_id = '4'",
            f"INSERT INTO conversation_messages ({columns}) VALUES {row}",  # noqa: S608
            database=DATABASE,
        )


async def test_cache_that_is_away_lets_in_whom_it_should(api: Api, valkey: Valkey) -> None:
    """Without the cache, participants do everything they may, outsiders still nothing, and a
    removed participant is an outsider at once."""
    talk = await converse(api, 1, 2, 3)
    for user in (1, 2, 3, 4):
        await api.token(user)
    valkey.kill()
    await api.wait_ready(ready=False)
    assert (await talk.post(2, "on")).status == 201
    assert await talk.numbers(3) == [1]
    assert (await talk.call(4, "GET", "/messages")).status == 403
    assert (await talk.remove(1, 3)).status == 204
    assert (await talk.call(3, "GET", "/messages")).status == 403
    assert (await talk.add(1, 4)).status == 201
    assert (await talk.call(4, "GET", "/messages")).status == 200
