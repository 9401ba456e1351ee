"""What is read of the embedded stack for real: all its sources, over a restart of a part."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.integration.faults.small_stack import KEEPER_ARGV
from tests.integration.observe.watched import value_of
from tests.integration.stack.embedded_run import RESTART, EmbeddedRun, small_plan

from stormproof.cli.asked_servers import final_reads_of, servers_of
from stormproof.cli.stack_sources import StackSources
from stormproof.faults.processes import kill_tree, marked
from stormproof.kernel.clock import SystemClock
from stormproof.kernel.errors import BadInput, SourceSilent
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import Event, FinalReadEvent, WarningEvent
from stormproof.model.observed import SERVING_PARTS, SOURCES, Observed
from stormproof.model.part import Server, StackPlan
from stormproof.model.plan import PlannedRead, PlannedSource
from stormproof.observe.scrape import Scrape
from stormproof.stack.kept import KeptStack
from stormproof.testing import ScriptedRecorder, check_source

PARTS = {"postgres", "cache", "api", "dispatcher", "consumer"}


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedRun]:
    """Offer an embedded stack to a test, and end what the test has left of it."""
    run = EmbeddedRun(root=tmp_path)
    try:
        yield run
    finally:
        left = marked(run.run_id)
        for process in left:
            kill_tree(process, deadline_ns=2**63)
        shutil.rmtree(run.private_dir, ignore_errors=True)
    assert not left, f"processes of the stack were left: {left}"


async def read(sources: StackSources, name: str) -> list[Observed]:
    (source,) = sources.named(name)
    return list(await source.read())


async def look_into_the_servers(embedded: EmbeddedRun) -> None:
    """Have final reads made of the stack's own servers, whose population was seeded."""
    reads = (
        PlannedRead(name="users", statement="SELECT username FROM users", of="users"),
        PlannedRead(name="keys", keys="no-such:*", empty=True),
        PlannedRead(name="outbox", stream="outbox", field="id", of="users"),
    )
    recorder, told = ScriptedRecorder(), list[Event]()
    looked = msgspec.structs.replace(small_plan(), final_reads=reads)
    servers = servers_of(looked, embedded.plan, {})
    final = final_reads_of(looked, servers, recorder, SystemClock(), told.append)
    await final.before_load()
    await final.when_drained()
    await final.when_left()
    rows = [(one.name, one.rows, one.error) for one in told if isinstance(one, FinalReadEvent)]
    users = looked.population.users
    first = [("users", users, ""), ("keys", 0, ""), ("outbox", 0, "")]
    absent = "there is no stream outbox, nor was there one before the load"
    assert rows == [*first, first[0], ("outbox", 0, absent), first[1]]


async def test_every_source_of_the_embedded_stack_gives_figures(embedded: EmbeddedRun) -> None:
    """Processes, logs, database and cache are read while the stack runs, a restarted part goes on
    with its counters, an error that a part logs is told once, and final reads find what it holds.
    """
    told: list[Event] = []
    sources = StackSources(embedded.plan, told.append, embedded.plan.servers)
    stack = KeptStack(KEEPER_ARGV, embedded.plan, [RESTART], sources.note, embedded.index_dir)
    await stack.start()
    try:
        for name in ("process", "log", "postgres", "valkey"):
            for source in sources.named(name):
                await check_source(source)
        for part in SERVING_PARTS:
            served = PlannedSource(
                name=part, path="/metrics", interval_ns=SECOND_NS, timeout_ns=SECOND_NS
            )
            await check_source(Scrape(served, *sources.urls_of(part)))
        assert sources.urls_of("postgres") == []
        before = await read(sources, "process")
        assert {one.tags["part"] for one in before} == PARTS
        assert value_of(before, "processes", part="postgres") > 3
        assert value_of(before, "tcp_connections", part="api") > 0
        for part in PARTS:
            assert value_of(before, "anonymous_bytes", part=part) > 1 << 20
        assert value_of(await read(sources, "postgres"), "connections", state="idle") > 0
        assert value_of(await read(sources, "valkey"), "connected_clients", part="cache") > 0
        await stack.inject(RESTART)
        await stack.undo(RESTART)
        after = await read(sources, "process")
        assert value_of(after, "starts_total", part="cache") == 2
        assert value_of(after, "up", part="cache") == 1
        assert await read(sources, "valkey")
        await look_into_the_servers(embedded)
        log = embedded.run_dir / "logs" / "api.log"
        with log.open("a") as stream:
            stream.write('{"level": "error", "message": "order 7 lost"}\n')
        given = await read(sources, "log")
        assert value_of(given, "errors_total", part="api", kind="order <n> lost") == 1
        text = "api logged an error, such as: order 7 lost"
        assert text in [one.text for one in told if isinstance(one, WarningEvent)]
    finally:
        await sources.close()
        await stack.stop()
    with pytest.raises(SourceSilent, match="no part of the stack runs"):
        await read(sources, "process")


def test_a_target_that_runs_already_has_no_such_sources() -> None:
    """Where the stack is not ours none of its sources is read."""
    sources = StackSources(None, lambda event: None, ())
    assert [name for name in SOURCES if sources.named(name)] == []


def test_two_servers_of_one_kind_are_refused() -> None:
    """Their readings would look like restarts of each other."""
    servers = [Server(kind="postgres", part=part, url="postgresql://x") for part in ("a", "b")]
    plan = StackPlan(
        run_id="r", run_dir="/r", private_dir="/p", base_url="", steps=[], servers=servers
    )
    with pytest.raises(BadInput, match="postgres: several servers are of it"):
        StackSources(plan, lambda event: None, plan.servers)
