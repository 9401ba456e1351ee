"""The source "cgroup": a part in a group of its own, and one in ours."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.observe.watched import Obedient, read_value, tell, value_of

from stormproof.kernel.errors import SourceSilent
from stormproof.observe.cgroups import CgroupSource, cgroup_mount, group_of, observe_group
from stormproof.observe.parts import PartsInSight


@pytest.fixture
def api() -> Iterator[Obedient]:
    child = Obedient()
    yield child
    child.end()


@pytest.fixture
def parts(tmp_path: Path, api: Obedient) -> PartsInSight:
    sight = PartsInSight({"api": tmp_path / "api.log"})
    tell(sight, "api", "started", api.pid)
    return sight


@pytest.fixture
def own_group(api: Obedient) -> Iterator[str]:
    """Put the part into a group of its own, where this machine lets us."""
    name = f"stormproof-test-{secrets.token_hex(4)}"
    folder = cgroup_mount() / group_of(os.getpid()).lstrip("/") / name
    try:
        folder.mkdir()
        (folder / "cgroup.procs").write_text(str(api.pid))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield name
    api.end()
    folder.rmdir()


async def test_a_part_in_our_own_group_has_none(parts: PartsInSight) -> None:
    """Figures of our own group are not told as a part's: there are none, and never will be."""
    source = CgroupSource(parts)
    with pytest.raises(SourceSilent, match="no part has a control group of its own") as raised:
        await source.read()
    assert raised.value.is_absent


async def test_a_part_in_a_group_of_its_own(
    parts: PartsInSight, api: Obedient, own_group: str
) -> None:
    """CPU that a part uses shows in the figures of its group."""
    assert group_of(api.pid).endswith(own_group)
    source = CgroupSource(parts)
    before = await read_value(source, "cpu_seconds_total", part="api")
    api.do("burn", 200)
    assert await read_value(source, "cpu_seconds_total") - before >= 0.18


def test_the_files_of_a_group_are_read(tmp_path: Path) -> None:
    """Memory, kills for want of it, CPU time and throttling are told, in bytes and seconds."""
    (tmp_path / "memory.current").write_text("1048576\n")
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\n")
    (tmp_path / "cpu.stat").write_text(
        "usage_usec 1500000\nuser_usec 1\nnr_periods 9\nnr_throttled 4\nthrottled_usec 250000\n"
    )
    given = list(observe_group(tmp_path, "api"))
    assert {one.name: one.value for one in given} == {
        "memory_bytes": 1_048_576,
        "oom_kills_total": 2,
        "cpu_seconds_total": 1.5,
        "throttled_seconds_total": 0.25,
        "throttled_periods_total": 4,
    }
    assert value_of(given, "memory_bytes", part="api") == 1_048_576


def test_what_has_no_controller_is_not_told(tmp_path: Path) -> None:
    """Of a group without a memory controller, or one that is gone, nothing is told for it."""
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\n")
    assert [one.name for one in observe_group(tmp_path, "api")] == ["cpu_seconds_total"]
    assert list(observe_group(tmp_path / "gone", "api")) == []
