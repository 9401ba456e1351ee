"""What comes once in a run, what is cleaned up after it, feeds and secrets, in real workers."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from pathlib import Path

import msgspec
import pytest
from tests.integration.load.conftest import Bench
from tests.integration.load.fleets import (
    HERE,
    Observed,
    drive,
    make_plan,
    observe,
    scenario,
    stopping,
)
from tests.integration.load.target import TargetServer

from stormproof import api_key, basic, bearer
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import BadInput, EnvironmentFailure
from stormproof.model.event import WarningEvent
from stormproof.model.plan import Plan, Scenario, Source

FILE = HERE / "authored_journeys.py"
PHRASE = 'open/sesame & "quoted" ü'


@pytest.fixture(autouse=True)
def phrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the secret that the journey file declares."""
    monkeypatch.setenv("TEST_PASS_PHRASE", PHRASE)


def authored(function: str, *, vus: int = 2, kind: str = "good", seconds: float = 0.3) -> Scenario:
    """Make a scenario of one of the authored journeys."""
    return scenario(
        function,
        executor="constant-vus",
        vus=vus,
        seconds=seconds,
        graceful_s=0.1,
        env={"kind": kind},
        file=FILE,
    )


def planned(*scenarios: Scenario, workers: int = 1, once: bool = False) -> Plan:
    """Make a plan of authored journeys, with their set-up and teardown or without."""
    plan = make_plan(*scenarios, workers=workers)
    digest = scenarios[0].journey.sha256
    plan = msgspec.structs.replace(plan, secrets=("TEST_PASS_PHRASE",))
    if not once:
        return plan
    return msgspec.structs.replace(
        plan,
        setup=Source(file=FILE.name, function="open_shop", sha256=digest),
        teardown=Source(file=FILE.name, function="close_shop", sha256=digest),
    )


def texts(observed: Observed) -> list[str]:
    """Return the texts of all warnings about clean-ups and the teardown."""
    codes = ("cleanup-failed", "teardown-failed")
    events = [one for one in observed.events if isinstance(one, WarningEvent)]
    return [one.text for one in events if one.code in codes]


def order_of(target: TargetServer, *requests: str) -> list[int]:
    """Return the places at which requests came, by their request lines."""
    lines = [head.split(b" HTTP/")[0].decode() for head in target.heads]
    return [lines.index(one) for one in requests]


def contents(folder: Path) -> dict[str, bytes]:
    """Return what every file below a folder holds, by its name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def spellings(word: str) -> list[bytes]:
    """Return a word as it stands in a text, and in base 64 wherever it begins."""
    shifted = [base64.b64encode(b"\0" * ahead + word.encode()) for ahead in range(3)]
    return [word.encode(), *(one[2 * ahead : -4] for ahead, one in enumerate(shifted))]


async def test_what_is_set_up_reaches_every_worker(tmp_path: Path, target: TargetServer) -> None:
    """The set-up runs once, before users are prepared, and its data is every user's in two workers;
    clean-ups run last registered first, then the teardown, then the set-up's own."""
    observed = observe(tmp_path, planned(authored("shop", vus=4), workers=2, once=True))
    await stopping(observed, lambda: drive(observed, target.url))
    assert target.seen["POST /shops/good"] == 1
    assert target.seen["GET /shop/200/b"] == 4
    assert [target.seen[f"DELETE /carts/{id_}"] for id_ in range(1, 5)] == [1] * 4
    assert target.seen["DELETE /never"] == 0
    places = order_of(
        target,
        "POST /shops/good",
        "POST /carts/1",
        "DELETE /carts/1/items",
        "DELETE /carts/1",
        "DELETE /shops/200",
        "DELETE /shops/of-setup",
    )
    assert places == sorted(places)
    assert texts(observed) == []


async def test_set_up_that_fails_ends_the_run_and_is_cleaned_up(
    tmp_path: Path, target: TargetServer
) -> None:
    """A set-up that fails is told with its reason; its own clean-ups run, the teardown does not."""
    observed = observe(tmp_path, planned(authored("shop", kind="broken"), once=True))
    with pytest.raises(EnvironmentFailure, match="open_shop failed: journey failed: no shop today"):
        await stopping(observed, lambda: observed.fleet.prepare(target.url))
    assert target.seen["DELETE /shops/of-setup"] == 1
    assert [name for name in target.seen if "carts" in name] == []
    assert sum(count for name, count in target.seen.items() if "DELETE" in name) == 1


async def test_set_up_must_hand_over_json(tmp_path: Path, target: TargetServer) -> None:
    """What the set-up returns and is no JSON is bad input that names the place in it."""
    observed = observe(tmp_path, planned(authored("shop", kind="odd"), once=True))
    with pytest.raises(BadInput, match=r"open_shop: data\['shops'\] is a set, which is no JSON"):
        await stopping(observed, lambda: observed.fleet.prepare(target.url))
    assert target.seen["DELETE /shops/of-setup"] == 1


async def test_an_interrupted_load_is_cleaned_up(tmp_path: Path, target: TargetServer) -> None:
    """Stopped in the middle of its load, a fleet ends the load, cleans up and tears down."""
    observed = observe(tmp_path, planned(authored("shop", seconds=60), once=True))
    await observed.fleet.prepare(target.url)
    driving = asyncio.ensure_future(observed.fleet.drive(monotonic_ns()))
    async with asyncio.timeout(20):
        while target.seen["GET /shop/200/b"] < 2:
            await asyncio.sleep(0.01)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    await observed.fleet.stop()
    assert target.seen["DELETE /carts/1"] == target.seen["DELETE /carts/2"] == 1
    assert target.seen["DELETE /shops/200"] == 1


async def test_another_worker_tears_down_for_one_that_died(
    tmp_path: Path, target: TargetServer
) -> None:
    """When the worker that set up is killed, a living one tears down with the same data."""
    observed = observe(tmp_path, planned(authored("shop", seconds=60), workers=2, once=True))
    await observed.fleet.prepare(target.url)
    driving = asyncio.ensure_future(observed.fleet.drive(monotonic_ns()))
    process = observed.fleet._remotes[0]._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(EnvironmentFailure, match="SIGKILL"):
        await driving
    await observed.fleet.stop()
    assert target.seen["DELETE /shops/200"] == 1
    assert target.seen["DELETE /carts/2"] == 1  # user 2 lived in worker 1


async def test_clean_ups_that_fail_are_counted_and_told(
    tmp_path: Path, target: TargetServer
) -> None:
    """A clean-up that raises and one that the target refuses are counted, and nothing stops."""
    observed = observe(tmp_path, planned(authored("leave", vus=3)))
    await stopping(observed, lambda: drive(observed, target.url))
    assert target.seen["DELETE /status/500"] == 3
    (told,) = texts(observed)
    assert told.startswith("6 of 6 clean-ups of users failed; most often: ")


async def test_each_row_is_used_once_in_the_run(tmp_path: Path, target: TargetServer) -> None:
    """Two workers share out a unique feed, each row once; then iterations fail with a word."""
    observed = observe(tmp_path, planned(authored("meet", vus=2, seconds=1), workers=2))
    await stopping(observed, lambda: drive(observed, target.url))
    people = {name: count for name, count in target.seen.items() if "/people/" in name}
    assert people == {f"GET /people/person-{number}": 1 for number in range(6)}
    assert observed.total("iterations", failed=True) >= 2
    assert observed.warnings()["feed-used-up"] >= 1


async def test_circular_rows_begin_again(tmp_path: Path, target: TargetServer) -> None:
    """A circular feed goes round and round, several rows at a time where asked."""
    observed = observe(tmp_path, planned(authored("paint", vus=1)))
    await stopping(observed, lambda: drive(observed, target.url))
    painted = {name for name in target.seen if "/paint/" in name}
    assert painted == {"GET /paint/red/green", "GET /paint/blue/red", "GET /paint/green/blue"}


async def test_a_missing_secret_is_told_by_the_worker(
    tmp_path: Path, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without the secret that its journeys need says which one, and where it may be."""
    monkeypatch.delenv("TEST_PASS_PHRASE")
    observed = observe(tmp_path, planned(authored("whisper")))
    with pytest.raises(BadInput, match="secret TEST_PASS_PHRASE: is set nowhere"):
        await stopping(observed, lambda: observed.fleet.prepare(target.url))


async def test_a_secret_is_nowhere_in_the_run(tmp_path: Path, target: TargetServer) -> None:
    """However a journey says its secret and the target echoes it, no file of the run holds it."""
    observed = observe(tmp_path, planned(authored("whisper", vus=2, seconds=1.2)))
    await stopping(observed, lambda: drive(observed, target.url))
    assert observed.total("iterations", failed=True) >= 2
    kinds = {failure.kind.partition(" at ")[0] for failure in observed.segment(0).failures}
    assert {"http 500", "journey failed: it said ***", "journey error: KeyError"} <= kinds
    bodies = [failure.body for failure in observed.segment(0).failures if failure.status == 500]
    assert any("***" in body for body in bodies)
    files = contents(tmp_path)
    assert b"the phrase is ***" in files["worker-0.log"]
    for spelling in spellings("sesame"):
        assert [name for name, data in files.items() if spelling in data] == []


async def test_credentials_reach_the_target(bench: Bench, target: TargetServer) -> None:
    """Whatever says who is asking is sent as its header, and the last one sent is the one meant."""
    key = api_key("X-Key", "abc")
    for auth in (key, "token", basic("ada", "pw"), key):
        await bench.http.get("/feed", auth=auth)
    await bench.http.post("/feed", json={}, auth=bearer("fixed"))
    lines = [
        line.decode()
        for head in target.heads
        for line in head.split(b"\r\n")
        if line.startswith((b"X-Key", b"Authorization"))
    ]
    assert lines == [
        "X-Key: abc",
        "Authorization: Bearer token",
        "Authorization: Basic YWRhOnB3",
        "X-Key: abc",
        "Authorization: Bearer fixed",
    ]
