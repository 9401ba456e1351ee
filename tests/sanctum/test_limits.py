"""Limits: requests served at once, and the rate of one API key."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send
from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, Serve
from tests.sanctum.servers import Postgres

from sanctum.auth.issuing import UnknownUser, issue_key
from sanctum.auth.keys import KEY_LENGTH_MAX, digest_of, new_key
from sanctum.defects import Defects
from sanctum.gateway.concurrency import ConcurrencyLimit
from sanctum.gateway.rates import CALLERS_MAX, RateLimit
from sanctum.telemetry.metrics import Metrics

HITS = 'rate_limit_hits_total{limit="%s"}'


class _Held:
    """An application that answers when it is told to, or fails."""

    def __init__(self) -> None:
        self.entered = 0
        self.free = asyncio.Event()
        self.fails = False

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.entered += 1
        await self.free.wait()
        if self.fails:
            raise RuntimeError("broken")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def _nothing() -> Message:
    raise AssertionError("the body is not read")


async def _ask(limit: ConcurrencyLimit, path: str = "/api/feed", kind: str = "http") -> int:
    """Send one request through the limit; return its status, 0 when it failed."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await limit({"type": kind, "path": path}, _nothing, send)
    except RuntimeError:
        return 0
    status: int = sent[0]["status"]
    return status


async def test_what_is_over_the_limit_is_refused_at_once() -> None:
    """Two are served; the third is answered 429 before either has ended, its body unread."""
    held = _Held()
    limit = ConcurrencyLimit(held, at_once_max=2, defects=Defects(), metrics=Metrics())
    served = [asyncio.ensure_future(_ask(limit)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await _ask(limit) == 429
    assert held.entered == 2
    held.free.set()
    assert await asyncio.gather(*served) == [200, 200]
    assert await _ask(limit) == 200


async def test_a_request_that_fails_gives_its_place_back() -> None:
    """However many requests end in an error, the limit lets in as many as before."""
    held = _Held()
    held.fails = True
    held.free.set()
    limit = ConcurrencyLimit(held, at_once_max=1, defects=Defects(), metrics=Metrics())
    assert [await _ask(limit) for _ in range(3)] == [0, 0, 0]
    held.fails = False
    assert await _ask(limit) == 200


async def test_operators_and_sockets_are_not_limited() -> None:
    """Health, metrics and WebSockets pass a limit that is used up, and use up none of it."""
    held = _Held()
    limit = ConcurrencyLimit(held, at_once_max=1, defects=Defects(), metrics=Metrics())
    ways = [("/health/ready", "http"), ("/metrics", "http"), ("/ws/1", "websocket")]
    asked = [asyncio.ensure_future(_ask(limit, "/api/feed"))]
    asked += [asyncio.ensure_future(_ask(limit, *way)) for way in ways]
    await asyncio.sleep(0)
    assert held.entered == 4
    held.free.set()
    assert await asyncio.gather(*asked) == [200] * 4


async def test_a_crowd_is_served_up_to_the_limit_and_counted_beyond(serve: Serve) -> None:
    """Of many at once some are served and some told when to come back, and nobody fails else."""
    api = await serve(SANCTUM_CONCURRENCY_MAX="4", SANCTUM_DEFECTS="slow_feed")
    token = await api.token()
    crowd = [api.call("GET", "/api/feed", token=token) for _ in range(12)]
    answers = await asyncio.gather(*crowd)
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 4
    refused = [answer for answer in answers if answer.status == 429]
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert {answer.body["error"] for answer in refused} == {"too_many_requests"}
    assert await api.metric(HITS % "concurrency") == len(refused)


def test_rate_allows_a_burst_and_then_its_pace() -> None:
    """Three at once, then one each half second; what is refused says how long to wait."""
    now = 100.0
    limit = RateLimit(per_s=2, burst=3, now=lambda: now)
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    now += 0.5
    assert [limit.take("a"), limit.take("a")] == [0, pytest.approx(0.5)]
    now += 60
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_callers_do_not_share_their_rate() -> None:
    """One caller's burst takes nothing from another's, and no rate at all refuses nobody."""
    limit = RateLimit(per_s=1, burst=1, now=lambda: 0.0)
    assert [limit.take("a"), limit.take("a"), limit.take("b")] == [0, pytest.approx(1), 0]
    unlimited = RateLimit(per_s=0, burst=1, now=lambda: 0.0)
    assert not any(unlimited.take("a") for _ in range(1000))


def test_callers_remembered_are_bounded() -> None:
    """However many callers come, the newest are kept and the oldest forgotten."""
    limit = RateLimit(per_s=1, burst=1, now=lambda: 0.0)
    for i in range(CALLERS_MAX + 1):
        limit.take(f"caller {i}")
    assert limit.take(f"caller {CALLERS_MAX}") > 0
    assert limit.take("caller 0") == 0


async def _key(postgres: Postgres, user: str = "user-0001", days: int = 1) -> str:
    return await asyncio.to_thread(issue_key, postgres.url(DATABASE), user, days)


async def test_key_acts_for_its_user(api: Api, postgres: Postgres) -> None:
    """A fresh key is accepted at once and posts in its user's name."""
    key = await _key(postgres, "user-0003")
    created = await api.call("POST", "/api/posts", {"text": "by key"}, key=key)
    assert (created.status, created.body["author"]) == (201, "user-0003")
    assert (await api.call("GET", "/api/feed", key=key)).status == 200


async def test_key_that_is_none_is_refused(api: Api, postgres: Postgres) -> None:
    """An unknown, malformed or expired key is 401 and counted, also beside a valid token."""
    expired = await _key(postgres)
    ended = "UPDATE api_keys SET expires_at = now() - interval '1 second'"
    await postgres.execute(ended, database=DATABASE)
    token = await api.token()
    wrong = [new_key(), "", "x", "sanctum_" + "x" * KEY_LENGTH_MAX, "sanctum_\xe4", expired]
    for key in wrong:
        answer = await api.call("GET", "/api/feed", token=token, key=key)
        assert (answer.status, answer.body["error"]) == (401, "invalid_key"), key
    assert await api.metric('auth_failures_total{reason="invalid_key"}') == len(wrong)


async def test_key_that_ended_is_soon_refused(
    api: Api, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was accepted before is looked up again after its bound, and then refused."""
    monkeypatch.setattr("sanctum.auth.keys.REMEMBERED_S", 0.0)
    key = await _key(postgres)
    assert (await api.call("GET", "/api/feed", key=key)).status == 200
    await postgres.execute("DELETE FROM api_keys", database=DATABASE)
    assert (await api.call("GET", "/api/feed", key=key)).status == 401


async def test_key_is_looked_up_once_in_a_while(api: Api, postgres: Postgres) -> None:
    """A key that is used again and again costs no query each time."""
    key = await _key(postgres)
    for _ in range(5):
        assert (await api.call("GET", "/api/feed", key=key)).status == 200
    assert await api.metric('database_query_seconds_count{operation="find_key"}') == 1


async def test_only_the_hash_of_a_key_is_stored(api: Api, postgres: Postgres) -> None:
    """The table holds the digest of the key and no column holds the key itself."""
    key = await _key(postgres)
    rows = await postgres.fetch("SELECT * FROM api_keys", database=DATABASE)
    assert [row["key_sha256"] for row in rows] == [digest_of(key)]
    assert key not in str([dict(row) for row in rows])
    assert (await api.call("GET", "/metrics")).body.count(key) == 0


async def test_nobody_gets_a_key_for_nobody(database: str, postgres: Postgres) -> None:
    """A key for an unknown user is refused, and none is stored."""
    with pytest.raises(UnknownUser, match="no user nobody"):
        await _key(postgres, "nobody")
    assert await postgres.fetch("SELECT 1 FROM api_keys", database=database) == []


async def test_key_has_its_rate(serve: Serve, postgres: Postgres) -> None:
    """A key beyond its burst gets 429 with Retry-After, counted; tokens and other keys do not."""
    api = await serve(SANCTUM_RATE_LIMIT_PER_S="1", SANCTUM_RATE_LIMIT_BURST="2")
    eager, other = await _key(postgres), await _key(postgres, "user-0002")
    answers = [await api.call("GET", "/api/feed", key=eager) for _ in range(12)]
    limited = [answer for answer in answers if answer.status == 429]
    assert [answer.status for answer in answers[:2]] == [200, 200]
    assert limited
    assert all(answer.headers["retry-after"] == "1" for answer in limited)
    assert (await api.call("GET", "/api/feed", key=other)).status == 200
    token = await api.token()
    for _ in range(5):
        assert (await api.call("GET", "/api/feed", token=token)).status == 200
    assert await api.metric(HITS % "key") == len(limited)
