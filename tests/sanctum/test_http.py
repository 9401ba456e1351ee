"""Accounts, posts and operations as HTTP clients see them."""

from __future__ import annotations

import asyncio

import jwt
import pytest
from tests.sanctum.clients import PASSWORD, Api
from tests.sanctum.conftest import SIZE, Serve

from sanctum.auth.passwords import Passwords, PasswordsOverloaded, hash_password
from sanctum.auth.tokens import InvalidToken, Tokens
from sanctum.gateway.identity import Identity
from sanctum.settings.access import DEVELOPMENT_JWT_SECRET


async def test_sign_up_then_log_in(api: Api) -> None:
    """A new account can log in at once, its name is then taken, and its token works."""
    account = {"username": "alice", "password": "correct horse"}
    created = await api.call("POST", "/api/auth/signup", account)
    assert created.status == 201
    assert created.body["username"] == "alice"
    taken = await api.call("POST", "/api/auth/signup", account)
    assert (taken.status, taken.body["error"]) == (409, "username_taken")
    session = await api.call("POST", "/api/auth/login", account)
    assert session.status == 200
    assert session.body["user_id"] == created.body["id"]
    assert session.body["expires_in"] > 0
    assert (await api.call("GET", "/api/feed", token=session.body["token"])).status == 200


async def test_wrong_credentials_are_refused_alike(api: Api) -> None:
    """An unknown name and a wrong password get the same 401, and both are counted."""
    answers = [
        await api.call("POST", "/api/auth/login", {"username": name, "password": "wrong password"})
        for name in ("user-0001", "nobody")
    ]
    assert answers[0].body == answers[1].body
    assert answers[0].status == answers[1].status
    assert (answers[0].status, answers[0].body["error"]) == (401, "invalid_credentials")
    assert await api.metric('auth_failures_total{reason="credentials"}') == 2
    assert await api.metric("auth_login_success_rate") == 0


BAD_BODIES: list[tuple[str, object, int]] = [
    ("/api/auth/signup", {"username": "ab", "password": PASSWORD}, 422),
    ("/api/auth/signup", {"username": "a b c", "password": PASSWORD}, 422),
    ("/api/auth/signup", {"username": "user-0001\n", "password": PASSWORD}, 422),
    ("/api/auth/signup", {"username": "valid", "password": "short"}, 422),
    ("/api/auth/signup", {"username": "valid", "password": "x" * 129}, 422),
    ("/api/auth/signup", {"username": "valid", "password": "nul\x00nul\x00"}, 422),
    ("/api/auth/signup", {"username": "valid"}, 422),
    ("/api/auth/login", {"username": "nul\x00", "password": PASSWORD}, 422),
    ("/api/auth/login", {"username": 1, "password": PASSWORD}, 422),
    ("/api/auth/login", b"no json", 400),
    ("/api/auth/login", b"\xff", 400),
    ("/api/auth/login", b'{"deep":' + b"[" * 60_000, 400),
    ("/api/auth/login", b'{"username": "\\ud800", "password": "p"}', 400),
    ("/api/auth/login", b" " * 70_000, 413),
    ("/api/posts", {"text": ""}, 422),
    ("/api/posts", {"text": "x" * 4001}, 422),
    ("/api/posts", {"text": "\x00"}, 422),
    ("/api/posts", [], 422),
    ("/api/ws/ticket", {"channel": 0}, 422),
    ("/api/ws/ticket", {"channel": 2**63}, 422),
    ("/api/ws/ticket", {"channel": "1"}, 422),
]


async def test_bad_bodies_are_refused_in_one_form(api: Api) -> None:
    """Every body that is not what a route expects gets a 4xx with an error and a message."""
    token = await api.token()
    for path, body, status in BAD_BODIES:
        answer = await api.call("POST", path, body, token)
        assert answer.status == status, (path, body, answer)
        assert sorted(answer.body) == ["error", "message"]
    assert (await api.call("GET", "/health")).body["status"] == "UP"


async def test_bearer_token_is_needed(api: Api) -> None:
    """Routes that act for a user refuse a missing, malformed, foreign or expired token with 401."""
    foreign = jwt.encode({"sub": "1", "name": "x", "exp": 9e9}, "x" * 32, algorithm="HS256")
    claims = {"sub": "1", "name": "user-0001", "exp": 1}
    expired = jwt.encode(claims, DEVELOPMENT_JWT_SECRET, algorithm="HS256")
    unsigned = jwt.encode({"sub": "1", "name": "x", "exp": 9e9}, "", algorithm="none")
    for method, path in (
        ("GET", "/api/feed"),
        ("POST", "/api/posts"),
        ("POST", "/api/ws/ticket"),
        ("GET", "/api/notifications"),
    ):
        for token in (None, "", "x", foreign, expired, unsigned):
            answer = await api.call(method, path, {}, token)
            assert answer.status == 401, (path, token)


async def test_feed_pages_through_all_posts_once(api: Api) -> None:
    """Following `next` lists every post once, newest first, and ends with null."""
    token = await api.token()
    created = await api.call("POST", "/api/posts", {"text": "newest"}, token)
    assert created.status == 201
    assert created.body["author"] == "user-0001"
    seen: list[int] = []
    before = ""
    while True:
        page = (await api.call("GET", f"/api/feed?limit=17{before}", token=token)).body
        seen += [post["id"] for post in page["posts"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == list(range(SIZE.posts + 1, 0, -1))
    assert seen[0] == created.body["id"]


async def test_feed_checks_its_parameters(api: Api) -> None:
    """A limit or id that is no number in range is refused with 422."""
    token = await api.token()
    assert len((await api.call("GET", "/api/feed", token=token)).body["posts"]) == 20
    for query in ("limit=0", "limit=101", "limit=x", "limit=-1", "before=0", "before=" + "9" * 30):
        assert (await api.call("GET", f"/api/feed?{query}", token=token)).status == 422, query


async def test_post_is_readable_once_made(api: Api) -> None:
    """A post can be read under the id its author got, and an unknown id is 404."""
    token = await api.token(user=3)
    created = await api.call("POST", "/api/posts", {"text": "grüße"}, token)
    found = await api.call("GET", f"/api/posts/{created.body['id']}")
    assert (found.status, found.body) == (200, created.body)
    assert (await api.call("GET", "/api/posts/999999")).status == 404
    assert (await api.call("GET", "/api/posts/x")).status == 422


async def test_token_of_a_removed_account_makes_no_post(api: Api) -> None:
    """A valid token whose account does not exist is refused with 401, not with a server error."""
    token = Tokens(secret=DEVELOPMENT_JWT_SECRET, ttl_s=60).mint(
        Identity(user_id=10**9, username="gone")
    )
    answer = await api.call("POST", "/api/posts", {"text": "hello"}, token)
    assert (answer.status, answer.body["error"]) == (401, "invalid_token")


async def test_unknown_paths_and_methods_have_the_error_form(api: Api) -> None:
    """What no route answers is 404 or 405 in the common form, and makes no new metric series."""
    unknown = await api.call("GET", "/nothing/here")
    assert (unknown.status, unknown.body["error"]) == (404, "not_found")
    wrong = await api.call("DELETE", "/api/feed")
    assert (wrong.status, wrong.body["error"]) == (405, "method_not_allowed")
    assert "/nothing/here" not in (await api.call("GET", "/metrics")).body


async def test_metrics_count_by_route_template(api: Api) -> None:
    """Requests are counted under the route's template and the required names are there."""
    await api.call("GET", "/api/posts/1")
    await api.call("GET", "/api/posts/2")
    async with await api.chat() as chat:
        await chat.say("a")
        await chat.received(1)
        assert await api.metric("ws_active_connections") == 1
    series = 'requests_total{method="GET",route="/api/posts/{post_id}",status="200"}'
    assert await api.metric(series) == 2
    for metric in ("messages_total", "messaging_dispatch_published_total"):
        assert await api.metric(metric) == 1, metric
    assert await api.metric("messaging_consumer_delivered_total") == 1
    assert await api.metric("ws_frame_sent_total") == 3
    text = (await api.call("GET", "/metrics")).body
    for name in (
        "request_latency_ms_bucket",
        "ws_connect_total",
        "ws_close_total",
        "ws_overload_total",
        "ws_frame_sent_total",
        "ws_heartbeat_terminate_total",
        "auth_login_success_rate",
        "auth_token_generation_latency_bucket",
        "storage_circuit_breaker_transitions{",
        "messaging_dispatch_published_total",
        "messaging_consumer_delivered_total",
        "messaging_message_size_bytes_bucket",
        "async_logger_queue_size",
        'rate_limit_hits_total{limit="concurrency"} 0.0',
        'rate_limit_hits_total{limit="key"} 0.0',
        "notification_events_total 0.0",
        "auth_failures_total",
    ):
        assert f"\n{name}" in text, name


async def test_too_many_waiting_log_ins_are_refused(serve: Serve) -> None:
    """Beyond the bound on waiting passwords, 503 is answered instead of letting them pile up."""
    api = await serve(SANCTUM_ARGON2_THREADS="1", SANCTUM_ARGON2_WAITING_MAX="1")
    body = {"username": "user-0001", "password": PASSWORD}
    for path, served in (("/api/auth/login", 200), ("/api/auth/signup", 409)):
        calls = [api.call("POST", path, body) for _ in range(20)]
        answers = await asyncio.gather(*calls)
        assert {answer.status for answer in answers} == {served, 503}
        assert {answer.body.get("error") for answer in answers if answer.status == 503} == {
            "overloaded"
        }


async def test_passwords_refuse_beyond_their_bound() -> None:
    """The bound counts verifications running and waiting, and frees its places afterwards."""
    passwords = Passwords(threads=1, waiting_max=0)
    stored = hash_password(PASSWORD)
    first = asyncio.ensure_future(passwords.verify(stored, PASSWORD))
    await asyncio.sleep(0)
    with pytest.raises(PasswordsOverloaded):
        await passwords.verify(stored, PASSWORD)
    assert await first
    assert not await passwords.verify(None, PASSWORD)
    assert not await passwords.verify("not a hash", PASSWORD)
    passwords.close()


def test_remembered_token_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was accepted before is refused once its time is over."""
    tokens = Tokens(secret="s" * 32, ttl_s=60)
    token = tokens.mint(Identity(user_id=7, username="u"))
    assert tokens.check(token).identity == Identity(user_id=7, username="u")
    monkeypatch.setattr("sanctum.auth.tokens.time.time", lambda: 9e9)
    with pytest.raises(InvalidToken, match="expired"):
        tokens.check(token)
