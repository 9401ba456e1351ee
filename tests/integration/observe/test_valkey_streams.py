"""What the source "valkey" says of streams and their groups, on a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.integration.observe.watched import value_of
from tests.sanctum.servers import DEADLINE_S, LOOPBACK, Valkey

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import STREAM_GROUPS_MAX
from stormproof.observe.valkey_stats import ValkeySource
from stormproof.servers.resp import RespConnection

GROUP = {"stream": "orders", "group": "workers"}


@pytest.fixture
async def source(valkey: Valkey) -> AsyncIterator[ValkeySource]:
    source = ValkeySource("cache", valkey.url, ["orders"])
    yield source
    await source.close()


async def fill(client: RespConnection, count: int) -> None:
    for number in range(count):
        await client.call("XADD", "orders", f"{number + 1}-0", "id", str(number))


async def test_a_stream_and_its_group_are_counted(
    client: RespConnection, source: ValkeySource
) -> None:
    """Length, lag, pending entries, consumers and how long the oldest entry has been idle."""
    await fill(client, 5)
    await client.call("XGROUP", "CREATE", "orders", "workers", "0")
    await client.call("XREADGROUP", "GROUP", "workers", "one", "COUNT", "3", "STREAMS",
                      "orders", ">")  # fmt: skip
    await client.call("XACK", "orders", "workers", "1-0")
    async with asyncio.timeout(DEADLINE_S):
        while value_of(given := await source.read(), OLDEST, **GROUP) <= 0:
            await asyncio.sleep(0.01)
    assert value_of(given, "stream_length", part="cache", stream="orders") == 5
    assert value_of(given, "stream_pending", **GROUP) == 2
    assert value_of(given, "stream_lag", **GROUP) == 2
    assert value_of(given, "stream_lag_unknown", **GROUP) == 0
    assert value_of(given, "stream_consumers", **GROUP) == 1
    await client.call("XACK", "orders", "workers", "2-0", "3-0")
    given = await source.read()
    assert value_of(given, OLDEST, **GROUP) == value_of(given, "stream_pending", **GROUP) == 0


OLDEST = "stream_oldest_pending_idle_seconds"


async def test_a_lag_that_the_server_does_not_know_is_no_zero(
    client: RespConnection, source: ValkeySource
) -> None:
    """After an entry was deleted that the group had not read there is no lag, and that is told."""
    await fill(client, 5)
    await client.call("XGROUP", "CREATE", "orders", "workers", "0")
    await client.call("XDEL", "orders", "4-0")
    given = await source.read()
    assert "stream_lag" not in {one.name for one in given}
    assert value_of(given, "stream_lag_unknown", **GROUP) == 1
    assert value_of(given, "stream_length", stream="orders") == 4


async def test_a_stream_that_was_never_there_gives_no_figures(
    client: RespConnection, source: ValkeySource
) -> None:
    """A misspelt stream must not look like an empty one; one that is gone is empty."""
    assert not [one for one in await source.read() if one.name.startswith("stream_")]
    await fill(client, 1)
    assert value_of(await source.read(), "stream_length") == 1
    await client.call("DEL", "orders")
    assert value_of(await source.read(), "stream_length") == 0


async def test_what_is_no_stream_is_told(client: RespConnection, source: ValkeySource) -> None:
    """A key of another kind is named, with what the server says of it."""
    await client.call("SET", "orders", "x")
    with pytest.raises(SourceSilent, match="cache: orders: WRONGTYPE"):
        await source.read()


async def test_more_groups_than_are_looked_at_are_told(
    client: RespConnection, source: ValkeySource
) -> None:
    """The cost of a reading is bounded, and what is told in part is not told."""
    await fill(client, 1)
    for number in range(STREAM_GROUPS_MAX):
        await client.call("XGROUP", "CREATE", "orders", f"g{number}", "0")
    given = await source.read()
    assert sum(one.name == "stream_lag" for one in given) == STREAM_GROUPS_MAX
    await client.call("XGROUP", "CREATE", "orders", "one-more", "0")
    with pytest.raises(SourceSilent, match="cache: orders has 21 groups, over 20"):
        await source.read()


async def test_a_stream_of_another_database_is_found_there(
    client: RespConnection, valkey: Valkey
) -> None:
    """The URL's database is the one that is asked, over every connection."""
    await client.call("SELECT", "3")
    await fill(client, 2)
    base = f"valkey://{LOOPBACK}:{valkey.port}"
    for place, found in (("/3", 1), ("", 0), ("/0", 0)):
        source = ValkeySource("cache", base + place, ["orders"])
        assert sum(one.name == "stream_length" for one in await source.read()) == found
        await source.close()
