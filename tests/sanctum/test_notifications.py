"""Notifications: who is told of a post, how the list pages, what is unread."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.sanctum.clients import CHANNELS, Api
from tests.sanctum.conftest import DATABASE, SIZE
from tests.sanctum.servers import Postgres

from sanctum.notifications.storage import MARKED_MAX, UNREAD_COUNTED_MAX
from sanctum.notifications.telling import READERS_MAX

NEIGHBOURS = [1 + CHANNELS * k for k in range(1, SIZE.users // CHANNELS)]  # of user 1


async def _post(api: Api, user: int, text: str = "hello") -> int:
    created = await api.call("POST", "/api/posts", {"text": text}, await api.token(user))
    assert created.status == 201, created
    post_id: int = created.body["id"]
    return post_id


async def _list(api: Api, user: int, query: str = "") -> dict[str, Any]:
    answer = await api.call("GET", f"/api/notifications{query}", token=await api.token(user))
    assert answer.status == 200, answer
    page: dict[str, Any] = answer.body
    return page


async def _unread(api: Api, user: int) -> dict[str, Any]:
    answer = await api.call("GET", "/api/notifications/unread", token=await api.token(user))
    body: dict[str, Any] = answer.body
    return body


async def _mark(api: Api, user: int, ids: list[int]) -> int:
    token = await api.token(user)
    answer = await api.call("POST", "/api/notifications/read", {"ids": ids}, token)
    assert answer.status == 200, answer
    marked: int = answer.body["marked"]
    return marked


async def test_post_tells_those_who_share_a_channel_with_its_author(api: Api) -> None:
    """Each of them finds the post in the list once it was acknowledged; nobody else is told."""
    post_id = await _post(api, 1)
    for reader in range(1, SIZE.users + 1):
        listed = (await _list(api, reader))["notifications"]
        if reader in NEIGHBOURS:
            assert [(n["kind"], n["actor"], n["post"], n["read"]) for n in listed] == [
                ("post", "user-0001", post_id, False)
            ]
        else:
            assert listed == [], reader
    assert await api.metric("notification_events_total") == len(NEIGHBOURS)


async def test_no_more_readers_are_told_than_the_bound(api: Api, postgres: Postgres) -> None:
    """In a channel larger than the bound the oldest accounts are told, as many as it allows."""
    await postgres.execute(
        "INSERT INTO users (id, username, password_hash)"
        " SELECT i, 'late-' || i, '' FROM generate_series(1000, 1200) AS i",
        "INSERT INTO memberships SELECT 1, i FROM generate_series(1000, 1200) AS i",
        database=DATABASE,
    )
    await _post(api, 1)
    assert await api.metric("notification_events_total") == READERS_MAX
    for reader in NEIGHBOURS:
        assert len((await _list(api, reader))["notifications"]) == 1


async def test_list_pages_through_all_notifications_once(api: Api) -> None:
    """Following `next` lists every notification once, newest first, and ends with null."""
    posts = [await _post(api, 1, f"post {i}") for i in range(10)]
    seen: list[int] = []
    before = ""
    while True:
        page = await _list(api, NEIGHBOURS[0], f"?limit=3{before}")
        seen += [notification["post"] for notification in page["notifications"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == posts[::-1]


async def test_unread_falls_by_what_was_read(api: Api) -> None:
    """What is marked read leaves the count at once, is listed as read, and counts only once."""
    reader = NEIGHBOURS[0]
    for i in range(3):
        await _post(api, 1, f"post {i}")
    assert await _unread(api, reader) == {"unread": 3, "more": False}
    newest, *older = (n["id"] for n in (await _list(api, reader))["notifications"])
    assert await _mark(api, reader, [newest, newest]) == 1
    assert await _mark(api, reader, [newest]) == 0
    assert await _unread(api, reader) == {"unread": 2, "more": False}
    listed = (await _list(api, reader))["notifications"]
    assert [(n["id"], n["read"]) for n in listed] == [(newest, True), *((i, False) for i in older)]


async def test_nobody_marks_what_is_anothers(api: Api) -> None:
    """An id of another reader is not marked, and stays unread for the one it belongs to."""
    first, second = NEIGHBOURS[:2]
    await _post(api, 1)
    (notification,) = (await _list(api, first))["notifications"]
    assert await _mark(api, second, [notification["id"]]) == 0
    assert (await _unread(api, first))["unread"] == 1


async def test_same_ones_marked_at_once_are_counted_once(api: Api) -> None:
    """Requests that mark the same notifications in any order do not block each other."""
    reader = NEIGHBOURS[0]
    for i in range(20):
        await _post(api, 1, f"post {i}")
    ids = [n["id"] for n in (await _list(api, reader))["notifications"]]
    orders = [ids, ids[::-1]] * 5
    marked = await asyncio.gather(*(_mark(api, reader, order) for order in orders))
    assert sum(marked) == 20


async def test_count_of_unread_is_bounded(api: Api, postgres: Postgres) -> None:
    """A reader with more unread ones than are counted is told that there are more."""
    reader = NEIGHBOURS[0]
    post_id = await _post(api, 1)
    series = f"generate_series(1, {UNREAD_COUNTED_MAX})"
    rows = f"SELECT {reader}, 'post', 1, {post_id} FROM {series}"  # noqa: S608
    many = f"INSERT INTO notifications (user_id, kind, actor_id, post_id) {rows}"
    await postgres.execute(many, database=DATABASE)
    assert await _unread(api, reader) == {"unread": UNREAD_COUNTED_MAX, "more": True}


async def test_all_up_to_now_is_marked_in_bounded_steps(api: Api, postgres: Postgres) -> None:
    """Marking all leaves nothing unread, the caller's only, so many at a time."""
    reader, neighbour = NEIGHBOURS[:2]
    post_id = await _post(api, 1)
    series = f"generate_series(1, {MARKED_MAX})"
    rows = f"SELECT {reader}, 'post', 1, {post_id} FROM {series}"  # noqa: S608
    many = f"INSERT INTO notifications (user_id, kind, actor_id, post_id) {rows}"
    await postgres.execute(many, database=DATABASE)
    token = await api.token(reader)
    steps = [await api.call("POST", "/api/notifications/read-all", token=token) for _ in range(3)]
    assert [step.body for step in steps] == [
        {"marked": MARKED_MAX, "more": True},
        {"marked": 1, "more": False},
        {"marked": 0, "more": False},
    ]
    assert (await _unread(api, reader))["unread"] == 0
    assert (await _unread(api, neighbour))["unread"] == 1
    assert (await api.call("POST", "/api/notifications/read-all")).status == 401


async def test_bad_requests_are_refused(api: Api) -> None:
    """A parameter or body that cannot be is 422, and without a token everything is 401."""
    token = await api.token()
    for query in ("limit=0", "limit=101", "before=0", "before=x"):
        answer = await api.call("GET", f"/api/notifications?{query}", token=token)
        assert answer.status == 422, query
    bodies: list[object] = [{}, {"ids": []}, {"ids": [0]}, {"ids": ["1"]}, {"ids": [1] * 101}]
    for body in bodies:
        answer = await api.call("POST", "/api/notifications/read", body, token)
        assert answer.status == 422, body
    for method, path in (("GET", ""), ("GET", "/unread"), ("POST", "/read")):
        assert (await api.call(method, f"/api/notifications{path}")).status == 401
