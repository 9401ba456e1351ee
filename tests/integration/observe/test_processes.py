"""The source "process" on real processes: those that grow, open, fork, die and are replaced."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from tests.integration.observe.watched import Obedient, read_value, tell, value_of

from stormproof.kernel.errors import SourceSilent
from stormproof.observe import processes
from stormproof.observe.parts import PartsInSight
from stormproof.observe.process_files import (
    ProcessId,
    TcpTables,
    all_stats,
    identify,
    read_descriptors,
    read_memory,
    tree_below,
)
from stormproof.observe.processes import ProcessSource

MEGABYTE = 1 << 20


@pytest.fixture
def parts(tmp_path_factory: pytest.TempPathFactory) -> PartsInSight:
    logs = tmp_path_factory.mktemp("logs")
    return PartsInSight({name: logs / f"{name}.log" for name in ("api", "cache")})


@pytest.fixture
def api(parts: PartsInSight) -> Iterator[Obedient]:
    """Run the part `api`."""
    child = Obedient()
    tell(parts, "api", "started", child.pid)
    yield child
    child.end()


@pytest.fixture
def source(parts: PartsInSight) -> ProcessSource:
    return ProcessSource(parts)


async def test_memory_that_a_part_takes_is_seen(source: ProcessSource, api: Obedient) -> None:
    """Thirty megabytes that a part fills show in its anonymous memory and in what is resident."""
    before = await source.read()
    api.do("grow", 30)
    after = await source.read()
    for name in ("anonymous_bytes", "rss_bytes"):
        grown = value_of(after, name, part="api") - value_of(before, name, part="api")
        assert 29 * MEGABYTE < grown < 40 * MEGABYTE


async def test_what_is_opened_is_counted(source: ProcessSource, api: Obedient) -> None:
    """Descriptors and threads are counted to the one."""
    before = await source.read()
    api.do("open", 7)
    api.do("threads", 3)
    after = await source.read()
    assert value_of(after, "open_descriptors") - value_of(before, "open_descriptors") == 7
    assert value_of(after, "threads") - value_of(before, "threads") == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_only_established_connections_of_the_part_count(
    source: ProcessSource, api: Obedient, host: str
) -> None:
    """Of three connections the part holds three ends; our listener and our ends are not its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        assert await read_value(source, "tcp_connections") == 0
        api.do("connect", host, listener.getsockname()[1], 3)
        accepted = [listener.accept()[0] for _ in range(3)]
        assert await read_value(source, "tcp_connections") == 3
        for one in accepted:
            one.close()
    assert await read_value(source, "tcp_connections") == 0  # closed by their peer: no longer so


async def test_descendants_count(source: ProcessSource, api: Obedient) -> None:
    """A child of a part belongs to it, and so does one that lost its parent within the session."""
    assert await read_value(source, "processes") == 1
    api.do("fork")
    assert await read_value(source, "processes") == 2
    api.do("orphan")
    assert await read_value(source, "processes") == 3


async def test_cpu_time_is_that_of_the_whole_tree(source: ProcessSource, api: Obedient) -> None:
    """CPU that a part and its child used counts, and stays counted when the child has ended."""
    before = await read_value(source, "cpu_seconds_total")
    api.do("burn", 200)
    own = await read_value(source, "cpu_seconds_total")
    api.do("burn-below", 200)
    assert own - before >= 0.18
    assert await read_value(source, "cpu_seconds_total") - own >= 0.18


async def test_cpu_time_grows_over_a_replacement(
    source: ProcessSource, parts: PartsInSight, api: Obedient
) -> None:
    """When a part is started again its counter goes on from where it was, and the start counts."""
    api.do("burn", 200)
    cache = Obedient()
    tell(parts, "cache", "started", cache.pid)
    before = await read_value(source, "cpu_seconds_total", part="api")
    api.end()
    tell(parts, "api", "stopped", api.pid)
    assert await read_value(source, "cpu_seconds_total", part="api") == before  # while it is down
    cache.end()
    second = Obedient()
    try:
        tell(parts, "api", "started", second.pid)
        after = await source.read()
    finally:
        second.end()
    assert value_of(after, "cpu_seconds_total", part="api") >= before
    assert value_of(after, "starts_total", part="api") == 2
    assert value_of(after, "up", part="api") == 1


async def test_a_part_that_is_gone_is_a_gap_of_its_own(
    source: ProcessSource, parts: PartsInSight, api: Obedient
) -> None:
    """Of a part that died nothing is told but that it is down; the others go on."""
    cache = Obedient()
    tell(parts, "cache", "started", cache.pid)
    cache.end()  # and nobody has told us yet
    given = await source.read()
    assert {one.name for one in given if one.tags["part"] == "cache"} == {"up", "starts_total"}
    assert value_of(given, "up", part="cache") == 0
    assert value_of(given, "up", part="api") == 1
    assert value_of(given, "rss_bytes", part="api") > 0


async def test_a_part_that_was_stopped_is_not_looked_for(
    source: ProcessSource, parts: PartsInSight, api: Obedient
) -> None:
    """The word that a part has ended counts for the process that it was, and for no later one."""
    tell(parts, "api", "exited", api.pid + 1)
    assert await read_value(source, "up") == 1
    tell(parts, "api", "exited", api.pid)
    with pytest.raises(SourceSilent, match="no part of the stack runs"):
        await source.read()


async def test_without_any_part_the_source_is_silent(source: ProcessSource) -> None:
    """Before anything was started there are no figures, and so no zeros."""
    with pytest.raises(SourceSilent, match="no part of the stack runs"):
        await source.read()


def test_a_task_and_a_link_are_no_parts(parts: PartsInSight, api: Obedient) -> None:
    """What the keeper tells of anything that has no log of a part is not followed."""
    tell(parts, "migrate", "started", api.pid)
    assert set(parts.started) == {"api"}


def test_a_pid_that_is_somebody_elses_now_is_not_the_part(api: Obedient) -> None:
    """A process is known by its start time as well: another one under its pid is not followed."""
    real = identify(api.pid)
    assert real is not None
    assert [stat.process for stat in tree_below(real, all_stats())] == [real]
    earlier = ProcessId(pid=api.pid, start_ticks=real.start_ticks - 1)
    assert tree_below(earlier, all_stats()) == []


def test_a_process_that_ends_while_it_is_read_is_gone(api: Obedient) -> None:
    """Each file of a process that has ended since it was listed reads as gone, not as an error; one
    that nobody has waited for counts as gone, too."""
    root = identify(api.pid)
    assert root is not None
    api.process.kill()
    os.waitid(os.P_PID, api.pid, os.WEXITED | os.WNOWAIT)
    assert tree_below(root, all_stats()) == []
    api.end()
    assert identify(api.pid) is None
    assert read_memory(api.pid) is None
    assert read_descriptors(api.pid) is None
    assert TcpTables().established(api.pid) is None


async def test_what_may_not_be_read_is_not_told(
    source: ProcessSource, api: Obedient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part with a process whose descriptors are hidden has no count of them, rather than a low
    one."""
    api.do("fork")

    def refuse(pid: int) -> None:
        if pid != api.pid:
            raise PermissionError

    monkeypatch.setattr(processes, "read_descriptors", refuse)
    given = await source.read()
    assert {"open_descriptors", "tcp_connections"}.isdisjoint(one.name for one in given)
    assert value_of(given, "processes") == 2


async def test_too_many_descriptors_hide_connections_only(
    source: ProcessSource, api: Obedient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit descriptors are counted, and connections among them are not told."""
    monkeypatch.setattr("stormproof.observe.process_files.PROCESS_DESCRIPTORS_MAX", 5)
    api.do("open", 10)
    given = await source.read()
    assert value_of(given, "open_descriptors") >= 10
    assert "tcp_connections" not in {one.name for one in given}


async def test_too_many_processes_are_a_gap(
    source: ProcessSource, api: Obedient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part with more processes than are looked at makes a gap that says so."""
    monkeypatch.setattr(processes, "PART_PROCESSES_MAX", 1)
    api.do("fork")
    with pytest.raises(SourceSilent, match="api has 2 processes; at most 1"):
        await source.read()
