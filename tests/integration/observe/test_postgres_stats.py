"""The source "postgres" on a real PostgreSQL: sessions, locks, deadlocks, and being shut out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.integration.observe.watched import read_value, value_of
from tests.sanctum.servers import DEADLINE_S, LOOPBACK, Postgres, free_port

from stormproof.kernel.errors import SourceSilent
from stormproof.observe.postgres_stats import PostgresSource

OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'stormproof'"
END_OURS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE application_name = 'stormproof'"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    postgres = Postgres()
    try:
        postgres.start()
        asyncio.run(postgres.execute("CREATE TABLE rows (id int PRIMARY KEY, n int)",
                                     "INSERT INTO rows VALUES (1, 0), (2, 0)",
                                     "CREATE ROLE stranger LOGIN"))  # fmt: skip
        yield postgres
    finally:
        postgres.stop()


@pytest.fixture
async def source(server: Postgres) -> AsyncIterator[PostgresSource]:
    source = PostgresSource("postgres", server.url("postgres"))
    yield source
    await source.close()


@asynccontextmanager
async def session(server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        yield connection
    finally:
        await connection.close()


async def until_value(source: PostgresSource, name: str, wanted: float) -> None:
    """Read until a figure has come to a value: servers pass on their statistics after a while."""
    async with asyncio.timeout(DEADLINE_S):
        while await read_value(source, name) < wanted:
            await asyncio.sleep(0.05)


async def test_sessions_are_counted_by_state(server: Postgres, source: PostgresSource) -> None:
    """An idle session and one that idles in a transaction are told apart; ours is neither."""
    nobody = await source.read()
    assert value_of(nobody, "connections", state="idle") == 0
    assert value_of(nobody, "connections", state="active") == 0
    async with session(server), session(server) as busy:
        await busy.execute("BEGIN")
        await busy.execute("SELECT 1")
        given = await source.read()
        assert value_of(given, "connections", part="postgres", state="idle") == 1
        assert value_of(given, "connections", state="idle-in-transaction") == 1
        assert value_of(given, "longest_transaction_seconds") > 0
        assert value_of(given, "longest_statement_seconds") == 0
        assert value_of(given, "connections_max") == 100
        assert value_of(given, "database_bytes") > 1 << 20


async def test_a_lock_that_is_waited_for_is_seen(server: Postgres, source: PostgresSource) -> None:
    """A statement that waits for a lock shows as a waiting lock and as a running statement."""
    assert await read_value(source, "waiting_locks") == 0
    async with session(server) as holder, session(server) as waiter:
        await holder.execute("BEGIN")
        await holder.execute("UPDATE rows SET n = 1 WHERE id = 1")
        waiting = asyncio.ensure_future(waiter.execute("UPDATE rows SET n = 2 WHERE id = 1"))
        await until_value(source, "waiting_locks", 1)
        assert await read_value(source, "longest_statement_seconds") > 0
        await holder.execute("ROLLBACK")
        await waiting


async def test_a_deadlock_is_counted(server: Postgres, source: PostgresSource) -> None:
    """Two sessions that wait for each other make one deadlock more, and one rollback."""
    before = await read_value(source, "deadlocks_total")
    async with session(server) as one, session(server) as other:
        for connection, row in ((one, 1), (other, 2)):
            await connection.execute("SET deadlock_timeout = '10ms'")
            await connection.execute("BEGIN")
            await connection.execute("UPDATE rows SET n = 1 WHERE id = $1", row)
        outcomes = await asyncio.gather(
            one.execute("UPDATE rows SET n = 1 WHERE id = 2"),
            other.execute("UPDATE rows SET n = 1 WHERE id = 1"),
            return_exceptions=True,
        )
        assert sum(isinstance(one, asyncpg.DeadlockDetectedError) for one in outcomes) == 1
        for connection in (one, other):
            await connection.execute("ROLLBACK")
    await until_value(source, "deadlocks_total", before + 1)


async def test_transactions_are_counted(server: Postgres, source: PostgresSource) -> None:
    """Commits and rollbacks of the database's clients show in its counters."""
    given = await source.read()
    commits = value_of(given, "commits_total")
    rollbacks = value_of(given, "rollbacks_total")
    async with session(server) as connection:
        for end in ["COMMIT"] * 30 + ["ROLLBACK"] * 20:
            await connection.execute("BEGIN")
            await connection.execute("UPDATE rows SET n = n + 1")
            await connection.execute(end)
    await until_value(source, "commits_total", commits + 30)
    await until_value(source, "rollbacks_total", rollbacks + 20)


async def test_it_costs_one_connection_with_short_statements(
    server: Postgres, source: PostgresSource
) -> None:
    """Reading again and again uses one connection, which has our name, only reads, and gives a
    statement no more than a second."""
    for _ in range(3):
        await source.read()
    assert len(await server.fetch(OURS)) == 1
    assert source._connection is not None
    for name, value in (("statement_timeout", "1s"), ("default_transaction_read_only", "on")):
        assert await source._connection.fetchval(f"SHOW {name}") == value


async def test_a_lost_connection_is_made_anew(server: Postgres, source: PostgresSource) -> None:
    """When the server ends our session we connect again."""
    await source.read()
    (before,) = await server.fetch(OURS)
    await server.execute(END_OURS)
    assert await read_value(source, "connections_max") == 100
    (after,) = await server.fetch(OURS)
    assert after != before


async def test_a_server_that_holds_its_answer_back_is_given_up(
    server: Postgres, source: PostgresSource
) -> None:
    """A reading that waits longer than a statement may take is silent and says why."""
    await source.read()
    assert source._connection is not None
    await source._connection.execute("SET statement_timeout = '1ms'")
    async with session(server) as holder:
        await holder.execute("BEGIN")
        await holder.execute("LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceSilent, match=r"postgres: .*timeout"):
            await source.read()
        await holder.execute("ROLLBACK")
    assert await read_value(source, "connections_max") == 100


async def test_a_reading_that_is_given_up_leaves_no_connection(
    server: Postgres, source: PostgresSource
) -> None:
    """Whoever asks may cancel at any moment; the next reading works."""
    for give_up_after in range(1, 6):
        reading = asyncio.ensure_future(source.read())
        for _ in range(give_up_after):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert await read_value(source, "connections_max") == 100
    async with session(server) as holder:
        await holder.execute("BEGIN")
        await holder.execute("LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.ensure_future(source.read())
        async with asyncio.timeout(DEADLINE_S):
            while not await holder.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await holder.execute("ROLLBACK")
    async with asyncio.timeout(DEADLINE_S):
        while await server.fetch(OURS):
            await asyncio.sleep(0.01)


async def test_a_role_that_sees_only_itself_is_silent(server: Postgres) -> None:
    """Where other sessions are hidden there are no figures, and the message says what to grant."""
    source = PostgresSource("postgres", server.url("postgres", user="stranger"))
    with pytest.raises(SourceSilent, match="GRANT pg_monitor TO stranger"):
        await source.read()
    await source.close()


async def test_a_server_that_is_away_is_silent() -> None:
    """Nobody at the address is a gap; the message holds no password."""
    url = f"postgresql://owner:hunter22@{LOOPBACK}:{free_port()}/postgres"
    with pytest.raises(SourceSilent, match="postgres: ") as raised:
        await PostgresSource("postgres", url).read()
    assert "hunter" not in str(raised.value)


async def test_without_its_library_it_says_what_to_install(
    source: PostgresSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra the one message names it."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(SourceSilent, match=r"pip install 'stormproof\[sanctum\]'") as raised:
        await source.read()
    assert raised.value.is_absent


async def test_what_goes_wrong_with_our_statements_is_no_error_in_the_log(
    server: Postgres, source: PostgresSource
) -> None:
    """A statement of ours that runs into its time limit leaves no line in the server's log."""
    await source.read()
    connection = source._connection
    assert connection is not None
    for setting in ("log_min_messages", "log_min_error_statement"):
        assert await connection.fetchval(f"SHOW {setting}") == "panic"


async def test_whoever_may_not_silence_the_log_is_still_read(server: Postgres) -> None:
    """A member of pg_monitor is no superuser: its statements are logged, and answered."""
    await server.execute("CREATE ROLE watcher LOGIN", "GRANT pg_monitor TO watcher")
    source = PostgresSource("postgres", server.url("postgres", user="watcher"))
    try:
        assert await read_value(source, "connections_max") > 0
    finally:
        await source.close()
