"""Migrations under load: nobody waits for them, and what an interrupted one left is mended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, Serve
from tests.sanctum.servers import DEADLINE_S, OWNER, ROLE, ROLE_PASSWORD, Postgres

from sanctum.defects import Defect, Defects
from sanctum.migrations import online
from sanctum.migrations.online import TableBusy
from sanctum.migrations.rehearsal import COLUMN, TABLES, Rehearsal, rehearse
from sanctum.migrations.runner import UnfitRole, UnknownRevision, migrate

INDEX = f"posts_{COLUMN}"
REVISION = "SELECT version_num FROM alembic_version"


def _rehearsing(postgres: Postgres, *planted: Defect, table: str = "posts") -> Awaitable[Rehearsal]:
    return asyncio.ensure_future(
        asyncio.to_thread(rehearse, postgres.url(DATABASE), table, Defects(planted))
    )


async def _traces(postgres: Postgres) -> tuple[int, int]:
    """Count the rehearsal's columns and indexes that are there."""
    sql = f"""
        SELECT (SELECT count(*) FROM information_schema.columns WHERE column_name = '{COLUMN}'),
               (SELECT count(*) FROM pg_indexes WHERE indexname LIKE '%{COLUMN}')
    """  # noqa: S608
    row = (await postgres.fetch(sql, database=DATABASE))[0]
    return row[0], row[1]


async def _post_until(api: Api, done: asyncio.Future[Rehearsal]) -> list[int]:
    """Post one after the other until a rehearsal is over; give the statuses."""
    token = await api.token()
    statuses: list[int] = []
    while not done.done() or len(statuses) < 5:
        statuses.append((await api.call("POST", "/api/posts", {"text": "x"}, token)).status)
    return statuses


async def test_rehearsal_stops_nobody(serve: Serve, postgres: Postgres) -> None:
    """Posts are made all the while, and again and again nothing is left of a rehearsal."""
    api = await serve(SANCTUM_DATABASE_COMMAND_TIMEOUT_S="1")
    for _ in range(3):
        rehearsal = asyncio.ensure_future(_rehearsing(postgres))
        assert set(await _post_until(api, rehearsal)) == {201}
        took = await rehearsal
        assert list(took.seconds) == ["add_column", "build_index", "drop_index", "drop_column"]
        assert took.tries >= 2
        assert await _traces(postgres) == (0, 0)


async def test_locking_build_stops_writers(serve: Serve, postgres: Postgres) -> None:
    """With that defect posts are refused while the index is built."""
    api = await serve(SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.5")
    rehearsal = asyncio.ensure_future(_rehearsing(postgres, Defect.INDEX_LOCKS_WRITERS))
    assert 503 in await _post_until(api, rehearsal)
    await rehearsal
    await api.wait_ready()


async def test_waiting_migration_holds_nobody_up(
    serve: Serve, postgres: Postgres, database: str
) -> None:
    """While a long transaction uses the table posts go on, and the change comes after it."""
    api = await serve(SANCTUM_DATABASE_COMMAND_TIMEOUT_S="1")
    token = await api.token()
    long = await asyncpg.connect(postgres.url(database))
    async with long.transaction():
        await long.execute("SELECT id FROM posts LIMIT 1")
        rehearsal = asyncio.ensure_future(_rehearsing(postgres))
        for _ in range(40):
            answer = await api.call("POST", "/api/posts", {"text": "x"}, token)
            assert answer.status == 201
            await asyncio.sleep(0.02)
        assert not rehearsal.done()
    await long.close()
    assert (await rehearsal).tries > 2


async def test_table_in_use_for_ever_is_left_alone(
    postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last try the migration says which table it could not have."""
    monkeypatch.setattr(online, "TRIES_MAX", 2)
    long = await asyncpg.connect(postgres.url(database))
    async with long.transaction():
        await long.execute("SELECT id FROM posts LIMIT 1")
        with pytest.raises(TableBusy, match="posts was in use at each of 2 tries"):
            await _rehearsing(postgres)
    await long.close()
    assert await _traces(postgres) == (0, 0)


async def test_what_a_killed_rehearsal_left_is_mended(postgres: Postgres, database: str) -> None:
    """A column and an invalid index that are there already are taken over and taken away."""
    await postgres.execute(
        f"ALTER TABLE posts ADD COLUMN {COLUMN} timestamptz",
        f"UPDATE posts SET {COLUMN} = now()",  # noqa: S608
        database=database,
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await postgres.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY {INDEX} ON posts ({COLUMN})", database=database
        )
    assert await _traces(postgres) == (1, 1)
    await _rehearsing(postgres)
    assert await _traces(postgres) == (0, 0)


@pytest.mark.parametrize("table", TABLES)
async def test_every_table_can_be_rehearsed_on(
    postgres: Postgres, database: str, table: str
) -> None:
    """Each table that may be named exists and is as it was afterwards."""
    assert (await _rehearsing(postgres, table=table)).table == table
    assert await _traces(postgres) == (0, 0)


async def test_rehearsals_take_turns(postgres: Postgres, database: str) -> None:
    """Several at once all come to their end."""
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*(_rehearsing(postgres) for _ in range(3)))
    assert await _traces(postgres) == (0, 0)


async def test_migration_goes_to_a_revision_and_back(postgres: Postgres) -> None:
    """A revision can be named, undone by name, and one that is none is refused."""
    await postgres.execute("CREATE DATABASE moved")
    urls = postgres.url("moved"), postgres.url("moved", ROLE, ROLE_PASSWORD)
    seen = []
    for to, undo in (("0002", False), ("0001", True), ("head", False), ("0003", True)):
        await asyncio.to_thread(migrate, *urls, to, undo=undo)
        seen.append((await postgres.fetch(REVISION, database="moved"))[0][0])
    assert seen[:2] + seen[3:] == ["0002", "0001", "0003"]
    for to, undo in (("0999", False), ("nonsense", True)):
        with pytest.raises(UnknownRevision, match=to):
            await asyncio.to_thread(migrate, *urls, to, undo=undo)


async def test_migration_waits_in_short_turns(postgres: Postgres) -> None:
    """A revision whose table is in use is tried again, and takes place when the table is free."""
    await postgres.execute("CREATE DATABASE busy")
    urls = postgres.url("busy"), postgres.url("busy", ROLE, ROLE_PASSWORD)
    await asyncio.to_thread(migrate, *urls, "0001")
    user = await asyncpg.connect(urls[0])
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with user.transaction():
        await user.execute("LOCK TABLE memberships IN ROW EXCLUSIVE MODE")
        moved = asyncio.ensure_future(asyncio.to_thread(migrate, *urls, "0002"))
        for waits in (1, 0, 1):  # it waits, gives up, and waits anew
            async with asyncio.timeout(DEADLINE_S):
                while (await postgres.fetch(waiting))[0][0] != waits:
                    await asyncio.sleep(0.01)
        assert not moved.done()
    await moved
    await user.close()
    assert (await postgres.fetch(REVISION, database="busy"))[0][0] == "0002"


async def test_application_is_held_to_row_level_security(postgres: Postgres) -> None:
    """Neither the owner, nor a superuser, nor who bypasses row-level security, owns a table or may
    act as the owner becomes the application's role; the reason is told and nothing is changed."""
    unfit = {
        "unfit_super": "it is a superuser",
        "unfit_bypass": "it bypasses row-level security",
        "unfit_member": "it may act as the owner of the tables",
        "unfit_owning": "it owns tables",
    }
    await postgres.execute(
        "CREATE ROLE unfit_super LOGIN SUPERUSER",
        "CREATE ROLE unfit_bypass LOGIN BYPASSRLS",
        f"CREATE ROLE unfit_member LOGIN IN ROLE {OWNER}",
        "CREATE ROLE unfit_owning LOGIN",
        "CREATE TABLE not_the_owners ()",
        "ALTER TABLE not_the_owners OWNER TO unfit_owning",
        database=DATABASE,
    )
    try:
        for role, reason in {**unfit, OWNER: "it is the owner of the tables"}.items():
            with pytest.raises(UnfitRole, match=f"{role} cannot be .*: {reason}"):
                await asyncio.to_thread(migrate, postgres.url(DATABASE), postgres.url("", role))
    finally:
        drops = [f"DROP ROLE {role}" for role in unfit]
        await postgres.execute("DROP TABLE not_the_owners", *drops, database=DATABASE)
