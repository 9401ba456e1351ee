"""A journey tells the ledger what it does to a real server, and the verdict holds it against it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.cli.conftest import Project
from tests.integration.cli.shelf_server import Shelf, serve

from stormproof.cli.main import run_commands

JOURNEY = '''"""People like things, shelve books and order."""

from stormproof import Floors, Trial, TrialProbe, journey

TRIAL = Trial(
    name="shelf", title="A shelf keeps what it is given", stack="none",
    scenarios={"visit": "visit"}, probes={"ready": TrialProbe(path="/health/ready")},
    floors=Floors(duration="5s"),
)


async def look(user):
    likes, books = user.ledger.read("likes"), user.ledger.read("books")
    likes.ok((await user.http.get("/likes")).json()["likes"])
    books.ok((await user.http.get("/books")).json()["books"])


@journey(prepare=look, settle=look)
async def visit(user):
    user.state.turn = getattr(user.state, "turn", 0) + 1
    number = user.index + 100 * user.state.turn
    like = user.ledger.increment("likes")
    like.answered(await user.http.post("/likes"))
    book = user.ledger.add("books", number)
    shelved = await user.http.post("/books", json={"number": number}, expected=(409,))
    if not book.answered(shelved) and shelved.status == 409:
        user.ledger.seen("a 409")
    order = await user.http.post("/orders")
    user.ledger.issued("order", order.json()["id"])
'''
BARS = {
    "set_lost": ["count==0"],
    "set_unexpected": ["count==0"],
    "set_repeated": ["count==0"],
    "set_refused_seen": ["count==0"],
    "set_stale_s": ["max<5"],
    "counter_off": ["count==0"],
    "ids_duplicated": ["count==0"],
    "seen{what:a 409}": ["count>=1"],
    "http_req_failed": ["rate<0.2"],
}


def _certify(project: Project, shelf: Shelf) -> tuple[int, dict[str, Any]]:
    serve(shelf, project.handler)
    visit = {"executor": "constant-arrival-rate", "rate": 40, "preAllocatedVUs": 5}
    project.change(
        lambda profile: profile.update(
            trial="shelf", workers=2, gate={}, thresholds=BARS, scenarios={"visit": visit}
        )
    )
    path = project.folder / "shelf.py"
    path.write_text(JOURNEY)
    command = [str(path) if one == project.trial else one for one in project.certify()]
    code = run_commands(command)
    return code, json.loads((project.run_directory() / "verdict.json").read_bytes())


def _statuses(verdict: dict[str, Any]) -> dict[str, str]:
    judged = {one["name"].partition(":")[0]: one["status"] for one in verdict["objectives"]}
    return {name: status for name, status in judged.items() if name != "http_req_failed"}


def test_a_server_that_keeps_its_promises_is_not_accused(project: Project) -> None:
    """Refused books, counters that began high and orders of two workers are all accounted for.

    Every checker has decided; the share of failed requests is of a time that a busy host may spoil.
    """
    code, verdict = _certify(project, Shelf())
    assert verdict["findings"] == []
    assert list(_statuses(verdict).values()) == ["pass"] * (len(BARS) - 1)
    assert code != 1


def test_what_a_server_forgets_is_found_and_named(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lost update, a lost book and a repeated order fail the run, each with its witness."""
    code, verdict = _certify(project, Shelf(loses=77))
    assert code == 1
    found = {one["kind"]: one for one in verdict["findings"]}
    assert set(found) == {"set-lost", "counter-off", "id-duplicated"}
    assert found["set-lost"]["count"] == 1
    assert " of books, known at " in found["set-lost"]["witnesses"][0]["what"]
    assert "likes read as " in found["counter-off"]["witnesses"][0]["what"]
    assert "order order-76 was given to user " in found["id-duplicated"]["witnesses"][0]["what"]
    failed = {name for name, status in _statuses(verdict).items() if status == "fail"}
    assert failed == {"set_lost", "set_stale_s", "counter_off", "ids_duplicated"}
    assert "FAIL" in capsys.readouterr().out
