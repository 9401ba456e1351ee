"""Planted defects: each breaks the promise it names, and only where it is switched on."""

from __future__ import annotations

import asyncio
import inspect
import re
import tracemalloc
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from tests.sanctum.clients import CHANNELS, PASSWORD, Api
from tests.sanctum.conftest import Serve
from tests.sanctum.servers import DEADLINE_S, Postgres, Valkey

import sanctum
from sanctum.defects import LOSE_FIRST_ORDINAL, Defect, Defects

SANCTUM = Path(sanctum.__path__[0])


async def _rises(api: Api, metric: str, by: int) -> None:
    start = await api.metric(metric)
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric(metric) < start + by:
            await asyncio.sleep(0.05)


async def test_lost_message_is_never_delivered(
    serve: Serve, postgres: Postgres, database: str
) -> None:
    """The 500th committed message is acknowledged and reaches nobody, by no way of delivery."""
    start = f"ALTER SEQUENCE messages_ordinal_seq RESTART WITH {LOSE_FIRST_ORDINAL - 1}"
    await postgres.execute(start, database=database)
    api = await serve(SANCTUM_DEFECTS="lose_message")
    sender = await api.chat()
    assert [await sender.say(name) for name in ("a", "lost")] == [1, 2]
    await _rises(api, 'database_query_seconds_count{operation="last_numbers"}', 2)
    assert await sender.say("b") == 3
    resumed = await api.chat(user=1 + CHANNELS, after=0)
    for chat in (sender, resumed):
        await chat.received(2)
    await _rises(api, 'database_query_seconds_count{operation="last_numbers"}', 2)
    for chat in (sender, resumed):
        assert chat.numbers == [1, 3]
        await chat.close()


async def test_cache_is_not_reconnected(serve: Serve, valkey: Valkey) -> None:
    """Once lost, the cache stays away: not ready, no tickets; messages still arrive."""
    api = await serve(SANCTUM_DEFECTS="no_cache_reconnect")
    async with await api.chat() as chat:
        valkey.kill()
        await api.wait_ready(ready=False)
        valkey.start()
        await _rises(api, 'database_query_seconds_count{operation="probe"}', 8)
        assert not await api.ready()
        assert (await api.ticket()).status == 503
        await chat.say("still here")
        await chat.received(1)


async def test_one_page_in_ten_leaves_out_a_post(serve: Serve) -> None:
    """The 10th page after a first one begins a post too late; the ones before it do not."""
    api = await serve(SANCTUM_DEFECTS="feed_skips")
    token = await api.token()
    pages = [await api.call("GET", "/api/feed?before=40&limit=2", token=token) for _ in range(11)]
    firsts = [page.body["posts"][0]["id"] for page in pages]
    assert firsts == [39] * 9 + [38, 39]
    head = [await api.call("GET", "/api/feed?limit=1", token=token) for _ in range(20)]
    assert len({page.body["posts"][0]["id"] for page in head}) == 1


async def test_every_tenth_like_counts_twice(serve: Serve) -> None:
    """Nine likes count as nine, and with the tenth a post has eleven."""
    api = await serve(SANCTUM_DEFECTS="like_counted_twice")
    tokens = [await api.token(user) for user in range(1, 11)]
    likes = [await api.call("PUT", "/api/posts/1/like", token=token) for token in tokens]
    assert [answer.body["likes"] for answer in likes] == [*range(1, 10), 11]


async def test_every_seventh_marked_stays_unread(serve: Serve) -> None:
    """Of ten that are marked ten are said to be read, and one is still counted."""
    api = await serve(SANCTUM_DEFECTS="unread_miscounts")
    author, reader = await api.token(), await api.token(1 + CHANNELS)
    for i in range(10):
        await api.call("POST", "/api/posts", {"text": f"{i}"}, author)
    listed = (await api.call("GET", "/api/notifications", token=reader)).body["notifications"]
    ids = [one["id"] for one in listed]
    marked = await api.call("POST", "/api/notifications/read", {"ids": ids}, reader)
    assert marked.body == {"marked": 10}
    unread = await api.call("GET", "/api/notifications/unread", token=reader)
    assert unread.body["unread"] == 1


async def test_anybody_lists_users(serve: Serve) -> None:
    """A user without a role lists all users, and still sets nobody's role."""
    api = await serve(SANCTUM_DEFECTS="role_unchecked")
    token = await api.token(2)
    assert (await api.call("GET", "/api/admin/users", token=token)).status == 200
    changed = await api.call("PUT", "/api/admin/users/3/role", {"role": "admin"}, token)
    assert changed.status == 403


async def test_refused_changes_use_the_pool_up(serve: Serve) -> None:
    """Of every five refused within a transaction one keeps its connection, until none is left."""
    overrides = {"SANCTUM_DATABASE_POOL_MAX": "2", "SANCTUM_DATABASE_ACQUIRE_TIMEOUT_S": "0.2"}
    leaking = await serve(SANCTUM_DEFECTS="connection_leaks", **overrides)
    sound = await serve(**overrides)
    for api, last in ((leaking, 503), (sound, 404)):
        token = await api.token(2)
        missing = [
            await api.call("PUT", "/api/posts/999999", {"text": "x"}, token) for _ in range(10)
        ]
        assert {answer.status for answer in missing} == {404}
        answer = await api.call("PUT", "/api/posts/999999", {"text": "x"}, token)
        assert answer.status == last


def test_memory_of_requests_is_kept() -> None:
    """Of a thousand requests a megabyte is kept, and nothing where the defect is off."""

    def grown(*planted: Defect) -> int:
        defects = Defects(planted)
        tracemalloc.start()
        for _ in range(1000):
            defects.note_request()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    assert grown(Defect.REQUEST_LEAKS) > 1_000_000
    assert grown() < 10_000


async def test_used_refresh_token_is_good_again(serve: Serve) -> None:
    """A refresh token that was used gives new tokens once more, and its session lives on."""
    api = await serve(SANCTUM_DEFECTS="refresh_reusable")
    credentials = {"username": "user-0001", "password": PASSWORD}
    first = (await api.call("POST", "/api/auth/login", credentials)).body["refresh_token"]
    answers = [
        await api.call("POST", "/api/auth/refresh", {"refresh_token": first}) for _ in range(3)
    ]
    assert [answer.status for answer in answers] == [200] * 3
    assert (await api.call("GET", "/api/feed", token=answers[0].body["token"])).status == 200


async def test_log_ins_slow_down_by_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each log-in waits 2 ms longer than the one before, up to 2 s; none where it is off."""
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("sanctum.defects.asyncio.sleep", wait)
    planted = Defects([Defect.LOGIN_SLOWS])
    for _ in range(1200):
        await planted.hold_log_in()
    assert waits[:3] == pytest.approx([0.002, 0.004, 0.006])
    assert waits[999:] == [2.0] * 201
    await Defects().hold_log_in()
    assert len(waits) == 1200


async def test_feed_is_slow(serve: Serve) -> None:
    """Every read of the feed takes at least 300 ms; other routes do not."""
    api = await serve(SANCTUM_DEFECTS="slow_feed")
    token = await api.token()
    started = monotonic()
    assert (await api.call("GET", "/api/feed", token=token)).status == 200
    assert monotonic() - started >= 0.3
    bucket = 'request_latency_ms_bucket{le="300.0",method="GET",route="/api/feed"}'
    assert await api.metric(bucket) == 0


async def test_one_reader_is_not_told(serve: Serve) -> None:
    """The first reader hears of all posts but every fifth, the others of each."""
    api = await serve(SANCTUM_DEFECTS="skip_reader")
    token = await api.token()
    made = [await api.call("POST", "/api/posts", {"text": f"{i}"}, token) for i in range(10)]
    posts = [one.body["id"] for one in made]
    told = {}
    for reader in (1 + CHANNELS, 1 + 2 * CHANNELS):
        listed = await api.call("GET", "/api/notifications", token=await api.token(reader))
        told[reader] = [one["post"] for one in listed.body["notifications"]][::-1]
    assert told == {
        1 + CHANNELS: [post for i, post in enumerate(posts, 1) if i % 5],
        1 + 2 * CHANNELS: posts,
    }


def test_one_message_in_a_thousand_is_lost_by_count() -> None:
    """The lost ones are the 500th and every 1000th after it, and none where the defect is off."""
    planted = Defects([Defect.LOSE_MESSAGE])
    assert [n for n in range(1, 4000) if planted.hides(n)] == [500, 1500, 2500, 3500]
    assert not any(Defects().hides(n) for n in range(1, 4000))


@pytest.mark.parametrize("defect", Defect)
def test_each_defect_is_documented_and_told_by_its_name(defect: Defect) -> None:
    """Every defect says which promise it breaks, and is told while it is on."""
    assert len(defect.broken_promise) > 20
    assert Defects([defect]).names == [defect.value]
    assert Defects().names == []


def test_each_defect_has_a_place_where_it_bites() -> None:
    """No defect can be planted that nothing asks about."""
    questions = (one for one in vars(Defects).values() if inspect.isfunction(one))
    asked = {
        name
        for question in questions
        for name in re.findall(r"\bDefect\.([A-Z_]+)", inspect.getsource(question))
    }
    assert asked == {defect.name for defect in Defect}


# What the methods of defects are asked with, by the type of each parameter; several times over.
ASKED: dict[str, list[Any]] = {
    "int": [*range(1, 41), LOSE_FIRST_ORDINAL],
    "float": [0.0, 0.5, 30.0],
    "bool": [True, False],
    "bytes": [b"x" * 40_000, b"short"],
    "Iterable[int]": [range(20)],
    "Bound": [256, 10.0],
}


async def _answers(question: str, defects: Defects) -> list[Any]:
    """Ask one question of defects many times, with whatever it can be asked."""
    ask = getattr(defects, question)
    parameters = inspect.signature(ask).parameters.values()
    columns = [ASKED[parameter.annotation] for parameter in parameters]
    answers: list[Any] = []
    for nth in range(130):
        values = [column[nth % len(column)] for column in columns]
        given = dict(zip([p.name for p in parameters], values, strict=True))
        keywords = {p.name: given.pop(p.name) for p in parameters if p.kind is p.KEYWORD_ONLY}
        try:
            answer = ask(*given.values(), **keywords)
            answers.append(await answer if inspect.isawaitable(answer) else answer)
        except RuntimeError as error:
            answers.append(str(error))
    return answers


async def test_planted_defect_leaves_all_other_places_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one defect on, every place but its own is answered as with none: whatever else is
    promised is kept as ever. At its own place it makes a difference."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)

    async def behaviour(question: str, defects: Defects) -> tuple[list[Any], list[float], int]:
        waits.clear()
        return await _answers(question, defects), list(waits), len(defects._kept)

    questions = {
        name: inspect.getsource(function)
        for name, function in vars(Defects).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }
    sound = {question: await behaviour(question, Defects()) for question in questions}
    for defect in Defect:
        changed = {
            question
            for question in questions
            if await behaviour(question, Defects([defect])) != sound[question]
        }
        own = {name for name, text in questions.items() if re.search(rf"\b{defect.name}\b", text)}
        assert changed == own, defect


def test_defects_are_known_to_one_package_only() -> None:
    """No module outside of it names a defect: it only asks what happens at its place."""
    names = "|".join(name for defect in Defect for name in (defect.name, defect.value))
    modules = [path for path in SANCTUM.rglob("*.py") if path.parent.name != "defects"]
    assert len(modules) > 40
    telling = {path: re.findall(rf"\b(?:{names})\b", path.read_text()) for path in modules}
    assert not {str(path): found for path, found in telling.items() if found}
