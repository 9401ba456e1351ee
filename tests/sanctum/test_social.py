"""Posts, comments and likes: whose they are, how they are counted, and what paging promises."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, SIZE
from tests.sanctum.servers import DEADLINE_S, Postgres

AUTHOR, OTHER, ADMIN = 2, 3, 1
ORPHANS = """
    SELECT (SELECT count(*) FROM comments), (SELECT count(*) FROM likes),
        (SELECT count(*) FROM notifications)
"""


async def call(
    api: Api, user: int, method: str, path: str, body: object = None, status: int = 200
) -> Any:
    """Send a request as a user, expect a status, and return the body."""
    answer = await api.call(method, f"/api{path}", body, await api.token(user))
    assert answer.status == status, answer
    return answer.body


async def post(api: Api, user: int = AUTHOR, text: str = "hello") -> int:
    """Write a post and return its id."""
    created = await call(api, user, "POST", "/posts", {"text": text}, 201)
    post_id: int = created["id"]
    return post_id


async def comment(api: Api, post_id: int, user: int = OTHER, text: str = "oh") -> int:
    """Comment on a post and return the comment's id."""
    made = await call(api, user, "POST", f"/posts/{post_id}/comments", {"text": text}, 201)
    comment_id: int = made["id"]
    return comment_id


async def told(api: Api, user: int) -> list[tuple[str, str, int, int | None]]:
    """List what a user was told, newest first."""
    listed = (await call(api, user, "GET", "/notifications"))["notifications"]
    return [(one["kind"], one["actor"], one["post"], one["comment"]) for one in listed]


async def test_author_changes_a_post_and_nobody_else(api: Api) -> None:
    """An edit shows everywhere under the next version; others, admins included, get 403."""
    post_id = await post(api)
    path = f"/posts/{post_id}"
    edited = await call(api, AUTHOR, "PUT", path, {"text": "better"})
    assert (edited["text"], edited["version"], edited["author"]) == ("better", 2, "user-0002")
    assert edited["updated_at"] >= edited["created_at"]
    assert (await api.call("GET", f"/api{path}")).body == edited
    assert (await call(api, OTHER, "GET", "/feed"))["posts"][0] == edited
    for user in (OTHER, ADMIN):
        assert (await call(api, user, "PUT", path, {"text": "mine"}, 403))["error"] == "not_yours"
    assert (await api.call("PUT", f"/api{path}", {"text": "mine"})).status == 401
    stale = await call(api, AUTHOR, "PUT", path, {"text": "late", "version": 1}, 409)
    assert stale["error"] == "version_conflict"
    assert (await call(api, AUTHOR, "PUT", path, {"text": "x", "version": 2}))["version"] == 3
    await call(api, AUTHOR, "PUT", "/posts/999999", {"text": "x"}, 404)
    for body in ({"text": ""}, {"text": "x" * 4001}, {"text": "\x00"}, {"text": "x", "version": 0}):
        await call(api, AUTHOR, "PUT", path, body, 422)
    assert await api.metric('social_posts_total{did="updated"}') == 2
    assert await api.metric('sanctum_security_denied_total{what="author"}') == 2


async def test_edits_of_one_version_at_once_are_one(api: Api) -> None:
    """Of many who change the same version at the same time one succeeds and the rest get 409."""
    path = f"/api/posts/{await post(api)}"
    token = await api.token(AUTHOR)
    edits = [api.call("PUT", path, {"text": f"edit {i}", "version": 1}, token) for i in range(10)]
    answers = await asyncio.gather(*edits)
    assert sorted(answer.status for answer in answers) == [200] + [409] * 9
    assert (await api.call("GET", path)).body["version"] == 2


async def test_deleted_post_takes_all_along(api: Api, postgres: Postgres) -> None:
    """Author or admin delete a post, others do not; no comment, like or notification is left."""
    first, second = await post(api), await post(api)
    for post_id in (first, second):
        await comment(api, post_id)
        await call(api, OTHER, "PUT", f"/posts/{post_id}/like")
    await call(api, OTHER, "DELETE", f"/posts/{first}", status=403)
    assert len(await told(api, AUTHOR)) == 4
    await call(api, AUTHOR, "DELETE", f"/posts/{first}", status=204)
    await call(api, ADMIN, "DELETE", f"/posts/{second}", status=204)
    for post_id in (first, second):
        assert (await api.call("GET", f"/api/posts/{post_id}")).status == 404
        await call(api, AUTHOR, "DELETE", f"/posts/{post_id}", status=404)
        await call(api, OTHER, "GET", f"/posts/{post_id}/comments", status=404)
        await call(api, OTHER, "PUT", f"/posts/{post_id}/like", status=404)
        await call(api, OTHER, "POST", f"/posts/{post_id}/comments", {"text": "late"}, 404)
    assert tuple((await postgres.fetch(ORPHANS, DATABASE))[0]) == (0, 0, 0)
    assert (await call(api, AUTHOR, "GET", "/notifications/unread"))["unread"] == 0


async def test_comments_are_listed_counted_changed_and_deleted(api: Api) -> None:
    """Comments page oldest first, each once; a post counts those that are there."""
    post_id = await post(api)
    path = f"/posts/{post_id}/comments"
    made = [await comment(api, post_id, text=f"comment {i}") for i in range(5)]
    seen: list[int] = []
    page: dict[str, Any] = {"next": 0}
    while page["next"] is not None:
        page = await call(api, AUTHOR, "GET", f"{path}?limit=2&after={page['next']}")
        seen += [one["id"] for one in page["comments"]]
    assert seen == made
    edited = await call(api, OTHER, "PUT", f"{path}/{made[0]}", {"text": "new"})
    assert (edited["text"], edited["version"], edited["post"]) == ("new", 2, post_id)
    await call(api, OTHER, "PUT", f"{path}/{made[0]}", {"text": "x", "version": 1}, 409)
    await call(api, AUTHOR, "PUT", f"{path}/{made[0]}", {"text": "x"}, 403)
    await call(api, AUTHOR, "DELETE", f"{path}/{made[0]}", status=403)
    await call(api, OTHER, "DELETE", f"{path}/{made[0]}", status=204)
    await call(api, ADMIN, "DELETE", f"{path}/{made[1]}", status=204)
    await call(api, OTHER, "DELETE", f"{path}/{made[0]}", status=404)
    await call(api, OTHER, "DELETE", f"/posts/1/comments/{made[2]}", status=404)
    assert (await api.call("GET", f"/api/posts/{post_id}")).body["comments"] == 3
    listed = (await call(api, AUTHOR, "GET", path))["comments"]
    assert [one["id"] for one in listed] == made[2:]
    assert [kind for kind, *_ in await told(api, AUTHOR)] == ["comment"] * 3
    assert (await call(api, AUTHOR, "GET", "/posts/1/comments"))["comments"] == []
    for body in ({"text": ""}, {"text": "x" * 2001}, {}, {"text": "\x00"}):
        await call(api, OTHER, "POST", path, body, 422)
    for query in ("limit=0", "limit=101", "after=x"):
        await call(api, OTHER, "GET", f"{path}?{query}", status=422)
    for method, way in (("GET", ""), ("POST", ""), ("PUT", "/1"), ("DELETE", "/1")):
        assert (await api.call(method, f"/api{path}{way}", {"text": "x"})).status == 401


async def test_likes_count_each_user_once_whatever_is_repeated(api: Api) -> None:
    """With everybody liking and taking back at once, the count is what is stored, to the one."""
    post_id = await post(api)
    path = f"/api/posts/{post_id}/like"
    users = range(2, 12)
    tokens = [await api.token(user) for user in users]
    calls = [api.call("PUT", path, token=token) for token in tokens for _ in range(5)]
    answers = await asyncio.gather(*calls)
    assert {answer.status for answer in answers} == {200}
    assert max(answer.body["likes"] for answer in answers) == len(users)
    assert await api.metric('social_likes_total{did="liked"}') == len(users)

    async def toggle(token: str, last: str) -> None:
        for method in ("DELETE", "PUT", "DELETE", last):
            assert (await api.call(method, path, token=token)).status == 200

    lasts = ["PUT", "DELETE"] * 5
    await asyncio.gather(*map(toggle, tokens, lasts), *map(toggle, tokens, lasts))
    liked = await call(api, ADMIN, "PUT", f"/posts/{post_id}/like")
    assert liked == {"post": post_id, "likes": 6, "liked": True}
    feed = (await call(api, OTHER, "GET", "/feed"))["posts"]
    assert (feed[0]["id"], feed[0]["likes"]) == (post_id, 6)
    likers = {actor for kind, actor, *_ in await told(api, AUTHOR) if kind == "like"}
    assert likers == {f"user-{user:04d}" for user in (1, 4, 6, 8, 10)}


async def test_author_is_told_of_comments_and_likes_but_not_the_own(api: Api) -> None:
    """Each comment and the like of another is announced at once; a like taken back is not."""
    post_id = await post(api)
    comment_id = await comment(api, post_id)
    await comment(api, post_id, user=AUTHOR)
    like = f"/posts/{post_id}/like"
    for user in (AUTHOR, OTHER, OTHER):
        await call(api, user, "PUT", like)
    assert await told(api, AUTHOR) == [
        ("like", "user-0003", post_id, None),
        ("comment", "user-0003", post_id, comment_id),
    ]
    assert (await call(api, AUTHOR, "GET", "/notifications/unread"))["unread"] == 2
    readers = SIZE.users // 5 - 1
    assert await api.metric("notification_events_total") == readers + 2
    assert await call(api, OTHER, "DELETE", like) == {"post": post_id, "likes": 1, "liked": False}
    assert [kind for kind, *_ in await told(api, AUTHOR)] == ["comment"]
    for method in ("PUT", "DELETE"):
        assert (await api.call(method, f"/api{like}")).status == 401
        await call(api, OTHER, method, "/posts/x/like", status=422)


async def test_feed_pages_skip_and_repeat_nothing_while_posts_are_written(api: Api) -> None:
    """Whoever follows the pages sees each post of before once, though others write and delete."""
    reader = await api.token(OTHER)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await call(api, AUTHOR, "DELETE", f"/posts/{await post(api)}", status=204)
            await post(api)

    writing = [asyncio.create_task(write()) for _ in range(3)]
    try:
        seen: list[int] = []
        page: dict[str, Any] = {"next": 2**63 - 1}
        while page["next"] is not None:
            path = f"/api/feed?limit=5&before={page['next']}"
            page = (await api.call("GET", path, token=reader)).body
            seen += [one["id"] for one in page["posts"]]
    finally:
        stop.set()
        await asyncio.gather(*writing)
    assert len(set(seen)) == len(seen)
    assert seen == sorted(seen, reverse=True)
    assert [one for one in seen if one <= SIZE.posts] == list(range(SIZE.posts, 0, -1))


async def test_comments_are_followed_up_without_a_gap_while_written(api: Api) -> None:
    """A reader who goes on after the last one seen misses none of those written meanwhile."""
    post_id = await post(api)
    path = f"/posts/{post_id}/comments"
    seen: list[int] = []

    async def write(user: int) -> list[int]:
        return [await comment(api, post_id, user) for _ in range(10)]

    async def follow() -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(seen) < 50:
                after = seen[-1] if seen else 0
                page = await call(api, AUTHOR, "GET", f"{path}?limit=100&after={after}")
                seen.extend(one["id"] for one in page["comments"])

    written, _ = await asyncio.gather(asyncio.gather(*map(write, range(3, 8))), follow())
    assert seen == sorted(one for ids in written for one in ids)
    assert (await api.call("GET", f"/api/posts/{post_id}")).body["comments"] == 50


DISAGREEING = """
    SELECT p.id FROM posts p
    WHERE p.likes <> (SELECT count(*) FROM likes l WHERE l.post_id = p.id)
       OR p.comments <> (SELECT count(*) FROM comments c WHERE c.post_id = p.id)
    UNION ALL
    SELECT n.id FROM notifications n WHERE n.kind = 'like'
       AND NOT EXISTS (SELECT FROM likes l WHERE l.post_id = n.post_id AND l.user_id = n.actor_id)
"""


async def test_writes_of_all_kinds_at_once_agree_and_block_nobody(
    api: Api, postgres: Postgres
) -> None:
    """With everybody doing everything to the same posts, no request fails and all counts agree."""
    users = (1, 6, 11, 16)  # they share a channel, so each is told of all the others' posts
    posts = [await post(api, user) for user in users] + [1, 2]

    async def live(user: int, choice: random.Random) -> None:
        for _ in range(10):
            path = f"/api/posts/{choice.choice(posts)}"
            token = await api.token(user)
            made = await api.call("POST", f"{path}/comments", {"text": "oh"}, token)
            listed = await api.call("GET", "/api/notifications?limit=100", token=token)
            ids = [one["id"] for one in listed.body["notifications"]]
            ways: list[tuple[str, str, object]] = [
                ("PUT", f"{path}/like", None),
                ("DELETE", f"{path}/like", None),
                ("PUT", path, {"text": "edited"}),
                ("DELETE", path if choice.random() < 0.1 else f"{path}/like", None),
                ("POST", "/api/notifications/read-all", None),
                ("POST", "/api/notifications/read", {"ids": choice.sample(ids, len(ids)) or [1]}),
                ("POST", "/api/posts", {"text": "new"}),
            ]
            if made.status == 201:
                ways.append(("DELETE", f"{path}/comments/{made.body['id']}", None))
            for method, way, body in choice.sample(ways, 4):
                answer = await api.call(method, way, body, token)
                assert answer.status in (200, 201, 204, 403, 404), (method, way, answer)

    lives = [(user, random.Random(user * 10 + i)) for user in users for i in (0, 1)]  # noqa: S311
    await asyncio.gather(*(live(*one) for one in lives))
    assert await postgres.fetch(DISAGREEING, DATABASE) == []
    assert await api.metric("storage_retries_total") == 0
    text = (await api.call("GET", "/metrics")).body
    assert "Deadlock" not in text
