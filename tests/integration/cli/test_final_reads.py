"""What journeys told is held against a real PostgreSQL and a real Valkey when all is over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.integration.cli.conftest import Project
from tests.integration.cli.outbox_server import Outbox, serve
from tests.sanctum.servers import LOOPBACK, Postgres, Valkey, free_port

from stormproof.cli.main import run_commands

TRIAL = '''"""People send messages."""

from stormproof import FinalRead, Floors, Trial, TrialProbe, journey

TRIAL = Trial(
    name="outbox", title="Messages are stored and passed on", stack="none",
    scenarios={"send": "send"}, probes={"ready": TrialProbe(path="/ready")},
    final_reads={
        "rows": FinalRead(statement="SELECT id FROM messages", of="chat"),
        "events": FinalRead(stream="outbox", field="id", numbers=True, same_as="rows"),
        "tickets": FinalRead(keys="ticket:*", empty=True),
        "open": FinalRead(
            statement="SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'",
            empty=True,
        ),
    },
    objectives={
        "stored_lost": ("count==0",), "stored_refused": ("count==0",),
        "stored_surplus": ("count==0",), "stored_repeated": ("count==0",),
        "stored_apart{what:events}": ("count==0",), "orphaned": ("count==0",),
    },
    floors=Floors(duration="5s"),
)


@journey
async def send(user):
    user.state.turn = getattr(user.state, "turn", 0) + 1
    number = 1000 + user.index + 100 * user.state.turn
    sent = user.ledger.add("chat", number)
    sent.answered(await user.http.post("/messages", json={"id": number}, expected=(409,)))
'''
EXACT = {
    "stored_lost",
    "stored_refused",
    "stored_surplus",
    "stored_repeated",
    "stored_apart{what",
    "orphaned",
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    try:
        server.start()
        asyncio.run(server.execute("SELECT 1"))
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    server = Valkey()
    server.start()
    yield server
    server.kill()


Certify = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def certify(
    project: Project, postgres: Postgres, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Certify]:
    """Run the trial on an outbox with what is planted; return exit code and verdict."""
    outboxes: list[Outbox] = []

    def run(database: str = "", **planted: Any) -> tuple[int, dict[str, Any]]:
        url = postgres.url("postgres", password="hunter22")
        outbox = Outbox(postgres_url=url, valkey_port=valkey.port, **planted)
        outboxes.append(outbox)
        outbox.start()
        serve(outbox, project.handler)
        monkeypatch.setenv("OUTBOX_DATABASE_URL", database or url)
        monkeypatch.setenv("OUTBOX_STREAM_URL", valkey.url)
        sources = {
            "postgres": {"urlFrom": "OUTBOX_DATABASE_URL", "interval": "1s"},
            "valkey": {"urlFrom": "OUTBOX_STREAM_URL", "interval": "1s"},
        }
        bars = {
            "http_req_failed": ["rate<0.2"],
            "valkey:stream_length{stream:outbox,window:run}": ["max<100000"],
        }
        send = {"executor": "constant-arrival-rate", "rate": 40, "preAllocatedVUs": 5}
        project.change(
            lambda profile: profile.update(
                trial="outbox",
                workers=2,
                gate={},
                thresholds=bars,
                scenarios={"send": send},
                sources=sources,
                finalReads={"tickets": {"wait": "1s"}},
            )
        )
        path = project.folder / "outbox.py"
        path.write_text(TRIAL)
        code = run_commands(
            [str(path) if one == project.trial else one for one in project.certify()]
        )
        return code, json.loads((project.run_directory() / "verdict.json").read_bytes())

    yield run
    for outbox in outboxes:
        outbox.stop()


def exact(verdict: dict[str, Any]) -> dict[str, str]:
    judged = {one["name"].partition(":")[0]: one["status"] for one in verdict["objectives"]}
    return {name: status for name, status in judged.items() if name in EXACT}


def test_a_service_that_keeps_what_it_acknowledges_is_not_accused(
    project: Project, certify: Certify
) -> None:
    """Rows, entries and a ticket from before are nobody's fault, and everything is decided; the
    record has the statement, and no password."""
    code, verdict = certify()
    assert verdict["findings"] == []
    assert exact(verdict) == dict.fromkeys(EXACT, "pass")
    (length,) = [one for one in verdict["objectives"] if "stream_length" in one["name"]]
    assert length["value"] > 100
    assert code != 1
    folder = project.run_directory()
    assert b"SELECT id FROM messages" in (folder / "plan.json").read_bytes()
    for file in (one for one in folder.rglob("*") if one.is_file()):
        assert b"hunter22" not in file.read_bytes(), file.name


def test_what_is_lost_invented_refused_or_left_is_found(
    project: Project, certify: Certify, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row lost, one too many, refused ones stored, one entry missing, a ticket left: each is
    found, each with its witness, and judging the record again finds the same."""
    code, verdict = certify(loses=7, invents=9, keeps_quiet=11, takes_all=True, leaves=13)
    assert code == 1
    found = {one["kind"]: one for one in verdict["findings"]}
    assert set(found) == {
        "stored-lost",
        "stored-refused",
        "stored-surplus",
        "stored-apart",
        "orphaned",
    }
    assert found["stored-lost"]["count"] == found["stored-surplus"]["count"] == 1
    assert found["orphaned"]["count"] == 1
    assert " of chat, acknowledged at " in found["stored-lost"]["witnesses"][0]["what"]
    assert found["stored-surplus"]["witnesses"][0]["what"].startswith("-1 of chat")
    assert found["orphaned"]["witnesses"][0]["what"].startswith("ticket:1")
    assert "(1 more from before" in found["orphaned"]["title"]
    apart = [one["title"] for one in verdict["findings"] if one["kind"] == "stored-apart"]
    assert "1 element in events, and not in rows" in apart
    assert exact(verdict) == {**dict.fromkeys(EXACT, "fail"), "stored_repeated": "pass"}
    folder = project.run_directory()
    bytes_before = (folder / "verdict.json").read_bytes()
    assert run_commands(["judge", str(folder)]) == 1
    assert (folder / "verdict.json").read_bytes() == bytes_before
    capsys.readouterr()
    assert run_commands(["explain", str(folder), "stored-lost"]) == 0
    assert " to chat" in capsys.readouterr().out


def test_a_database_that_cannot_be_read_decides_nothing(certify: Certify) -> None:
    """Where nobody answers the run is undecided, says why, and hides the password."""
    away = f"postgresql://owner:hunter22@{LOOPBACK}:{free_port()}/postgres"
    code, verdict = certify(database=away)
    assert code == 2
    titles = [one["title"] for one in verdict["findings"]]
    assert "rows was not read when all was over" in titles
    statuses = exact(verdict)
    assert statuses.pop("orphaned") == "inconclusive"
    assert set(statuses.values()) == {"inconclusive"}
    assert "hunter22" not in json.dumps(verdict)


def test_a_variable_that_is_not_set_is_bad_input(
    project: Project, certify: Certify, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told before anything is made, with what it would look like."""
    with pytest.raises(FileNotFoundError):  # there is no run directory
        certify(database=" ")
    assert "OUTBOX_DATABASE_URL: holds no URL of a PostgreSQL" in capsys.readouterr().err
