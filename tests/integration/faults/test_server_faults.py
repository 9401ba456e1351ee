"""Each fault of a database or cache on a real one, while somebody uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.integration.faults.real_servers import (
    APPLICATION,
    DATABASE,
    PLACES,
    RESERVED,
    TABLE,
    WITHOUT_DISK,
    cache,
    database,
    fault,
    refusing,
)
from tests.sanctum.servers import DEADLINE_S, Postgres, Valkey

from stormproof.faults.cache_eviction import CacheEviction
from stormproof.faults.cache_flush import CacheFlush
from stormproof.faults.database_exhaustion import DatabaseExhaustion
from stormproof.faults.database_load import DatabaseLoad
from stormproof.faults.database_lock import DatabaseLock
from stormproof.faults.database_statement import DatabaseStatement
from stormproof.faults.security_role import SecurityRole
from stormproof.faults.stream_trim import StreamTrim
from stormproof.kernel.errors import EnvironmentFailure, FaultLapsed, FaultRefused
from stormproof.seams import Fault
from stormproof.servers.resp import RespConnection

GRANTS = "SELECT relacl::text FROM pg_class WHERE relname = 'things'"


async def connect(postgres: Postgres) -> asyncpg.Connection:
    """Connect as the application does."""
    return await asyncpg.connect(postgres.url(DATABASE, APPLICATION))


async def closed(connection: asyncpg.Connection) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not connection.is_closed():
            await asyncio.sleep(0.01)


async def test_lock_makes_the_application_wait_until_its_undo(postgres: Postgres) -> None:
    """A reader waits behind the lock and is counted as waiting; after the undo it gets its rows,
    and no session of the fault is left."""
    broken: Fault = DatabaseLock(
        database(postgres), fault("database-lock", table=TABLE, mode="access-exclusive")
    )
    assert await broken.witness() is None
    assert "things is locked, ACCESS EXCLUSIVE" in await broken.inject()
    application = await connect(postgres)
    reading = asyncio.ensure_future(application.fetch("SELECT * FROM things"))
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(DEADLINE_S):
        while not await postgres.fetch(waiting):
            await asyncio.sleep(0.01)
    told = await broken.witness() or ""
    assert "reading things is refused" in told
    assert "1 others wait" in told
    assert not reading.done()
    assert await broken.undo() == "things is unlocked"
    assert await reading == []
    assert await broken.undo() == "there was no lock"
    assert await broken.residue() is None
    await application.close()


async def test_lock_for_writers_lets_readers_through(postgres: Postgres) -> None:
    """The mode `share` keeps from writing only."""
    broken = DatabaseLock(database(postgres), fault("database-lock", table=TABLE, mode="share"))
    await broken.inject()
    assert "writing things is refused" in (await broken.witness() or "")
    assert await postgres.fetch("SELECT * FROM things") == []
    await broken.undo()
    assert await broken.witness() is None


async def test_exhaustion_refuses_every_new_connection_and_takes_those_given_back(
    postgres: Postgres,
) -> None:
    """The application's open connection goes on, a new one is refused, and so it is when the open
    one is given back; after the undo there are places again."""
    broken: Fault = DatabaseExhaustion(
        database(postgres), fault("database-exhaustion", left=0, sessions="keep")
    )
    application = await connect(postgres)
    told = await broken.inject()
    assert f"of {PLACES} connections others have 1" in told
    assert f"{PLACES - RESERVED - 1} are held, {RESERVED} reserved and 0 left" in told
    assert "a new connection is refused (53300)" in (await broken.witness() or "")
    assert await application.fetchval("SELECT 1") == 1
    await application.close()
    taken = f"others have 0, {PLACES - RESERVED} are held"
    async with asyncio.timeout(DEADLINE_S):
        while taken not in (await broken.witness() or ""):
            await asyncio.sleep(0.01)
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await connect(postgres)
    assert await broken.undo() == f"{PLACES - RESERVED} connections are let go"
    assert await broken.residue() is None
    await (await connect(postgres)).close()
    assert await broken.undo() == "0 connections are let go"


async def test_exhaustion_leaves_as_many_as_it_says(postgres: Postgres) -> None:
    """With two left, sessions over two are ended, oldest first, and two are all that others get."""
    broken = DatabaseExhaustion(
        database(postgres), fault("database-exhaustion", left=2, sessions="end")
    )
    old, first, second = [await connect(postgres) for _ in range(3)]
    assert "others have 2" in await broken.inject()
    await closed(old)
    assert "is refused (53300)" in (await broken.witness() or "")
    await first.close()
    async with asyncio.timeout(DEADLINE_S):
        while "and 1 left" not in (await broken.witness() or ""):
            await asyncio.sleep(0.01)
    await (await connect(postgres)).close()
    await broken.undo()
    await second.close()
    assert await broken.residue() is None


@pytest.mark.parametrize("work", ["cpu", "disk"])
async def test_load_makes_statements_slower_and_ends_with_its_undo(
    postgres: Postgres, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its statements are seen to run, a statement is measured to be slower, and after the undo no
    session of it is left in the middle of one."""
    monkeypatch.setattr("stormproof.faults.database_load.WITNESS_S", DEADLINE_S)
    broken: Fault = DatabaseLoad(
        database(postgres), fault("database-load", connections=6, work=work)
    )
    await broken.inject()
    told = await broken.witness() or ""
    assert "connections run expensive statements" in told
    assert "times)" in told
    assert await broken.undo() == "6 connections are cut"
    assert await broken.residue() is None


async def test_fault_whose_sessions_the_server_ended_did_not_last(postgres: Postgres) -> None:
    """An administrator who ends our sessions ends the fault: the undo says so, and a second one has
    nothing to say."""
    server = database(postgres)
    lock = DatabaseLock(server, fault("database-lock", table="things", mode="share"))
    load = DatabaseLoad(server, fault("database-load", connections=2, work="cpu"))
    full = DatabaseExhaustion(server, fault("database-exhaustion", left=5, sessions="keep"))
    ended: list[tuple[Fault, Callable[[], bool]]] = [
        (lock, lambda: lock._session is not None and lock._session.is_lost),
        (load, lambda: load._sessions[0].is_lost),
        (full, lambda: full._held[0].is_lost),
    ]
    for broken, is_over in ended:
        await broken.inject()
        await postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'stormproof fault broken'"
        )
        async with asyncio.timeout(DEADLINE_S):
            while not is_over():
                await asyncio.sleep(0.01)
        with pytest.raises(FaultLapsed, match="the server had ended"):
            await broken.undo()
        await broken.undo()
        assert await broken.residue() is None


@pytest.mark.parametrize("privilege", ["select", "insert", "update", "delete"])
async def test_role_is_refused_until_its_right_is_granted_again(
    postgres: Postgres, privilege: str, promises: list[Mapping[str, str]]
) -> None:
    """A statement of the role is refused (42501); undone, every grant is as it was, with its option
    to grant."""
    before = await postgres.fetch(GRANTS)
    planned = fault("security-role", role=APPLICATION, table=TABLE, privilege=privilege)
    broken = SecurityRole(database(postgres), planned, promises.append)
    assert await broken.witness() is None
    await broken.inject()
    assert promises[0]["grantable"] == ("yes" if privilege in ("update", "delete") else "no")
    told = await broken.witness()
    assert told == f"as {APPLICATION}: permission denied for table things (42501)"
    assert await broken.residue() == f"{APPLICATION} may not {privilege} on things"
    assert await broken.lapse() is None
    await broken.undo()
    assert f"had got {privilege} back" in (await broken.lapse() or "")
    await broken.undo()
    assert await broken.residue() is None
    assert sorted(str(await postgres.fetch(GRANTS))) == sorted(str(before))


async def test_right_that_comes_another_way_is_not_taken(
    postgres: Postgres, promises: list[Mapping[str, str]]
) -> None:
    """What everybody may, the role still may: the fault is refused and no grant is changed."""
    await postgres.execute("GRANT SELECT ON things TO PUBLIC")
    before = await postgres.fetch(GRANTS)
    planned = fault("security-role", role=APPLICATION, table=TABLE, privilege="select")
    with pytest.raises(FaultRefused, match="by another way"):
        await SecurityRole(database(postgres), planned, promises.append).inject()
    assert await postgres.fetch(GRANTS) == before
    await postgres.execute("REVOKE SELECT ON things FROM PUBLIC")


async def test_statement_is_done_witnessed_and_undone(
    postgres: Postgres, promises: list[Mapping[str, str]]
) -> None:
    """The trial's own statements change and restore the database, and its query is the evidence."""
    planned = fault(
        "database-statement",
        do="INSERT INTO things VALUES (1); INSERT INTO things VALUES (2)",
        undo="DELETE FROM things",
        witness="SELECT count(*) FROM things",
    )
    broken: Fault = DatabaseStatement(database(postgres), planned, promises.append)
    await broken.inject()
    assert promises == [{"undo": "DELETE FROM things", "witness": "SELECT count(*) FROM things"}]
    assert await broken.witness() == "SELECT count(*) FROM things gives 2"
    assert await broken.residue() == "SELECT count(*) FROM things still gives 2"
    with pytest.raises(FaultRefused, match="holds before anything is done"):
        await DatabaseStatement(database(postgres), planned, promises.append).inject()
    assert await broken.undo() == "undone: DELETE 2"
    await broken.undo()
    assert await broken.residue() is None


async def test_statement_that_fails_halfway_changes_nothing(
    postgres: Postgres, promises: list[Mapping[str, str]]
) -> None:
    """All statements of a change are one transaction."""
    planned = fault(
        "database-statement",
        do="INSERT INTO things VALUES (1); nonsense",
        undo="",
        witness="SELECT false",
    )
    with pytest.raises(FaultRefused, match=r"near .nonsense. \(42601\)"):
        await DatabaseStatement(database(postgres), planned, promises.append).inject()
    assert await postgres.fetch("SELECT * FROM things") == []


async def test_nothing_is_changed_unless_its_undo_is_on_disk(
    postgres: Postgres, valkey: Valkey, client: RespConnection
) -> None:
    """Where the promise cannot be written, grants, data and settings stay as they are."""
    before = await postgres.fetch(GRANTS)
    words = {"do": "INSERT INTO things VALUES (9)", "undo": "SELECT 1", "witness": "SELECT false"}
    role = fault("security-role", role=APPLICATION, table=TABLE, privilege="select")
    memory = fault("cache-eviction", "cache", memory=0, policy="allkeys-lru")
    policy = await client.call("CONFIG", "GET", "maxmemory-policy")
    for broken in (
        SecurityRole(database(postgres), role, refusing),
        DatabaseStatement(database(postgres), fault("database-statement", **words), refusing),
        CacheEviction(cache(valkey), memory, refusing),
    ):
        with pytest.raises(EnvironmentFailure, match=WITHOUT_DISK):
            await broken.inject()
    assert await postgres.fetch(GRANTS) == before
    assert await postgres.fetch("SELECT * FROM things") == []
    assert await client.call("CONFIG", "GET", "maxmemory-policy") == policy


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("database-lock", {"table": "nowhere", "mode": "share"}),
        ("security-role", {"role": APPLICATION, "table": "nowhere", "privilege": "select"}),
        ("security-role", {"role": "nobody", "table": TABLE, "privilege": "select"}),
    ],
)
async def test_what_is_not_there_is_refused_by_name(
    postgres: Postgres,
    kind: str,
    settings: dict[str, str],
    promises: list[Mapping[str, str]],
) -> None:
    """A table or a role that there is not is named in one sentence, and nothing was promised."""
    planned = fault(kind, **settings)
    broken: Fault = (
        SecurityRole(database(postgres), planned, promises.append)
        if kind == "security-role"
        else DatabaseLock(database(postgres), planned)
    )
    with pytest.raises(FaultRefused, match=r"postgres has no (table nowhere|role nobody)"):
        await broken.inject()
    assert promises == []
    await broken.undo()
    assert await broken.residue() is None


async def test_server_that_is_away_is_refused_without_its_password(
    promises: list[Mapping[str, str]],
) -> None:
    """Nobody on the port: every fault refuses, and names no password."""
    gone, silent = Postgres.__new__(Postgres), Valkey()
    gone.port = silent.port
    for broken in (
        DatabaseLock(database(gone), fault("database-lock", table=TABLE, mode="share")),
        DatabaseExhaustion(database(gone), fault("database-exhaustion", left=0, sessions="keep")),
        DatabaseLoad(database(gone), fault("database-load", connections=1, work="cpu")),
        CacheFlush(cache(silent), fault("cache-flush", "cache", keys="*")),
        StreamTrim(cache(silent), fault("stream-trim", "cache", stream="events", keep=0)),
    ):
        with pytest.raises(FaultRefused) as refusal:
            await broken.inject()
        assert "hidden-word" not in str(refusal.value)
        await broken.undo()
