"""A journey gone through without a target: what it would send."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stormproof.cli.rehearsal import STEPS_MAX, Unknown, rehearse
from stormproof.journeys.journey import Journey, check


def sent(run: Any, *, prepare: Any = None, **env: str) -> list[str]:
    journey = Journey(name="visit", run=run, prepare=prepare)
    headers = {"X-Api-Key": "hidden-key"}
    return asyncio.run(rehearse(journey, "visit", env, seed=1, headers=headers))


def test_requests_are_written_as_they_would_be_sent() -> None:
    """Templates are filled in, what an answer would tell is named, secrets are masked."""

    async def prepare(user: Any) -> None:
        answer = await user.http.post("/login", json={"name": "ada", "password": "hidden"})
        if not check(answer, "logged in", answer.status == 200):
            user.fail("no")
        user.state.token = answer.json()["token"]

    async def visit(user: Any) -> None:
        with user.group("orders"):
            made = await user.http.post("/orders", auth=user.state.token, form={"n": 1})
        await user.http.get("/orders/{id}", id=made.json()["id"], query={"at": user.env["at"]},
                            headers={"X-Place": "eu"}, timeout=3, follow=2)  # fmt: skip
        await user.think(1.5)
        socket = await user.ws.connect("/live", on_message=print)
        socket.send("hello")

    own = "    X-Api-Key: ***"
    assert sent(visit, prepare=prepare, at="home") == [
        "(once, before the load)",
        "POST /login",
        own,
        '    json {"name":"ada","password":"***"}',
        "(again and again)",
        "POST /orders",
        own,
        "    Authorization: ***",
        '    form {"n":1}',
        "GET /orders/<id>?at=home",
        own,
        "    X-Place: eu",
        "think 1.5 s",
    ]


def test_a_journey_that_never_ends_is_cut() -> None:
    """A loop over what a target would tell shows a bounded number of steps."""

    async def visit(user: Any) -> None:
        page = await user.http.get("/")
        while page.json()["more"]:
            page = await user.http.get("/more")

    lines = sent(visit)
    assert len(lines) == STEPS_MAX + 1
    assert lines[-1].startswith("(and more")


def test_what_needs_a_real_answer_says_where_it_stops() -> None:
    """An error of the journey on made-up answers ends the rehearsal with its reason."""

    async def visit(user: Any) -> None:
        answer = await user.http.get("/")
        await user.http.get({"a": "/a"}[answer.json()["kind"]])

    assert sent(visit)[-1] == "(it needs a real answer here: KeyError: <kind>)"


def test_waiting_for_a_message_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that only a target would set ends the rehearsal, not the program."""
    monkeypatch.setattr("stormproof.cli.rehearsal.PATIENCE_S", 0.01)

    async def visit(user: Any) -> None:
        await asyncio.Event().wait()

    assert sent(visit) == ["(it waits here for what only a target can send)"]


def test_an_unknown_takes_part_in_everything() -> None:
    """Text, numbers, comparisons, iteration: none of them ends a rehearsal."""
    some = Unknown("n")
    assert f"{some}-{some.id}" == "<n>-<id>"
    assert int(some) == len(some) == 1
    assert some == 3
    assert some > "x"
    assert 7 in some
    assert [str(one) for one in some["items"]] == ["<items>"]
    assert str(0.8 * (some + 1) // 2) == "<n>"
