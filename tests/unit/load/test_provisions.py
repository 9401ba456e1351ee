"""What a worker takes from journey files: only what the plan names, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.builders import plan

from stormproof.journeys.declared import authored_in
from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput
from stormproof.load.provisions import Provisions, provide
from stormproof.model.plan import Plan

FILE = """
from stormproof import Feed, journey, secret

TOKEN = secret("API_TOKEN")
OPEN = Feed.csv("open.csv")
KEPT = Feed.csv("kept.csv", private=True)

@journey
async def visit(user): ...
"""
ENVIRON = {"API_TOKEN": "open-sesame", "ADMIN_TOKEN": "admin-sesame"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Lay out a project: a journey file and two feeds, one of them a link to elsewhere."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "visit.py").write_text(FILE)
    (folder / "open.csv").write_text("n\n1\n2\n")
    (tmp_path / "vault.csv").write_text("key\nk-1\n")
    (folder / "kept.csv").symlink_to(tmp_path / "vault.csv")
    return folder


def planned(project: Path, record: Path) -> Plan:
    """Plan the project's journey, and copy what travels into a record."""
    authored, problems = authored_in(project / "visit.py", ENVIRON)
    assert problems == []
    for name, data in {**authored.files, "visit.py": FILE.encode()}.items():
        (record / name).write_bytes(data)
    base = plan(feeds=authored.feeds, secrets=authored.secrets)
    digest = sha256_hex(FILE.encode())
    source = msgspec.structs.replace(
        base.scenarios[0].journey, file="visit.py", function="visit", sha256=digest
    )
    scenario = msgspec.structs.replace(base.scenarios[0], journey=source)
    return msgspec.structs.replace(base, scenarios=(scenario,))


def provided(project: Path, record: Path) -> Provisions:
    """Provide for a worker that knows the record alone."""
    return provide(planned(project, record), record, ENVIRON, {"X-API-Key": "key-of-headers"})


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Make the folder of a record's journeys."""
    folder = tmp_path / "record"
    folder.mkdir()
    return folder


def test_private_feeds_are_read_where_they_lie(project: Path, record: Path) -> None:
    """A private feed comes from its own place, the other ones from the record."""
    rows = provided(project, record).rows
    assert not (record / "kept.csv").exists()
    assert {feed.path: [dict(row) for row in each] for feed, each in rows.items()} == {
        "open.csv": [{"n": "1"}, {"n": "2"}],
        "kept.csv": [{"key": "k-1"}],
    }


@pytest.mark.parametrize("name", ["kept.csv", "open.csv"])
def test_a_feed_that_has_changed_is_refused(name: str, project: Path, record: Path) -> None:
    """A feed that is no more the file that the plan names ends the run before it begins."""
    plan_ = planned(project, record)
    changed = project / name if name == "kept.csv" else record / name
    changed.write_text("n\n9\n")
    with pytest.raises(BadInput, match=f"feed {name}: is not the file that the plan names"):
        provide(plan_, record, ENVIRON, {})


def test_every_secret_that_is_known_is_hidden(project: Path, record: Path) -> None:
    """Declared secrets, well-known ones and those in headers are all hidden."""
    masking = provided(project, record).masking
    for value in ("open-sesame", "admin-sesame", "key-of-headers"):
        assert masking.hide(f"<{value}>") == "<***>"
