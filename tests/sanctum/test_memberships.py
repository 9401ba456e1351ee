"""Memberships: who takes part is kept at hand, told to every process and never stale for long."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, OpenLink, Serve
from tests.sanctum.servers import DEADLINE_S, LOOPBACK, Postgres, Valkey
from tests.sanctum.talks import Talk, converse

from sanctum.backing.cache import Held
from sanctum.backing.errors import CacheUnavailable
from sanctum.messaging.memberships import Membership, Memberships
from sanctum.messaging.metrics import MessagingMetrics
from sanctum.telemetry.metrics import Metrics

HITS = "messaging_participant_cache_hits_total"
MISSES = "messaging_participant_cache_misses_total"
NEVER_S = "60"  # longer than a test takes


async def _status(talk: Talk, user: int) -> int:
    return (await talk.call(user, "GET", "/participants")).status


async def _until_status(talk: Talk, user: int, status: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await _status(talk, user) != status:
            await asyncio.sleep(0.005)


async def test_hits_and_misses_are_counted(api: Api, postgres: Postgres) -> None:
    """What is at hand is a hit, what the database is asked for a miss, as it is for outsiders."""
    talk = await converse(api, 1, 2)
    hits, misses = await api.metric(HITS), await api.metric(MISSES)
    for _ in range(3):
        assert await _status(talk, 2) == 200
    assert await talk.numbers(1) == []
    assert (await api.metric(HITS), await api.metric(MISSES)) == (hits + 4, misses)
    rows = "SELECT 'group', '', 1 FROM generate_series(1, 3)"
    await postgres.execute(
        f"INSERT INTO conversations (kind, title, created_by) {rows}",
        "INSERT INTO participants (conversation_id, user_id)"
        " SELECT id, 2 FROM conversations WHERE title = ''",
        database=DATABASE,
    )
    for row in await postgres.fetch("SELECT id FROM conversations WHERE title = ''", DATABASE):
        for _ in range(2):
            assert await _status(Talk(api=api, id=row[0]), 2) == 200
    assert (await api.metric(HITS), await api.metric(MISSES)) == (hits + 7, misses + 3)
    assert [await _status(talk, 9) for _ in range(2)] == [403, 403]
    assert (await api.metric(HITS), await api.metric(MISSES)) == (hits + 7, misses + 5)


async def test_change_is_known_in_every_process(serve: Serve) -> None:
    """Removed, a participant is refused at once in the process that acknowledged it and soon in
    another, which hears of it and asks no database; added, it is let in by both at once."""
    here, there = await serve(SANCTUM_SWEEP_INTERVAL_S=NEVER_S), await serve()
    talk = await converse(here, 1, 2, 3)
    elsewhere = Talk(api=there, id=talk.id)
    for _ in range(5):
        assert [await _status(one, 2) for one in (talk, elsewhere)] == [200, 200]
        assert (await talk.remove(1, 2)).status == 204
        assert await _status(talk, 2) == 403
        await _until_status(elsewhere, 2, 403)
        assert (await talk.call(2, "GET")).status == 403
        assert (await elsewhere.add(1, 2)).status == 201
        assert [await _status(one, 2) for one in (talk, elsewhere)] == [200, 200]
    misses = await there.metric(MISSES)
    assert await _status(elsewhere, 3) == 200
    assert await there.metric(MISSES) == misses


async def test_change_that_nobody_told_of_is_found_by_the_sweep(
    serve: Serve, postgres: Postgres
) -> None:
    """A participant removed behind the service's back is refused after a sweep."""
    api = await serve(SANCTUM_SWEEP_INTERVAL_S="0.2", SANCTUM_PARTICIPANTS_TRUSTED_S="1")
    talk = await converse(api, 1, 2)
    assert await _status(talk, 2) == 200
    await postgres.execute(
        f"DELETE FROM participants WHERE user_id = 2 AND conversation_id = {talk.id}",  # noqa: S608
        "UPDATE conversations SET participants_version = participants_version + 1",
        database=DATABASE,
    )
    await _until_status(talk, 2, 403)


async def test_process_cut_off_from_the_cache_believes_nothing_it_kept(
    serve: Serve, valkey: Valkey, open_link: OpenLink
) -> None:
    """Once its subscription is lost, a process that was not told of a removal refuses, and it
    serves who takes part."""
    link = await open_link(valkey.port)
    url = f"valkey://{LOOPBACK}:{link.port}/0"
    cut_off = await serve(
        SANCTUM_CACHE_URL=url,
        SANCTUM_SWEEP_INTERVAL_S=NEVER_S,
        SANCTUM_PARTICIPANTS_TRUSTED_S=NEVER_S,
    )
    other = await serve()
    talk = await converse(other, 1, 2, 3)
    here = Talk(api=cut_off, id=talk.id)
    assert [await _status(here, user) for user in (1, 2, 3)] == [200] * 3
    link.hold()
    assert (await talk.remove(1, 2)).status == 204
    await cut_off.wait_ready(ready=False)
    await _until_status(here, 2, 403)
    assert [await _status(here, user) for user in (1, 3)] == [200, 200]
    link.release()
    await cut_off.wait_ready()
    assert [await _status(here, user) for user in (1, 2, 3)] == [200, 403, 200]


class _Truth:
    """Hold one conversation as the database would; counts what is asked."""

    def __init__(self) -> None:
        self.held: Membership | None = Membership(conversation=1, version=1, users=(1, 2))
        self.loads = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, _conversation: int) -> Membership | None:
        self.loads += 1
        found = self.held
        await self.gate.wait()
        return found

    async def versions(self, _conversations: object) -> dict[int, int]:
        return {} if self.held is None else {1: self.held.version}


class _Shared:
    """A cache that holds one value, or is away."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.away = True

    async def look_up(self, _key: str) -> Held | None:
        if self.away:
            raise CacheUnavailable("away")
        return self.held

    async def publish(self, _topic: str, _payloads: object) -> None:
        raise CacheUnavailable("away")

    async def use(self, _operation: str, _call: object) -> None:
        raise CacheUnavailable("away")


class _Bench:
    """Memberships over fakes, with a clock that is set by hand."""

    def __init__(self, kept_max: int = 10) -> None:
        self.truth, self.shared, self.now = _Truth(), _Shared(), 0.0
        self.memberships = Memberships(
            self.truth,  # type: ignore[arg-type]
            self.shared,  # type: ignore[arg-type]
            MessagingMetrics(Metrics()),
            kept_max=kept_max,
            trusted_s=5,
            now=lambda: self.now,
        )
        self.memberships.subscribed = True

    async def includes(self, user: int) -> bool | None:
        return await self.memberships.includes(1, user)


async def test_list_is_trusted_for_so_long() -> None:
    """A list is used until its time is over, and longer only where the database agreed anew."""
    bench = _Bench()
    assert await bench.includes(1)
    bench.now = 4.9
    assert await bench.includes(1)
    assert bench.truth.loads == 1
    await bench.memberships.sweep()
    bench.now = 9.8
    assert await bench.includes(1)
    assert bench.truth.loads == 1
    bench.now = 10
    assert await bench.includes(1)
    assert bench.truth.loads == 2


async def test_shared_list_is_trusted_for_what_is_left_of_its_time() -> None:
    """What comes from the cache is kept for no longer than the cache would keep it."""
    bench = _Bench()
    frame = msgspec.json.encode(bench.truth.held)
    bench.shared.away, bench.shared.held = False, Held(value=frame, ttl_s=1)
    assert await bench.includes(1)
    bench.shared.held = None
    bench.now = 0.9
    assert (await bench.includes(1), bench.truth.loads) == (True, 0)
    bench.now = 1
    assert (await bench.includes(1), bench.truth.loads) == (True, 1)


async def test_older_list_replaces_no_newer_one() -> None:
    """A list read before a removal and arriving after it brings nobody back."""
    bench = _Bench()
    bench.truth.gate.clear()
    reading = asyncio.ensure_future(bench.includes(2))
    await asyncio.sleep(0)
    bench.memberships.offer(b'{"conversation": 1, "version": 2, "users": [1]}')
    bench.truth.held = Membership(conversation=1, version=2, users=(1,))
    bench.truth.gate.set()
    await reading
    assert await bench.includes(2) is False
    assert await bench.includes(1)


async def test_removal_that_is_known_outweighs_an_older_shared_list() -> None:
    """Also when nothing kept is trusted any more, a list that is older than what was kept brings
    nobody back; and what cannot be read as a list is none."""
    bench = _Bench()
    older = msgspec.json.encode(bench.truth.held)
    bench.memberships.offer(b'{"conversation": 1, "version": 2, "users": [1]}')
    bench.truth.held = Membership(conversation=1, version=2, users=(1,))
    bench.shared.away = False
    bench.memberships.all_fall_behind()
    for value in (older, b"[]", b"no list"):
        bench.shared.held = Held(value=value, ttl_s=5)
        assert await bench.includes(2) is False


async def test_refusal_is_read_from_the_database() -> None:
    """A stale list locks nobody out: who is not on it is looked for in the database."""
    bench = _Bench()
    assert await bench.includes(1)
    bench.truth.held = Membership(conversation=1, version=2, users=(1, 2, 3))
    assert await bench.includes(3)
    bench.truth.held = None
    assert await bench.includes(4) is None


async def test_nothing_kept_is_used_without_a_subscription() -> None:
    """A process that hears nothing asks the database each time, and forgets what it had kept."""
    bench = _Bench()
    assert await bench.includes(1)
    bench.memberships.subscribed = False
    assert await bench.includes(1)
    assert bench.truth.loads == 2
    bench.memberships.all_fall_behind()
    bench.memberships.subscribed = True
    assert (await bench.includes(1), bench.truth.loads) == (True, 3)


async def test_what_is_kept_is_bounded() -> None:
    """Beyond the bound the list used longest ago is forgotten."""
    bench = _Bench(kept_max=2)
    for conversation in (1, 2, 3):
        bench.memberships.remember(Membership(conversation=conversation, version=1, users=(9,)))
    assert await bench.memberships.includes(3, 9)
    assert bench.truth.loads == 0
    assert not await bench.memberships.includes(1, 9)
    assert bench.truth.loads == 1


@pytest.mark.parametrize("frame", [b"", b"{}", b"\xff", b'{"conversation": 1}'])
def test_foreign_frame_is_refused(frame: bytes) -> None:
    """What is no membership raises the error that the subscription knows, and changes nothing."""
    with pytest.raises(msgspec.DecodeError):
        _Bench().memberships.offer(frame)
