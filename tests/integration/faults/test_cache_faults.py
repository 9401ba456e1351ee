"""Each fault of a cache on a real one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.integration.faults.real_servers import cache, fault
from tests.sanctum.servers import Valkey

from stormproof.faults.cache_eviction import CacheEviction
from stormproof.faults.cache_flush import CacheFlush
from stormproof.faults.stream_trim import StreamTrim
from stormproof.kernel.errors import FaultRefused
from stormproof.seams import Fault
from stormproof.servers.resp import RespConnection, RespError


async def test_eviction_drops_keys_and_sets_back_exactly_what_was_set(
    valkey: Valkey, client: RespConnection, promises: list[Mapping[str, str]]
) -> None:
    """Keys are dropped, or with `noeviction` writes refused; undone, bound and policy are what they
    were."""
    was = {"maxmemory": "123456789", "maxmemory-policy": "volatile-ttl"}
    for name, value in was.items():
        await client.call("CONFIG", "SET", name, value)
    for number in range(500):
        await client.call("SET", f"key-{number}", "x" * 500)
    planned = fault("cache-eviction", "cache", memory=0.3, policy="allkeys-random")
    broken = CacheEviction(cache(valkey), planned, promises.append)
    await broken.inject()
    assert promises == [was]
    assert "keys were dropped" in (await broken.witness() or "")
    assert "maxmemory-policy is allkeys-random, was volatile-ttl" in (await broken.residue() or "")
    assert await broken.lapse() is None
    await broken.undo()
    assert "maxmemory-policy volatile-ttl before" in (await broken.lapse() or "")
    await broken.undo()
    assert await broken.residue() is None
    refused = CacheEviction(
        cache(valkey),
        fault("cache-eviction", "cache", memory=0.3, policy="noeviction"),
        promises.append,
    )
    await refused.inject()
    assert "a write is refused: OOM" in (await refused.witness() or "")
    with pytest.raises(RespError, match="OOM"):
        await client.call("SET", "key", "1")
    await refused.undo()
    await client.call("SET", "key", "1")
    for name, value in was.items():
        assert await client.call("CONFIG", "GET", name) == [name, value]


async def test_eviction_with_room_for_all_is_not_witnessed(
    valkey: Valkey,
    client: RespConnection,
    promises: list[Mapping[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bound that nothing reaches gives no evidence."""
    monkeypatch.setattr("stormproof.faults.cache_eviction.WITNESS_S", 0.0)
    await client.call("CONFIG", "SET", "maxmemory", "0")
    planned = fault("cache-eviction", "cache", memory=1.0, policy="allkeys-lru")
    broken = CacheEviction(cache(valkey), planned, promises.append)
    await broken.inject()
    await client.call("CONFIG", "SET", "maxmemory", "0")
    assert await broken.witness() is None
    await broken.undo()


async def test_flush_takes_the_keys_of_its_pattern_or_all(
    valkey: Valkey, client: RespConnection
) -> None:
    """A pattern spares other keys; nothing to remove is no effect."""
    await client.call("MSET", "session:1", "a", "session:2", "b", "limit:1", "c")
    some: Fault = CacheFlush(cache(valkey), fault("cache-flush", "cache", keys="session:*"))
    assert await some.inject() == "2 keys were removed (session:*)"
    assert await some.witness() == "2 keys were removed, the server holds 1 now"
    assert await client.call("KEYS", "*") == ["limit:1"]
    everything = CacheFlush(cache(valkey), fault("cache-flush", "cache", keys="*"))
    await everything.inject()
    assert await client.call("DBSIZE") == 0
    assert await everything.witness() == "1 keys were removed, the server holds 0 now"
    await everything.inject()
    assert await everything.witness() is None
    assert await some.residue() is None


async def test_trim_tells_which_pending_entries_lost_their_body(
    valkey: Valkey, client: RespConnection
) -> None:
    """Of thirty entries twenty go; the twelve that were delivered and not acknowledged are told,
    and claiming them gives nothing."""
    for number in range(30):
        await client.call("XADD", "events", "*", "number", str(number))
    await client.call("XGROUP", "CREATE", "events", "readers", "0")
    await client.call(*"XREADGROUP GROUP readers me COUNT 12 STREAMS events >".split())
    broken: Fault = StreamTrim(
        cache(valkey), fault("stream-trim", "cache", stream="events", keep=10)
    )
    assert await broken.inject() == "20 entries were trimmed from events"
    told = await broken.witness()
    assert told == "20 entries lost their body; 12 pending in readers have none"
    claimed = await client.call(*"XAUTOCLAIM events readers me 0 0 COUNT 100".split())
    assert isinstance(claimed, list)
    assert claimed[1] == []
    assert isinstance(claimed[2], list)
    assert len(claimed[2]) == 12
    with pytest.raises(FaultRefused, match="cache has no stream nothing"):
        await StreamTrim(
            cache(valkey), fault("stream-trim", "cache", stream="nothing", keep=0)
        ).inject()
