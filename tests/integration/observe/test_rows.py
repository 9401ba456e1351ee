"""Rows for final reads, of a real PostgreSQL and a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.sanctum.servers import DEADLINE_S, LOOPBACK, Postgres, Valkey, free_port

from stormproof.kernel.clock import SystemClock
from stormproof.kernel.limits import FINAL_READ_PAGE_BYTES
from stormproof.model.event import Event, FinalReadEvent
from stormproof.model.final_read import Moment
from stormproof.model.plan import PlannedRead
from stormproof.observe import postgres_rows, valkey_rows
from stormproof.observe.final_reads import FinalReads
from stormproof.observe.postgres_rows import PostgresRows
from stormproof.observe.rows import FIRST_ROWS, Left, RowReader, RowsRefused
from stormproof.observe.valkey_rows import ValkeyRows
from stormproof.servers.resp import RespConnection
from stormproof.testing import ScriptedRecorder

OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'stormproof'"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    try:
        server.start()
        asyncio.run(
            server.execute(
                "CREATE TABLE kept (id int, name text)",
                "INSERT INTO kept SELECT n, 'n' || n FROM generate_series(1, 2500) AS n",
                "CREATE ROLE guest LOGIN",
                "GRANT SELECT ON kept TO guest",
                "ALTER TABLE kept ENABLE ROW LEVEL SECURITY",
                "CREATE POLICY few ON kept FOR SELECT TO guest USING (id < 3)",
            )
        )
        yield server
    finally:
        server.stop()


async def rows_of(
    reader: RowReader, moment: Moment = "after", left: Left | None = None, **read: Any
) -> list[object]:
    planned = PlannedRead(name="read", **read)
    pages = reader.read(planned, moment, left or Left())
    return [row async for page in pages for row in page]


async def test_rows_are_what_a_journey_has_from_json(postgres: Postgres) -> None:
    """Numbers of any type are numbers, several columns a list, all else a text."""
    statement = """
        SELECT 1::bigint, 2.50::numeric, 3::numeric, 'four', '\\x05'::bytea, true, NULL,
               '12345678-1234-1234-1234-123456789abc'::uuid, ARRAY[1, 2]
    """
    (row,) = await rows_of(PostgresRows(postgres.url("postgres")), statement=statement)
    uuid = "12345678-1234-1234-1234-123456789abc"
    assert row == [1, 2.5, 3, "four", "05", True, None, uuid, [1, 2]]


async def test_all_rows_come_and_no_connection_stays(postgres: Postgres) -> None:
    """More than a page, one column; texts that are numbers are numbers where the trial says so."""
    reader = PostgresRows(postgres.url("postgres"))
    assert postgres_rows.PAGE_ROWS < 2_500
    assert await rows_of(reader, statement="SELECT id FROM kept ORDER BY 1") == [*range(1, 2501)]
    texts = "SELECT id::text FROM kept WHERE id < 3 ORDER BY 1"
    assert await rows_of(reader, statement=texts) == ["1", "2"]
    assert await rows_of(reader, statement=texts, numbers=True) == [1, 2]
    async with asyncio.timeout(DEADLINE_S):
        while await postgres.fetch(OURS):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM kept RETURNING id", "read-only transaction"),
        ("SELECT nothing FROM kept", 'column "nothing" does not exist'),
        ("SELECT 1; SELECT 2", "multiple commands"),
        ("COMMIT", "gives no columns"),
        ("SET work_mem = '1MB'", "gives no columns"),
        ("SELECT pg_sleep(60)", "statement timeout"),
        ("SELECT id / 0 FROM kept", "division by zero"),
    ],
)
async def test_a_statement_that_gives_no_rows_is_refused(
    postgres: Postgres, statement: str, why: str
) -> None:
    """What changes anything, fails or takes too long is told; nothing is changed."""
    with pytest.raises(RowsRefused, match=why):
        await rows_of(
            PostgresRows(postgres.url("postgres")), statement=statement, timeout_ns=300_000_000
        )
    assert len(await postgres.fetch("SELECT 1 FROM kept")) == 2_500


async def test_rows_that_are_hidden_are_not_taken_for_lost(postgres: Postgres) -> None:
    """Where row security would leave rows out the read fails and says so."""
    reader = PostgresRows(postgres.url("postgres", user="guest"))
    with pytest.raises(RowsRefused, match="row-level security"):
        await rows_of(reader, statement="SELECT id FROM kept")


async def test_sessions_that_are_hidden_are_not_taken_for_fine(postgres: Postgres) -> None:
    """Whoever may not see others' sessions sees them without a state, and is refused; whoever may,
    or asks for something else, is not."""
    statement = "SELECT pid FROM PG_STAT_ACTIVITY WHERE state = 'idle in transaction'"
    reader = PostgresRows(postgres.url("postgres", user="guest"))
    other = await asyncpg.connect(postgres.url("postgres"))
    try:
        with pytest.raises(RowsRefused, match="GRANT pg_monitor TO guest"):
            await rows_of(reader, statement=statement, empty=True)
        assert await rows_of(reader, statement="SELECT 1") == [1]
        assert await rows_of(PostgresRows(postgres.url("postgres")), statement=statement) == []
    finally:
        await other.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://owner:hunter22@127.0.0.1:{port}/postgres",
        "postgresql://owner:hunter22@127.0.0.1:hunter22/postgres",
        "postgresql://owner:hunter22@[::1/postgres",
    ],
)
async def test_a_database_that_is_away_is_told_without_its_password(url: str) -> None:
    """Nobody there, and an address that is none, are refusals like others."""
    with pytest.raises(RowsRefused) as raised:
        await rows_of(PostgresRows(url.format(port=free_port())), statement="SELECT 1")
    assert str(raised.value)
    assert "hunter" not in str(raised.value)


async def fill(client: RespConnection, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await client.call("XADD", "events", f"{number}-0", "id", str(number), "kind", "made")


async def test_a_stream_gives_what_came_since_the_load_began(
    valkey: Valkey, client: RespConnection
) -> None:
    """Entries of before are left out; a text is a number only where the trial says so."""
    read: dict[str, Any] = {"stream": "events", "field": "id", "of": "x"}
    reader = ValkeyRows(valkey.url)
    await fill(client, 1, 3)
    assert await rows_of(reader, "before", **read) == []
    await fill(client, 4, 5 + valkey_rows.PAGE_ENTRIES)
    await client.call("XADD", "events", "*", "another", "field")
    left = Left()
    rows = await rows_of(reader, "after", left, **read, numbers=True)
    assert rows == [*range(4, 6 + valkey_rows.PAGE_ENTRIES)]
    assert left.out == 1
    assert (await rows_of(reader, "after", **read))[0] == "4"


async def test_a_stream_that_begins_with_the_load_is_read_whole(
    valkey: Valkey, client: RespConnection
) -> None:
    """One that was not there had no entries. One that never comes may be misspelt, or in another
    database: it has none only where it must be empty, as a stream of failures."""
    reader = ValkeyRows(valkey.url)
    read: dict[str, Any] = {"stream": "events", "field": "kind", "of": "x"}
    assert await rows_of(reader, "before", **read) == []
    with pytest.raises(RowsRefused, match="there is no stream events"):
        await rows_of(reader, "after", **read)
    assert await rows_of(reader, "after", stream="events", field="kind", empty=True) == []
    await fill(client, 1, 2)
    assert await rows_of(reader, "after", **read) == ["made", "made"]


@pytest.mark.parametrize(
    "removal", [["XDEL", "events", "5-0"], ["XTRIM", "events", "MAXLEN", "1"], ["DEL", "events"]]
)
async def test_entries_that_were_removed_meanwhile_are_not_taken_for_lost(
    valkey: Valkey, client: RespConnection, removal: list[str]
) -> None:
    """A stream that was trimmed holds less than was added to it: nobody knows what."""
    reader = ValkeyRows(valkey.url)
    read: dict[str, Any] = {"stream": "events", "field": "id", "of": "x"}
    await fill(client, 1, 3)
    await rows_of(reader, "before", **read)
    await fill(client, 4, 6)
    await client.call(*removal)
    with pytest.raises(RowsRefused, match="some were deleted, or trimmed"):
        await rows_of(reader, "after", **read)


async def test_a_stream_whose_beginning_is_not_known_is_not_read(
    valkey: Valkey, client: RespConnection
) -> None:
    """Entries of before would look like surplus."""
    await fill(client, 1, 3)
    with pytest.raises(RowsRefused, match="where events was before the load is not known"):
        await rows_of(ValkeyRows(valkey.url), stream="events", field="id", of="x")


async def test_pending_entries_are_their_ids(valkey: Valkey, client: RespConnection) -> None:
    """More than a page of them; a group that is not there is nothing before the load alone."""
    read: dict[str, Any] = {"stream": "events", "group": "workers", "empty": True}
    reader = ValkeyRows(valkey.url)
    assert await rows_of(reader, "before", **read) == []
    with pytest.raises(RowsRefused, match="NOGROUP"):
        await rows_of(reader, "after", **read)
    await client.call("XGROUP", "CREATE", "events", "workers", "0", "MKSTREAM")
    assert await rows_of(reader, "after", **read) == []
    count = valkey_rows.PAGE_ENTRIES + 1
    await fill(client, 1, count)
    await client.call("XREADGROUP", "GROUP", "workers", "one", "COUNT", str(count), "STREAMS",
                      "events", ">")  # fmt: skip
    assert await rows_of(reader, "after", **read) == [f"{n}-0" for n in range(1, count + 1)]


async def test_keys_of_a_pattern_are_found(
    valkey: Valkey, client: RespConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, and of a database that is too large none."""
    for number in range(1_200):
        await client.call("SET", f"{'ticket' if number % 2 else 'other'}:{number}", "x")
    reader = ValkeyRows(valkey.url)
    found = await rows_of(reader, keys="ticket:*", empty=True)
    assert sorted(map(str, found)) == sorted(f"ticket:{n}" for n in range(1, 1_200, 2))
    monkeypatch.setattr(valkey_rows, "FINAL_READ_KEYS_MAX", 1_199)
    with pytest.raises(RowsRefused, match="the database holds 1200 keys, over 1199"):
        await rows_of(reader, keys="ticket:*", empty=True)


async def test_a_valkey_that_is_away_or_refuses_is_told(
    valkey: Valkey, client: RespConnection
) -> None:
    """Nobody there, a key of another kind, a database that is none."""
    await client.call("SET", "events", "x")
    read: dict[str, Any] = {"stream": "events", "field": "id", "of": "x"}
    for url, why in (
        (f"valkey://:hunter22@{LOOPBACK}:{free_port()}", "Connect"),
        (valkey.url, "WRONGTYPE"),
        (f"valkey://{LOOPBACK}:{valkey.port}/999", "DB index"),
    ):
        with pytest.raises(RowsRefused, match=why) as raised:
            await rows_of(ValkeyRows(url), "before", **read)
        assert "hunter" not in str(raised.value)


async def test_a_server_that_repeats_what_it_was_given_tells_no_password() -> None:
    """One that does not know AUTH answers with its arguments."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hunter22\r\n")
        writer.write(b"-ERR unknown command 'AUTH', with args beginning with: 'hunter22' \r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        reader = ValkeyRows(f"valkey://:hunter22@{LOOPBACK}:{port}")
        with pytest.raises(RowsRefused, match="unknown command") as raised:
            await rows_of(reader, keys="*", empty=True)
    assert "hunter" not in str(raised.value)


async def test_a_server_that_hangs_is_given_up_in_time(
    valkey: Valkey, client: RespConnection
) -> None:
    """Its port accepts and nothing answers: the read is an error, and the next one works."""
    await fill(client, 1, 2)
    told: list[Event] = []
    keys = PlannedRead(name="keys", keys="*", empty=True, timeout_ns=200_000_000)
    readers = {"valkey": ValkeyRows(valkey.url)}
    reads = FinalReads([keys], readers, ScriptedRecorder(), SystemClock(), told.append)
    valkey.pause()
    try:
        await reads.before_load()
    finally:
        valkey.resume()
    await reads.before_load()
    rows = [(one.rows, one.error) for one in told if isinstance(one, FinalReadEvent)]
    assert rows == [(0, "no answer within 200ms"), (1, "")]


async def test_rows_of_megabytes_never_stand_side_by_side_by_the_thousand(
    postgres: Postgres,
) -> None:
    """Half a megabyte a row is asked for a few rows at a time; two megabytes are refused."""
    reader = PostgresRows(postgres.url("postgres"))
    statement = "SELECT n, repeat('x', 500000) FROM generate_series(1, 40) AS n"
    pages = reader.read(PlannedRead(name="read", statement=statement), "after", Left())
    sizes = [len(page) async for page in pages]
    assert (sum(sizes), max(sizes)) == (40, FIRST_ROWS)
    assert sizes[1:-1] == [FINAL_READ_PAGE_BYTES // 500_008] * (len(sizes) - 2)
    with pytest.raises(RowsRefused, match="a row of it takes 2000000 bytes"):
        await rows_of(reader, statement="SELECT repeat('x', 2000000)")
