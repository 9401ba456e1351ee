"""Sessions: renewed by refresh tokens, each good for one use, and ended by log-out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.sanctum.clients import PASSWORD, Answer, Api
from tests.sanctum.conftest import DATABASE, OpenLink, Serve
from tests.sanctum.servers import DEADLINE_S, ROLE, ROLE_PASSWORD, Postgres

from sanctum.auth.ends import Ends
from sanctum.auth.sessions import OPEN_MAX, End, SessionStorage
from sanctum.auth.tokens import InvalidToken, Proof, RefreshTokens, Tokens
from sanctum.gateway.identity import Identity, Role

REFRESHES = 'auth_refresh_total{outcome="%s"}'


async def log_in(api: Api, user: int = 1) -> dict[str, Any]:
    """Log a synthetic user in anew and return the session."""
    credentials = {"username": f"user-{user:04d}", "password": PASSWORD}
    answer = await api.call("POST", "/api/auth/login", credentials)
    assert answer.status == 200, answer
    session: dict[str, Any] = answer.body
    return session


async def refresh(api: Api, session: dict[str, Any]) -> Answer:
    """Show a session's refresh token."""
    body = {"refresh_token": session["refresh_token"]}
    return await api.call("POST", "/api/auth/refresh", body)


async def works(api: Api, session: dict[str, Any]) -> bool:
    """Tell whether a session's access token is taken."""
    answer = await api.call("GET", "/api/notifications/unread", token=session["token"])
    assert answer.status in (200, 401), answer
    return answer.status == 200


async def until_refused(api: Api, session: dict[str, Any]) -> None:
    """Wait until a session's access token is refused."""
    async with asyncio.timeout(DEADLINE_S):
        while await works(api, session):
            await asyncio.sleep(0.02)


async def test_refresh_gives_new_tokens_and_voids_the_old_one(api: Api) -> None:
    """Each refresh token is good once; shown again it ends the session with all its tokens."""
    first = await log_in(api)
    assert (first["role"], first["expires_in"], first["refresh_expires_in"]) == (
        "admin",
        10_800,
        86_400,
    )
    second = (await refresh(api, first)).body
    third = (await refresh(api, second)).body
    assert sorted(third) == sorted(first)
    assert third["user_id"] == first["user_id"]
    assert [await works(api, one) for one in (first, second, third)] == [True] * 3
    other = await log_in(api)
    stolen = await refresh(api, first)
    assert (stolen.status, stolen.body["error"]) == (401, "invalid_refresh_token")
    assert (await refresh(api, third)).status == 401
    assert [await works(api, one) for one in (first, second, third)] == [False] * 3
    assert await works(api, other)
    assert await api.metric(REFRESHES % "renewed") == 2
    assert await api.metric(REFRESHES % "reused") == 1
    assert await api.metric(REFRESHES % "ended") == 1
    assert await api.metric('auth_session_ends_total{cause="reused"}') == 1
    assert await api.metric('auth_failures_total{reason="refresh_token"}') == 2


async def test_same_refresh_token_at_once_is_taken_once(api: Api) -> None:
    """Of many who show one token at the same time one is served, and the session ends."""
    session = await log_in(api)
    answers = await asyncio.gather(*(refresh(api, session) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 7
    assert not await works(api, session)


async def test_log_out_ends_the_session_here_and_elsewhere(serve: Serve) -> None:
    """After log-out its tokens are refused at once, in other processes soon, and no others are."""
    here, there = await serve(), await serve(SANCTUM_SESSION_CHECK_INTERVAL_S="0.1")
    session, other = await log_in(here), await log_in(here)
    assert await works(there, session)
    assert (await here.call("POST", "/api/auth/logout", token=session["token"])).status == 204
    assert not await works(here, session)
    await until_refused(there, session)
    again = await here.call("POST", "/api/auth/logout", token=session["token"])
    assert (again.status, again.body["error"]) == (401, "ended_session")
    assert (await refresh(here, session)).status == 401
    later = await serve()
    assert not await works(later, session)
    assert [await works(one, other) for one in (here, there, later)] == [True] * 3
    assert await here.metric('auth_session_ends_total{cause="logged_out"}') == 1


async def test_outage_of_the_database_ends_and_renews_nothing(
    serve: Serve, postgres: Postgres, database: str, open_link: OpenLink
) -> None:
    """Without its database a process answers 503, takes no token on trust, and recovers."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    bounds = {"SANCTUM_DATABASE_URL": url, "SANCTUM_DATABASE_COMMAND_TIMEOUT_S": "0.5"}
    api = await serve(**bounds)
    session, other = await log_in(api), await log_in(api, 2)
    link.hold()
    await api.wait_ready(ready=False)
    late = await serve(ready=False, **bounds)
    calls = [
        api.call("POST", "/api/auth/logout", token=session["token"]),
        api.call("POST", "/api/auth/login", {"username": "user-0001", "password": PASSWORD}),
        refresh(api, session),
        api.call("DELETE", "/api/admin/users/2/sessions", token=session["token"]),
        api.call("PUT", "/api/posts/1/like", token=session["token"]),
        api.call("POST", "/api/posts/1/comments", {"text": "oh"}, session["token"]),
        api.call("GET", "/api/keys", token=session["token"]),
        late.call("POST", "/api/notifications/read-all", token=session["token"]),
    ]
    for answer in await asyncio.gather(*calls):
        assert (answer.status, answer.body["error"]) == (503, "database_unavailable")
    link.release()
    await api.wait_ready()
    await late.wait_ready()
    assert [await works(one, other) for one in (api, late)] == [True, True]
    assert (await refresh(api, other)).status == 200


async def test_what_is_no_refresh_token_is_refused(api: Api) -> None:
    """Garbage, an access token and a foreign signature are 401, and never open the gate."""
    session = await log_in(api)
    foreign = RefreshTokens(secret="x" * 32, ttl_s=60).mint(1, 0)
    for token in ("", "x", "a.b.c", session["token"], foreign):
        answer = await api.call("POST", "/api/auth/refresh", {"refresh_token": token})
        assert (answer.status, answer.body["error"]) == (401, "invalid_refresh_token"), token
    bodies: list[object] = [{}, {"refresh_token": 1}, {"refresh_token": "x" * 1025}, []]
    for body in bodies:
        assert (await api.call("POST", "/api/auth/refresh", body)).status == 422, body
    swapped = await api.call("GET", "/api/feed", token=session["refresh_token"])
    assert swapped.status == 401
    assert (await api.call("POST", "/api/auth/logout")).status == 401
    assert await api.metric(REFRESHES % "invalid") == 5
    assert (await refresh(api, session)).status == 200


async def test_session_that_was_idle_too_long_is_not_renewed(api: Api, postgres: Postgres) -> None:
    """A session past its time is over, though its token be genuine."""
    session = await log_in(api)
    await postgres.execute("UPDATE sessions SET expires_at = now()", database=DATABASE)
    assert (await refresh(api, session)).status == 401
    assert await works(api, session)


async def test_what_no_token_can_belong_to_is_purged(serve: Serve, postgres: Postgres) -> None:
    """A process deletes sessions that expired and ends of long ago, and keeps all others."""
    await postgres.execute(
        "INSERT INTO sessions (user_id, expires_at)"
        " SELECT 1, now() + i * interval '1 hour' FROM unnest(ARRAY[-2, -1, 1]) AS i",
        "INSERT INTO session_ends (user_id, session_id, ended_at)"
        " SELECT 1, i, now() - i * interval '1 hour' FROM unnest(ARRAY[9, 8, 2]) AS i",
        database=DATABASE,
    )
    await serve()
    left = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM session_ends)"
    async with asyncio.timeout(DEADLINE_S):
        while tuple((await postgres.fetch(left, DATABASE))[0]) != (1, 1):
            await asyncio.sleep(0.05)
    kept = await postgres.fetch("SELECT session_id FROM session_ends", DATABASE)
    assert [row[0] for row in kept] == [2]


async def test_open_sessions_of_a_user_are_bounded(api: Api, postgres: Postgres) -> None:
    """With one more than the bound the oldest can no longer be renewed, the others can."""
    oldest, second = await log_in(api), await log_in(api)
    rows = f"SELECT 1, now() + interval '1 day' FROM generate_series(3, {OPEN_MAX})"  # noqa: S608
    more = f"INSERT INTO sessions (user_id, expires_at) {rows}"
    await postgres.execute(more, database=DATABASE)
    newest = await log_in(api)
    assert (await refresh(api, oldest)).status == 401
    assert [(await refresh(api, one)).status for one in (second, newest)] == [200, 200]
    kept = await postgres.fetch("SELECT count(*) FROM sessions", DATABASE)
    assert kept[0][0] == OPEN_MAX


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.USER, {Role.USER}),
        (Role.INSTRUCTOR, {Role.USER, Role.INSTRUCTOR}),
        (Role.ADMIN, {Role.USER, Role.INSTRUCTOR, Role.ADMIN}),
    ],
)
def test_admins_may_all_and_others_what_is_theirs(role: Role, may: set[Role]) -> None:
    """A role covers itself and what every user may; an admin's covers every other."""
    assert {needed for needed in Role if role.covers(needed)} == may


def _end(number: int, *, session: int | None = None, epoch: int | None = None) -> End:
    instant = datetime.fromtimestamp(1000 + number, UTC)
    return End(session=session, user_id=7, epoch=epoch, ended_at=instant, id=number)


def _proof(session: int, epoch: int = 0, issued_at: float = 0) -> Proof:
    identity = Identity(user_id=7, username="u", session=session, epoch=epoch)
    return Proof(identity=identity, issued_at=issued_at, expires_at=9e9)


class _Table(SessionStorage):
    """A table of ends in memory."""

    def __init__(self, *rows: End) -> None:
        self.rows = list(rows)
        self.pages = 0

    async def ended_after(self, instant: datetime, end_id: int, limit: int) -> list[End]:
        """List a page of what is later than a point."""
        self.pages += 1
        await asyncio.sleep(0)
        later = [end for end in self.rows if (end.ended_at, end.id) > (instant, end_id)]
        return sorted(later, key=lambda end: (end.ended_at, end.id))[:limit]


async def test_ends_are_forgotten_with_their_tokens_only() -> None:
    """Memory is bounded: of more ends than that, all tokens of the oldest one's time are void."""
    now = 0.0
    ends = Ends(
        _Table(),
        token_ttl_s=10,
        interval_s=1,
        overlap_s=1,
        remembered_max=2,
        now=lambda: now,
    )
    for number in (1, 2):
        ends.note(_end(number, session=number))
    assert [await ends.refuses(_proof(n)) for n in (1, 2, 3)] == [True, True, False]
    ends.note(_end(3, session=3))
    assert await ends.refuses(_proof(1, issued_at=1001))
    assert not await ends.refuses(_proof(9, issued_at=1003))
    now = 11.5
    ends.note(_end(4, session=4))
    assert not await ends.refuses(_proof(3, issued_at=1003))


async def test_ends_are_read_page_by_page_and_late_ones_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A crowd at the start makes one look; what commits late within the overlap is still read."""
    monkeypatch.setattr("sanctum.auth.ends.PAGE_MAX", 2)
    start = datetime.now(UTC)
    rows = [
        End(session=n, user_id=7, epoch=None, ended_at=start + timedelta(seconds=n // 3), id=n)
        for n in range(1, 8)
    ]
    late = rows.pop(2)
    table = _Table(*rows)
    ends = Ends(table, token_ttl_s=10, interval_s=1, overlap_s=3)
    refused = await asyncio.gather(*(ends.refuses(_proof(n, 0, 9e9)) for n in range(9)))
    assert refused == [False, True, True, False, True, True, True, True, False]
    assert table.pages == 4
    table.rows.append(late)
    await ends.look()
    assert await ends.refuses(_proof(3, issued_at=9e9))


async def test_end_of_all_sessions_spares_later_ones() -> None:
    """A user's epoch voids the tokens of those before it, whatever order ends are read in."""
    ends = Ends(_Table(), token_ttl_s=10, interval_s=1, overlap_s=1)
    for epoch in (2, 1):
        ends.note(_end(epoch, epoch=epoch))
    assert [await ends.refuses(_proof(5, epoch)) for epoch in (0, 1, 2)] == [True, True, False]


def test_tokens_carry_role_and_session() -> None:
    """What was minted is proved again to the letter, and a token of an older form is refused."""
    tokens = Tokens(secret="s" * 32, ttl_s=60)
    who = Identity(user_id=7, username="u", role=Role.INSTRUCTOR, session=3, epoch=2)
    assert tokens.check(tokens.mint(who)).identity == who
    with pytest.raises(InvalidToken):
        tokens.check(RefreshTokens(secret="s" * 32, ttl_s=60).mint(3, 0))
