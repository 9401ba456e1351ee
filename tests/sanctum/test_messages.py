"""Messages: stored once with their outbox row, listed in order, marked as read exactly."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, OpenLink, Serve
from tests.sanctum.servers import DEADLINE_S, ROLE, ROLE_PASSWORD, Postgres
from tests.sanctum.talks import Talk, converse, post, unread, until_true

from sanctum.messaging.message_routes import PAYLOAD_BYTES_MAX
from sanctum.messaging.messages import PAGE_BYTES_MAX

REJECTS = 'messaging_payload_rejects_total{reason="payload_too_large"}'


async def _marks(talk: Talk, user: int) -> tuple[int, int]:
    found = (await talk.call(user, "GET")).body
    return found["read_number"], found["unread"]


async def _stored(postgres: Postgres, table: str) -> list[tuple[Any, ...]]:
    columns = "conversation_id, number, author_id, client_id, payload"
    query = f"SELECT {columns} FROM {table} ORDER BY conversation_id, number"  # noqa: S608
    return [tuple(row) for row in await postgres.fetch(query, DATABASE)]


async def test_message_is_stored_with_its_outbox_row(api: Api, postgres: Postgres) -> None:
    """An acknowledged message has its conversation's next number, and waits in the outbox as it
    was posted."""
    talk = await converse(api, 1, 2)
    counted = (
        await api.metric("messages_total"),
        await api.metric("messaging_message_size_bytes_sum"),
    )
    answers = [await talk.post(1, "a", "eins"), await talk.post(2, "b", "zwei ü\x00")]
    assert [(one.status, one.body) for one in answers] == [
        (201, {"conversation": talk.id, "number": 1, "id": "a"}),
        (201, {"conversation": talk.id, "number": 2, "id": "b"}),
    ]
    stored = await _stored(postgres, "conversation_messages")
    assert stored == [
        (talk.id, 1, 1, "a", b"eins"),
        (talk.id, 2, 2, "b", "zwei ü\x00".encode()),
    ]
    assert await _stored(postgres, "outbox") == stored
    assert await api.metric("messages_total") == counted[0] + 2
    assert await api.metric("messaging_message_size_bytes_sum") == counted[1] + 4 + 8


async def test_repeated_message_is_stored_once(api: Api, postgres: Postgres) -> None:
    """The same id again answers 200 with the first result, however many ask at once."""
    talk = await converse(api, 1, 2)
    answers = await asyncio.gather(*(talk.post(1, "same") for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
    assert {answer.body["number"] for answer in answers} == {1}
    assert (await talk.post(1, "same")).status == 200
    assert (await talk.post(2, "same")).body["number"] == 2
    assert len(await _stored(postgres, "outbox")) == 2


async def test_id_with_other_content_is_refused(api: Api, postgres: Postgres) -> None:
    """An id that stands for another payload or conversation is 409 and takes no number."""
    talk, other = await converse(api, 1, 2), await converse(api, 1, 2)
    assert (await talk.post(1, "taken", "first")).status == 201
    assert (await talk.post(1, "taken", "second")).status == 409
    assert (await other.post(1, "taken", "first")).status == 409
    assert (await talk.post(1, "next")).body["number"] == 2
    assert (await other.post(1, "other")).body["number"] == 1
    assert len(await _stored(postgres, "conversation_messages")) == 3


async def test_concurrent_messages_are_numbered_without_gaps(api: Api) -> None:
    """Messages posted at once by several authors get each number once, and none is left out."""
    talk = await converse(api, 1, 2, 3)
    await asyncio.gather(*(talk.post(1 + i % 3, f"id-{i}") for i in range(30)))
    assert await talk.numbers(2, limit=7) == list(range(30, 0, -1))


async def test_largest_payload_comes_back_as_it_was(api: Api) -> None:
    """A payload of 64 KiB is stored to the byte, also where JSON writes it six times as long; one
    byte more is 413 and counted."""
    talk = await converse(api, 1, 2)
    payloads = {
        "plain": "x" * PAYLOAD_BYTES_MAX,
        "escaped": "\x01" * PAYLOAD_BYTES_MAX,
        "wide": "€" * (PAYLOAD_BYTES_MAX // 3),
    }
    for client_id, payload in payloads.items():
        assert (await talk.post(1, client_id, payload)).status == 201, client_id
    found = {one["id"]: one["payload"] for one in await talk.messages(2)}
    assert found == payloads
    before = await api.metric(REJECTS)
    for payload in ("x" * (PAYLOAD_BYTES_MAX + 1), "x" * 900_000):
        answer = await talk.post(1, "too large", payload)
        assert (answer.status, sorted(answer.body)) == (413, ["error", "message"])
    assert await api.metric(REJECTS) == before + 2
    assert await talk.numbers(2) == [3, 2, 1]


async def test_page_of_large_payloads_is_bounded(api: Api, postgres: Postgres) -> None:
    """A page stops before its payloads pass the bound, and the next one goes on from there."""
    talk = await converse(api, 1, 2)
    size = PAYLOAD_BYTES_MAX
    count = PAGE_BYTES_MAX // size + 3
    columns = "conversation_id, number, author_id, client_id, payload"
    values = f"{talk.id}, i, 1, i::text, convert_to(repeat('x', {size}), 'UTF8')"
    rows = f"SELECT {values} FROM generate_series(1, {count}) AS i"  # noqa: S608
    await postgres.execute(
        f"INSERT INTO conversation_messages ({columns}) {rows}",
        f"UPDATE conversations SET last_number = {count}",  # noqa: S608
        database=DATABASE,
    )
    first = (await talk.call(2, "GET", "/messages?limit=100")).body
    assert len(first["messages"]) == PAGE_BYTES_MAX // size
    assert await talk.numbers(2) == list(range(count, 0, -1))


async def test_bad_messages_are_refused(api: Api) -> None:
    """A body that is no message is 400 or 422 with its field, and stores nothing."""
    talk = await converse(api, 1, 2)
    token = await api.token(1)
    good: dict[str, object] = {"conversation": talk.id, "id": "x", "payload": "y"}
    for field, values in (
        ("conversation", [0, "1", None, 2**63, 1.5]),
        ("id", ["", "x" * 65, 1, "nul\x00"]),
        ("payload", ["", 1, None, {}]),
    ):
        for value in values:
            answer = await api.call("POST", "/v1/messages", {**good, field: value}, token)
            assert (answer.status, field in answer.body["message"]) == (422, True), (field, value)
    for body in (b"", b"{", b"\xff", b'{"payload": "\\ud800"}'):
        assert (await api.call("POST", "/v1/messages", body, token)).status == 400, body
    assert (await api.call("POST", "/v1/messages", good)).status == 401
    assert await talk.numbers(1) == []


async def test_who_joins_later_sees_what_comes_after(api: Api) -> None:
    """A participant sees the messages from after joining; re-joined, only those after that."""
    talk = await converse(api, 1, 2)
    await talk.say(1, 3, "before")
    assert (await talk.add(2, 3)).status == 201
    await talk.say(1, 2, "with")
    assert await talk.numbers(3, limit=1) == [5, 4]
    assert (await talk.remove(3, 3)).status == 204
    await talk.say(1, 1, "without")
    assert (await talk.add(1, 3)).status == 201
    assert await talk.numbers(3) == []
    assert (await _marks(talk, 3)) == (6, 0)
    await talk.say(1, 1, "again")
    assert await talk.numbers(3) == [7]


async def test_unread_falls_at_once_by_what_was_read(api: Api, postgres: Postgres) -> None:
    """Marked messages leave the conversation's count and the total in the same answer; own ones
    never count, a mark never moves backwards, and whether inboxes still hold it does not matter."""
    talk, other = await converse(api, 1, 2), await converse(api, 3, 2)
    await talk.say(1, 4)
    await talk.say(2, 1, "own")
    await other.say(3, 2)
    for one in (talk, other):
        await one.arrive(postgres)
    assert (await _marks(talk, 2), await _marks(talk, 1), await unread(api, 2)) == (
        (0, 4),
        (0, 1),
        6,
    )
    await postgres.execute("DELETE FROM inbox_entries", database=DATABASE)
    marked = await talk.read_up_to(2, 3)
    assert marked.body == {"conversation": talk.id, "read_number": 3, "unread": 1}
    assert await unread(api, 2) == 3
    assert (await talk.read_up_to(2, 1)).body["read_number"] == 3
    assert (await talk.read_up_to(2, 5)).body["unread"] == 0
    assert await unread(api, 2) == 2
    listed = await api.call("GET", "/v1/conversations", token=await api.token(2))
    assert {one["id"]: one["unread"] for one in listed.body["conversations"]} == {
        talk.id: 0,
        other.id: 2,
    }


async def test_mark_beyond_the_last_message_is_refused(api: Api) -> None:
    """What was never posted cannot have been read."""
    talk = await converse(api, 1, 2)
    await talk.say(1, 1)
    assert (await talk.read_up_to(2, 2)).status == 422
    assert (await talk.read_up_to(2, 0)).status == 422
    assert await _marks(talk, 2) == (0, 0)


async def test_unread_goes_with_what_is_deleted(api: Api, postgres: Postgres) -> None:
    """Neither a deleted conversation nor one that was left counts for anybody's total."""
    left, deleted = await converse(api, 1, 2), await converse(api, 1, 2)
    for one in (left, deleted):
        await one.say(1, 2, str(one.id))
        await one.arrive(postgres)
    assert await unread(api, 2) == 4
    assert (await left.remove(2, 2)).status == 204
    assert await unread(api, 2) == 2
    assert (await deleted.call(1, "DELETE")).status == 204
    assert await unread(api, 2) == 0


async def test_unread_is_exact_whatever_is_concurrent(api: Api, postgres: Postgres) -> None:
    """While messages arrive, marks at random instants leave exactly what is after the mark."""
    talk = await converse(api, 1, 2)
    await talk.say(1, 40)

    async def arrive() -> None:
        for _ in range(10):
            await talk.arrive(postgres)
            await talk.say(1, 1, f"late-{_}")

    async def mark() -> None:
        for number in range(1, 36):
            assert (await talk.read_up_to(2, number)).status == 200

    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(arrive(), mark(), mark())
    await talk.arrive(postgres)
    assert await _marks(talk, 2) == (35, 15)


async def test_what_is_read_before_it_arrives_is_not_unread(serve: Serve) -> None:
    """Marks at any instant, before, while and after messages are delivered, leave an exact count,
    and one that is brought to the last message leaves none."""
    api = await serve()
    talk = await converse(api, 1, 2, 3)
    await talk.say(1, 5, "early")
    assert (await talk.read_up_to(2, 4)).body["unread"] == 0
    for role in ("dispatcher", "consumer"):
        await serve(role=role)

    async def mark() -> None:
        for number in range(5, 31, 5):
            await until_true(partial(_last, talk, 2, number))
            assert (await talk.read_up_to(2, number)).status == 200

    await asyncio.gather(talk.say(1, 30), mark())
    await until_true(partial(_has_unread, talk, 3, 35))
    assert await _marks(talk, 2) == (30, 5)
    assert (await talk.read_up_to(2, 35)).body["unread"] == 0
    assert await unread(api, 2) == 0


async def _last(talk: Talk, user: int, number: int) -> bool:
    last: int = (await talk.call(user, "GET")).body["last_number"]
    return last >= number


async def _has_unread(talk: Talk, user: int, count: int) -> bool:
    return (await _marks(talk, user))[1] == count


async def test_id_of_a_hidden_message_is_not_told(api: Api) -> None:
    """Who was removed and posts an id anew gets 403, and 409 elsewhere: nothing of the message."""
    talk, other = await converse(api, 1, 2), await converse(api, 2, 3)
    assert (await talk.post(2, "mine", "secret")).status == 201
    assert (await talk.remove(1, 2)).status == 204
    assert (await talk.post(2, "mine", "secret")).status == 403
    answer = await other.post(2, "mine", "secret")
    assert (answer.status, "number" in answer.body) == (409, False)


async def test_author_who_joins_anew_may_repeat(api: Api) -> None:
    """Removed and added again, an author who repeats a request is told its first result, and sees
    no message from before; another message under the id is 409 as ever."""
    talk = await converse(api, 1, 2)
    assert (await talk.post(2, "mine", "hello")).body["number"] == 1
    assert (await talk.remove(1, 2)).status == 204
    assert (await talk.add(1, 2)).status == 201
    again = await talk.post(2, "mine", "hello")
    assert (again.status, again.body["number"]) == (200, 1)
    assert (await talk.post(2, "mine", "else")).status == 409
    assert (await talk.post(1, "mine", "hello")).body["number"] == 2
    assert await talk.numbers(2) == [2]


async def test_message_needs_the_database(
    serve: Serve, database: str, postgres: Postgres, open_link: OpenLink
) -> None:
    """Without the database nothing is acknowledged: 503, also where participants are at hand."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    api = await serve(SANCTUM_DATABASE_URL=url, SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.5")
    talk = await converse(api, 1, 2)
    await talk.say(1, 1, "before")
    link.hold()
    posted = await talk.post(1, "during")
    assert (posted.status, posted.body["error"]) == (503, "database_unavailable")
    assert (await post(api, 1, talk.id + 1, "during")).status == 503
    assert (await talk.call(1, "GET")).status == 503
    link.release()
    await api.wait_ready()
    assert (await talk.post(1, "after")).status == 201
    assert (await talk.messages(1))[0]["id"] == "after"


async def test_changes_before_delivery_stop_nothing(serve: Serve, postgres: Postgres) -> None:
    """What was posted to a conversation that is deleted is delivered to nobody, who was removed
    gets nothing more, who was added nothing from before; everything else arrives."""
    api = await serve()
    deleted, talk = await converse(api, 1, 2), await converse(api, 1, 2, 3)
    await deleted.say(1, 3, "gone")
    await talk.say(1, 2, "before")
    assert (await deleted.call(1, "DELETE")).status == 204
    assert (await talk.remove(1, 3)).status == 204
    assert (await talk.add(1, 4)).status == 201
    await talk.say(2, 2, "after")
    for role in ("dispatcher", "consumer"):
        await serve(role=role)
    await until_true(partial(_has_unread, talk, 4, 2))
    await until_true(partial(_is_empty, postgres, "outbox"))
    rows = await postgres.fetch(
        "SELECT user_id, conversation_id, message_number FROM inbox_entries ORDER BY 1, 2, 3",
        DATABASE,
    )
    seen = {user: [row[2] for row in rows if row[0] == user] for user in (1, 2, 3, 4)}
    assert seen == {1: [1, 2, 3, 4], 2: [1, 2, 3, 4], 3: [], 4: [3, 4]}
    assert {row[1] for row in rows} == {talk.id}
    assert [await unread(api, user) for user in (1, 2, 3, 4)] == [2, 2, 0, 2]


async def _is_empty(postgres: Postgres, table: str) -> bool:
    return not await postgres.fetch(f"SELECT 1 FROM {table} LIMIT 1", DATABASE)  # noqa: S608
