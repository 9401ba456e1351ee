"""What the consumer does where a transaction is too much for the database, with both played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace

from tests.sanctum.inboxes import Parts
from tests.sanctum.pipelines import Talks, until_healthy, until_value
from tests.sanctum.servers import DEADLINE_S, Valkey, until
from valkey.asyncio import Valkey as Client

from sanctum.backing.cache import Cache
from sanctum.backing.errors import CacheUnavailable, DatabaseUnavailable
from sanctum.defects import Defects
from sanctum.pipeline.consumer import BATCH_ENTRIES_MAX, ConsumeLimits, Consumer
from sanctum.pipeline.dispatcher import Dispatcher, DispatchLimits
from sanctum.pipeline.inboxes import Inboxes, Key, Outcome
from sanctum.pipeline.metrics import ConsumeMetrics, DispatchMetrics
from sanctum.pipeline.outbox import Waiting
from sanctum.pipeline.stream import GROUP, STREAM, Entry, Message, Stream
from sanctum.telemetry.metrics import Metrics

LIVE_ENTRIES = 2000  # many more than one look takes in
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
_KEPT = "id, conversation_id, number, author_id, client_id, payload, created_at"
SET_ASIDE = f"""
    WITH dead AS (
        DELETE FROM outbox WHERE conversation_id = {{conversation}} AND number = {{number}}
        RETURNING *
    )
    INSERT INTO outbox_dead ({_KEPT}, sink, reason) SELECT {_KEPT}, 'redis', '' FROM dead
"""  # noqa: S608 - only constants are interpolated
PUT_BACK = f"""
    WITH revived AS (DELETE FROM outbox_dead RETURNING *)
    INSERT INTO outbox ({_KEPT}) OVERRIDING SYSTEM VALUE SELECT {_KEPT} FROM revived
"""  # noqa: S608


class _Stream:
    """Hold entries as pending until they are settled."""

    def __init__(self, count: int) -> None:
        self.pending_entries = [_entry(number) for number in range(1, count + 1)]
        self.publishing_fails = 0
        self.empty = asyncio.Event()

    async def pending(self, after: bytes, count: int) -> list[Entry]:
        return [one for one in self.pending_entries if int(one.id) > int(after)][:count]

    async def reclaim(
        self, _idle_ms: int, _count: int, _start: bytes
    ) -> tuple[list[Entry], bytes | None]:
        return [], None

    async def forget_idle(self, _idle_ms: int) -> None:
        """Know of no other consumer."""

    async def fresh(self, _count: int, _block_ms: int) -> list[Entry]:
        await asyncio.Event().wait()
        return []

    async def publish(self, _frames: object) -> None:
        if self.publishing_fails:
            self.publishing_fails -= 1
            raise CacheUnavailable("away")

    async def settle(self, ids: Sequence[bytes]) -> None:
        self.pending_entries = [one for one in self.pending_entries if one.id not in ids]
        if not self.pending_entries:
            self.empty.set()


class _Inboxes:
    """Deliver each message once, and no more than so many together."""

    def __init__(self, at_once_max: int) -> None:
        self._at_once_max = at_once_max
        self.delivered: set[Key] = set()

    async def deliver(self, bodies: dict[Key, object], *, in_order: bool) -> Outcome:
        assert in_order
        if len(bodies) > self._at_once_max:
            raise DatabaseUnavailable("too much for its deadline")
        fresh = frozenset(bodies) - self.delivered
        self.delivered |= fresh
        return Outcome(arrivals=[], delivered=fresh, early=frozenset())


def _message(number: int) -> Message:
    return Message(
        conversation=1, number=number, author=1, id=f"{number}", payload=b"x", created=0.0
    )


def _entry(number: int) -> Entry:
    return Entry(id=b"%d" % number, message=_message(number))


@asynccontextmanager
async def _consuming(stream: object, inboxes: _Inboxes) -> AsyncIterator[Metrics]:
    metrics = Metrics()
    limits = ConsumeLimits(block_s=0.01, reclaim_interval_s=60, reclaim_idle_s=60)
    consumer = Consumer(
        stream,  # type: ignore[arg-type]
        inboxes,  # type: ignore[arg-type]
        limits,
        Defects(),
        ConsumeMetrics(metrics),
    )
    running = asyncio.ensure_future(consumer.run())
    async with asyncio.timeout(DEADLINE_S):
        yield metrics
    running.cancel()


async def test_what_is_too_much_together_is_delivered_in_parts() -> None:
    """Entries that the database cannot write within its deadline together stop nothing: they are
    delivered in smaller parts."""
    stream, inboxes = _Stream(BATCH_ENTRIES_MAX), _Inboxes(at_once_max=3)
    async with _consuming(stream, inboxes):
        await stream.empty.wait()
    assert len(inboxes.delivered) == BATCH_ENTRIES_MAX


async def test_delivered_is_counted_whatever_the_cache_does() -> None:
    """What was delivered just before the cache went away is counted once as delivered."""
    stream, inboxes = _Stream(5), _Inboxes(at_once_max=5)
    stream.publishing_fails = 2
    async with _consuming(stream, inboxes) as metrics:
        await stream.empty.wait()
    assert b"\nmessaging_consumer_delivered_total 5.0" in metrics.render()


async def test_message_on_the_move_is_waited_for(parts: Parts, talks: Talks) -> None:
    """While the row of a message is put back from the dead letters, or set aside, none that came
    after it is delivered before it."""
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 4)
    inboxes = Inboxes(parts.database)
    for first, move in ((1, SET_ASIDE), (3, f"{SET_ASIDE}; {PUT_BACK}")):
        bodies = {(conversation, n): (1, b'{"message":%d}' % n) for n in (first, first + 1)}
        async with talks.pool.acquire() as mover, mover.transaction():
            for statement in move.format(conversation=conversation, number=first).split(";"):
                await mover.execute(statement)
            delivering = asyncio.ensure_future(inboxes.deliver(bodies))
            await until_value(lambda: talks.pool.fetchval(WAITING), lambda count: count > 0)
        outcome = await delivering
        assert [one.message[1] for one in outcome.arrivals if one.user == 2] == [first, first + 1]
    assert await talks.left() == 0


async def test_nothing_of_the_dead_is_overlooked(valkey: Valkey) -> None:
    """Entries of a dead consumer are taken over also where all that are looked at first, however
    many, belong to one that lives."""
    cache = Cache(valkey.url, pool_max=2, timeout_s=0.5, defects=Defects(), metrics=Metrics())
    await until_healthy(cache)
    stream, alive, dead = (Stream(cache) for _ in range(3))
    await stream.make()
    await stream.append(_message(number) for number in range(1, LIVE_ENTRIES + 6))
    assert len(await alive.fresh(LIVE_ENTRIES, 1)) == LIVE_ENTRIES
    left = [entry.id for entry in await dead.fresh(10, 1)]
    async with Client.from_url(valkey.url) as client:
        await client.xclaim(STREAM, GROUP, dead.consumer, 0, left, idle=3_600_000)
    inboxes = _Inboxes(at_once_max=BATCH_ENTRIES_MAX)
    async with _consuming(stream, inboxes):
        await until(lambda: len(inboxes.delivered) == 5, "the entries of the dead")
    assert inboxes.delivered == {
        (1, number) for number in range(LIVE_ENTRIES + 1, LIVE_ENTRIES + 6)
    }
    await cache.close()


class _Outbox:
    """Hold one message that waits; the first turn cannot be committed."""

    def __init__(self) -> None:
        self.turns = 0
        self.over = asyncio.Event()

    async def waits(self) -> bool:
        return True

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[_Outbox]:
        self.turns += 1
        yield self
        if self.turns == 1:
            raise DatabaseUnavailable("nobody knows whether it was committed")
        if self.turns == 3:
            self.over.set()

    async def replay(self) -> int:
        return 3 if self.turns < 3 else 0

    async def dispatched(self, _age_s: float, _count: int) -> list[tuple[int, str]]:
        return [(1, "1-1"), (2, "1-2")]

    async def unmark(self, ids: Sequence[int]) -> int:
        return len(ids)

    async def waiting(self, _count: int) -> list[Waiting]:
        return [Waiting((1, 1, 1, 1, "id", b"x", 0.0, 0.0))] if self.turns < 3 else []

    async def mark(self, _ids: Sequence[int], _entries: Sequence[str]) -> None:
        """Note where they were relayed to."""


class _Appended:
    """A stream whose older entries are gone."""

    async def exists(self) -> bool:
        return True

    async def oldest(self) -> str:
        return "2-1"

    async def append(self, _messages: Iterable[Message]) -> tuple[list[str], int]:
        return ["2-1"], 1


async def test_dispatcher_counts_what_is_committed() -> None:
    """What a turn has relayed, relayed again and put back counts once it is committed, not for a
    turn that is done again."""
    outbox, metrics = _Outbox(), Metrics()
    limits = DispatchLimits(
        interval_s=0, retry_s=0, attempts_max=1, stream_entries_max=10, vanished_after_s=0
    )
    cache = SimpleNamespace(healthy=True)
    dispatcher = Dispatcher(
        outbox,  # type: ignore[arg-type]
        _Appended(),  # type: ignore[arg-type]
        cache,  # type: ignore[arg-type]
        limits,
        Defects(),
        DispatchMetrics(metrics),
    )
    running = asyncio.ensure_future(dispatcher.run())
    async with asyncio.timeout(DEADLINE_S):
        await outbox.over.wait()
    running.cancel()
    rendered = metrics.render().decode()
    assert "\nmessaging_dispatch_published_total 1.0" in rendered
    assert "\nmessaging_dispatch_replayed_total 3.0" in rendered
