"""What a fault changed in a server that outlives the run is put back, by whoever is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec
import pytest
from tests.integration.faults.dead_runs import controlled, enter_dead_run, open_run
from tests.integration.faults.real_servers import (
    APPLICATION,
    DATABASE,
    TABLE,
    cache,
    database,
    fault,
)
from tests.integration.faults.small_stack import SmallStack, record_at, until
from tests.integration.faults.test_death import CLEANUP_DEADLINE_S
from tests.integration.observe.watched import connected
from tests.sanctum.servers import OWNER, Postgres, Valkey

from stormproof.faults.cache_eviction import CacheEviction
from stormproof.faults.database_statement import DatabaseStatement
from stormproof.faults.databases import Promise
from stormproof.faults.heal import HealReport, heal
from stormproof.faults.index import OpenRuns
from stormproof.faults.journal import FaultIntended, PartStarted, RestoreIntended, leftovers
from stormproof.faults.processes import ProcessId, is_alive
from stormproof.faults.security_role import SecurityRole
from stormproof.kernel.clock import boot_id
from stormproof.kernel.errors import FaultRefused
from stormproof.model.event import FaultEvent, FaultStep
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault
from stormproof.stack.ports import choose_ports

UNDO = f"GRANT select ON TABLE {TABLE} TO {APPLICATION}"
ROLE = fault("security-role", role=APPLICATION, table=TABLE, privilege="select")
MAY_READ = f"SELECT has_table_privilege('{APPLICATION}', '{TABLE}', 'select')"


async def may_read(postgres: Postgres) -> bool:
    return bool((await postgres.fetch(MAY_READ))[0][0])


async def is_up(valkey: Valkey) -> None:
    await (await connected(valkey)).close()


async def policy_of(valkey: Valkey) -> object:
    client = await connected(valkey)
    told = await client.call("CONFIG", "GET", "maxmemory-policy")
    await client.close()
    assert isinstance(told, list)
    return told[1]


def died_with(small: SmallStack, *faults: tuple[PlannedFault, Server]) -> None:
    """Inject faults as a keeper does, and be dead."""
    journal = enter_dead_run(small, boot=boot_id())

    async def inject(planned: PlannedFault, server: Server) -> None:
        def promise(values: Mapping[str, str]) -> None:
            line = RestoreIntended(
                fault=planned.name,
                kind=planned.kind,
                part=planned.part,
                values=dict(values),
                is_kept=server.is_kept,
            )
            journal.append(line)

        kinds: Mapping[str, Callable[[Server, PlannedFault, Promise], Fault]] = {
            "security-role": SecurityRole,
            "cache-eviction": CacheEviction,
            "database-statement": DatabaseStatement,
        }
        journal.append(FaultIntended(fault=planned.name, kind=planned.kind, part=planned.part))
        await kinds[planned.kind](server, planned, promise).inject()

    for planned, server in faults:
        asyncio.run(inject(planned, server))
    journal.close()


def healed(small: SmallStack, **urls: str) -> HealReport:
    return heal(small.index_dir, None, record_at, urls)


def test_a_server_that_outlives_its_run_is_healed_by_its_url(
    small: SmallStack, postgres: Postgres, valkey: Valkey
) -> None:
    """Without the URL the report says what to do by hand and the run stays open; with a wrong one
    too; with the right one grants, settings and data are as before, and nothing is left to do."""
    asyncio.run(is_up(valkey))
    statement = msgspec.structs.replace(
        fault(
            "database-statement",
            do="CREATE TABLE more ()",
            undo="DROP TABLE more",
            witness="SELECT to_regclass('more') IS NOT NULL",
        ),
        name="made",
    )
    memory = fault("cache-eviction", "cache", memory=0.5, policy="allkeys-lru")
    died_with(
        small,
        (ROLE, database(postgres)),
        (statement, database(postgres)),
        (msgspec.structs.replace(memory, name="less"), cache(valkey)),
    )
    journal = (small.run_dir / "undo.jsonl").read_text()
    assert "hidden-word" not in journal
    assert "postgresql://" not in journal
    assert not asyncio.run(may_read(postgres))

    report = healed(small)
    told = "\n".join(report.lines)
    assert not report.is_clean
    assert f"set STORMPROOF_URL_POSTGRES to its URL and heal again, or do by hand: {UNDO}" in told
    assert "by hand: CONFIG SET maxmemory 0; CONFIG SET maxmemory-policy noeviction" in told

    wrong = "postgresql://owner:hidden-word@127.0.0.1:1/postgres"
    report = healed(small, STORMPROOF_URL_POSTGRES=wrong, STORMPROOF_URL_CACHE=valkey.url)
    told = "\n".join(report.lines)
    assert not report.is_clean
    assert "hidden-word" not in told
    assert f"by hand: {UNDO}" in told
    assert "less is undone in cache: maxmemory is 0 and maxmemory-policy is noeviction" in told

    report = healed(small, STORMPROOF_URL_POSTGRES=postgres.url(DATABASE, OWNER))
    assert report.is_clean, report.lines
    assert asyncio.run(may_read(postgres))
    assert not asyncio.run(postgres.fetch("SELECT to_regclass('more')"))[0][0]
    assert OpenRuns(small.index_dir).entries() == ([], [])
    assert leftovers(small.run_dir / "undo.jsonl").restores == {}


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_went_with_its_server_needs_no_healing(small: SmallStack, is_kept: bool) -> None:
    """A server of the run's own stack is gone, and a setting of its process with it."""
    journal = enter_dead_run(small, boot=boot_id())
    gone = ProcessId(pid=2**22 - 1, start_ticks=1)
    journal.append(PartStarted(part="cache", process=gone, uid=0, wall_ns=2**62))
    journal.append(
        RestoreIntended(
            fault="less", kind="cache-eviction", part="cache", values={}, is_kept=is_kept
        )
    )
    journal.close()
    report = healed(small)
    assert report.is_clean, report.lines
    assert any("less ended with cache" in line for line in report.lines)


async def test_keeper_that_cannot_undo_leaves_the_run_to_be_healed(
    small: SmallStack, postgres: Postgres
) -> None:
    """When an undo in a server that outlives the run fails, the run is not called over: it stays in
    the index with what is to be undone, until somebody has done it."""
    words = {
        "do": "CREATE TABLE stuck ()",
        "undo": "nonsense",
        "witness": "SELECT to_regclass('stuck') IS NOT NULL",
    }
    broken = fault("database-statement", "server", **words)
    small.servers = [msgspec.structs.replace(database(postgres), part="server")]
    url = {"STORMPROOF_URL_SERVER": postgres.url(DATABASE, OWNER)}
    stack = small.kept(broken)
    await stack.start()
    await stack.inject(broken)
    with pytest.raises(FaultRefused, match="nonsense"):
        await stack.undo(broken)
    await stack.stop()
    assert OpenRuns(small.index_dir).entries()[0]
    report = await asyncio.to_thread(healed, small, **url)
    assert not report.is_clean
    assert "do by hand: nonsense" in "\n".join(report.lines)
    await postgres.execute("DROP TABLE stuck")
    report = await asyncio.to_thread(healed, small, **url)
    assert report.is_clean, report.lines
    assert "it was undone before" in "\n".join(report.lines)


def test_servers_that_outlive_the_run_are_whole_when_its_controller_was_killed(
    small: SmallStack, postgres: Postgres, valkey: Valkey
) -> None:
    """After kill -9 of the controller with five faults in force the keeper undoes them all: grants
    and settings are as before, and the server has no lock, no statement and no session of them."""
    asyncio.run(is_up(valkey))
    small.servers = [
        msgspec.structs.replace(database(postgres), part="server"),
        msgspec.structs.replace(cache(valkey), part="other"),
    ]
    port = choose_ports(["other"], {})["other"]
    small.extra_steps.append(small.server(name="other", port=port))
    lock = fault("database-lock", "server", table=TABLE, mode="share")
    load = fault("database-load", "server", connections=6, work="cpu")
    words = {"do": "CREATE TABLE more ()", "undo": "DROP TABLE more"}
    words["witness"] = "SELECT to_regclass('more') IS NOT NULL"
    faults = {
        "role": msgspec.structs.replace(ROLE, part="server"),
        "lock": lock,
        "load": load,
        "made": fault("database-statement", "server", **words),
        "less": fault("cache-eviction", "other", memory=0.5, policy="allkeys-lru"),
    }
    named = [msgspec.structs.replace(one, name=name) for name, one in faults.items()]
    with controlled(small, *named) as controller:
        keeper = open_run(small).keeper
        assert not asyncio.run(may_read(postgres))
        controller.kill()
        controller.wait()
        until(lambda: not is_alive(keeper), within_s=CLEANUP_DEADLINE_S)
    assert small.is_gone()
    assert asyncio.run(may_read(postgres))
    assert asyncio.run(policy_of(valkey)) == "noeviction"
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stormproof%'"
    assert asyncio.run(postgres.fetch(left))[0][0] == 0
    assert not asyncio.run(postgres.fetch("SELECT to_regclass('more')"))[0][0]
    undone = [one.fault for one in small.keeper_segment().events
              if isinstance(one, FaultEvent) and one.step is FaultStep.UNDONE]  # fmt: skip
    assert sorted(undone) == sorted(faults)
    assert leftovers(small.run_dir / "undo.jsonl").restores == {}
