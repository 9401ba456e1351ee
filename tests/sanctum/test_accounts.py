"""Accounts under admins, and API keys under their owners."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, SIZE, Serve
from tests.sanctum.servers import DEADLINE_S, Postgres
from tests.sanctum.test_sessions import log_in, refresh, until_refused, works
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from sanctum.auth.key_storage import KEYS_MAX

ADMIN, USER = 1, 2
EXPIRY = "UPDATE api_keys SET expires_at = now() WHERE id = {}"
UNREAD = "/api/notifications/unread"


async def test_admins_list_all_users_and_nobody_else_does(api: Api) -> None:
    """The list pages through everybody once with their roles; others get 403, which is counted."""
    token = await api.token(ADMIN)
    listed: list[tuple[int, str]] = []
    page: dict[str, Any] = {"next": 0}
    while page["next"] is not None:
        path = f"/api/admin/users?limit=7&after={page['next']}"
        page = (await api.call("GET", path, token=token)).body
        listed += [(user["id"], user["role"]) for user in page["users"]]
    roles = {1: "admin", 10: "instructor", 20: "instructor"}
    assert listed == [(i, roles.get(i, "user")) for i in range(1, SIZE.users + 1)]
    ways = [
        ("GET", "/api/admin/users", None),
        ("PUT", "/api/admin/users/3/role", {"role": "admin"}),
        ("DELETE", "/api/admin/users/3/sessions", None),
    ]
    for user in (USER, 10):
        for method, path, body in ways:
            answer = await api.call(method, path, body, await api.token(user))
            assert (answer.status, answer.body["error"]) == (403, "role_needed"), path
    for method, path, body in ways:
        assert (await api.call(method, path, body)).status == 401
    assert await api.metric('sanctum_security_denied_total{what="role"}') == 6


async def test_role_holds_from_the_next_log_in(serve: Serve) -> None:
    """A role that is set ends the user's sessions, here and elsewhere; the next log-in has it."""
    here, there = await serve(), await serve(SANCTUM_SESSION_CHECK_INTERVAL_S="0.1")
    admin, before = await here.token(ADMIN), await log_in(here, USER)
    path = f"/api/admin/users/{USER}/role"
    changed = await here.call("PUT", path, {"role": "admin"}, admin)
    assert (changed.status, changed.body["role"]) == (200, "admin")
    assert not await works(here, before)
    await until_refused(there, before)
    assert (await refresh(there, before)).status == 401
    promoted = await log_in(there, USER)
    assert promoted["role"] == "admin"
    listed = await there.call("GET", "/api/admin/users", token=promoted["token"])
    assert listed.status == 200
    assert (await here.call("PUT", path, {"role": "user"}, admin)).status == 200
    await until_refused(there, promoted)
    own = await here.call("PUT", "/api/admin/users/1/role", {"role": "user"}, admin)
    assert (own.status, own.body["error"]) == (409, "own_role")
    missing = await here.call("PUT", "/api/admin/users/999999/role", {"role": "user"}, admin)
    assert missing.status == 404
    bodies: list[object] = [{"role": "king"}, {}, {"role": 1}]
    for body in bodies:
        assert (await here.call("PUT", path, body, admin)).status == 422


async def test_admin_ends_all_sessions_of_a_user(api: Api) -> None:
    """All that the user had begun are void, tokens of those renewed no more included."""
    admin = await api.token(ADMIN)
    sessions = [await log_in(api, USER) for _ in range(3)]
    other = await log_in(api, 3)
    path = f"/api/admin/users/{USER}/sessions"
    ended = await api.call("DELETE", path, token=admin)
    assert (ended.status, ended.body) == (200, {"ended": 3})
    assert [await works(api, one) for one in [*sessions, other]] == [False] * 3 + [True]
    assert {(await refresh(api, one)).status for one in sessions} == {401}
    assert await works(api, await log_in(api, USER))
    missing = await api.call("DELETE", "/api/admin/users/999999/sessions", token=admin)
    assert missing.status == 404
    assert await api.metric('auth_session_ends_total{cause="by_admin"}') == 3


async def test_keys_are_made_listed_and_revoked_by_their_owner(api: Api) -> None:
    """A key works until it is revoked, is told once only, and is nobody else's to see or end."""
    owner, other = await api.token(USER), await api.token(3)
    made = await api.call("POST", "/api/keys", {"days": 1}, owner)
    assert made.status == 201
    key, key_id = made.body["key"], made.body["id"]
    assert (await api.call("GET", UNREAD, key=key)).status == 200
    listed = await api.call("GET", "/api/keys", token=owner)
    assert listed.body == {"keys": [{k: v for k, v in made.body.items() if k != "key"}]}
    assert (await api.call("GET", "/api/keys", token=other)).body == {"keys": []}
    assert (await api.call("DELETE", f"/api/keys/{key_id}", token=other)).status == 404
    for method, path in (
        ("POST", "/api/keys"),
        ("GET", "/api/keys"),
        ("DELETE", f"/api/keys/{key_id}"),
        ("POST", "/api/auth/logout"),
    ):
        answer = await api.call(method, path, {}, key=key)
        assert (answer.status, answer.body["error"]) == (403, "session_needed")
    assert (await api.call("DELETE", f"/api/keys/{key_id}", token=owner)).status == 204
    assert (await api.call("GET", UNREAD, key=key)).status == 401
    assert (await api.call("DELETE", f"/api/keys/{key_id}", token=owner)).status == 404
    bodies: list[object] = [{"days": 0}, {"days": 366}, {"days": "1"}, []]
    for body in bodies:
        assert (await api.call("POST", "/api/keys", body, owner)).status == 422
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", "/1")):
        assert (await api.call(method, f"/api/keys{path}", {})).status == 401


async def test_sockets_of_a_key_end_with_it(serve: Serve, postgres: Postgres) -> None:
    """Whoever opened a socket with an API key is let go when it is revoked, in any process, or
    expires; so is a ticket of it. Sockets of other keys and of log-ins stay."""
    here, there = [await serve(SANCTUM_SESSION_CHECK_INTERVAL_S="0.1") for _ in range(2)]
    owner = await here.token(USER)
    keys = [(await here.call("POST", "/api/keys", {}, owner)).body for _ in range(3)]
    inbox = {"topic": "inbox"}
    tickets = [
        (await there.call("POST", "/api/ws/ticket", inbox, key=key["key"])).body["ticket"]
        for key in (*keys, keys[0])
    ]
    urls = [there.inbox_url(ticket) for ticket in tickets]
    revoked, expired, kept = [await connect(url) for url in urls[:3]]
    async with await there.inbox(USER) as logged_in:
        assert (await here.call("DELETE", f"/api/keys/{keys[0]['id']}", token=owner)).status == 204
        await postgres.execute(EXPIRY.format(keys[1]["id"]), database=DATABASE)
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(revoked.wait_closed(), expired.wait_closed())
        assert (revoked.close_code, expired.close_code) == (1008, 1008)
        with pytest.raises(InvalidStatus) as refusal:
            await connect(urls[3])
        assert refusal.value.response.status_code == 403
        await (await kept.ping())
        await (await logged_in.connection.ping())
    await kept.close()


async def test_there_is_always_an_admin(api: Api, postgres: Postgres) -> None:
    """Admins who take each other's role away at once do not both succeed."""
    await postgres.execute("UPDATE users SET role = 'admin' WHERE id = 2", database=DATABASE)
    first, second = [(await log_in(api, user))["token"] for user in (1, 2)]
    await api.call("GET", UNREAD, token=second)
    async with postgres.holding("SELECT 1 FROM users WHERE id < 3 FOR UPDATE", DATABASE):
        demoting = [
            asyncio.ensure_future(
                api.call("PUT", f"/api/admin/users/{user}/role", {"role": "user"}, token)
            )
            for user, token in ((2, first), (1, second))
        ]
        await postgres.waiting(2)
    assert sorted(answer.status for answer in await asyncio.gather(*demoting)) == [200, 403]
    left = await postgres.fetch("SELECT count(*) FROM users WHERE role = 'admin'", DATABASE)
    assert left[0][0] == 1


async def test_log_in_while_all_sessions_end(api: Api, postgres: Postgres) -> None:
    """A session that is opened while all of its user's are ended is ended with them, or lasts;
    none is refused and can be renewed all the same."""
    admin = await api.token(ADMIN)
    path = f"/api/admin/users/{USER}/sessions"
    for logs_in_first in (True, False):
        async with postgres.holding("SELECT 1 FROM users WHERE id = 2 FOR UPDATE", DATABASE):
            running: list[asyncio.Task[Any]] = []
            for logs_in in (logs_in_first, not logs_in_first):
                job: Coroutine[Any, Any, Any] = (
                    log_in(api, USER) if logs_in else api.call("DELETE", path, token=admin)
                )
                running.append(asyncio.create_task(job))
                await postgres.waiting(len(running))
        results = await asyncio.gather(*running)
        session = results[0] if logs_in_first else results[1]
        lasts = await works(api, session)
        assert ((await refresh(api, session)).status == 200) is lasts, logs_in_first


async def test_keys_of_a_user_are_bounded(api: Api, postgres: Postgres) -> None:
    """However many are asked for at once a user gets so many, and expired ones make room."""
    token = await api.token(USER)
    asked = [api.call("POST", "/api/keys", {}, token) for _ in range(KEYS_MAX + 5)]
    statuses = [answer.status for answer in await asyncio.gather(*asked)]
    assert sorted(statuses) == [201] * KEYS_MAX + [409] * 5
    await postgres.execute("UPDATE api_keys SET expires_at = now()", database=DATABASE)
    assert (await api.call("GET", "/api/keys", token=token)).body == {"keys": []}
    assert (await api.call("POST", "/api/keys", {}, token)).status == 201
    kept = await postgres.fetch("SELECT count(*) FROM api_keys", DATABASE)
    assert kept[0][0] == 1
