"""Whatever a server does over HTTP is counted in its family, and the client goes on."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.load.conftest import Bench, make_bench
from tests.integration.load.hostile import HostileServer
from tests.integration.load.hostile_behaviours import BEHAVIOURS, IMPATIENT_S, LIMIT, Behaviour

SLACK = 1 << 20  # what may have been read in one piece when a limit is found to be passed
DEADLINE_S = 60.0


@pytest.fixture(autouse=True)
def _low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep less than usual, so that endless answers end soon."""
    monkeypatch.setattr("stormproof.clients.connection.RESPONSE_BYTES_MAX", LIMIT)
    monkeypatch.setattr("stormproof.clients.encodings.DECODED_BYTES_MAX", LIMIT)


def close(bench: Bench) -> None:
    """Close what a bench has open."""
    bench.http.close()
    bench.deadlines.close()


async def connect(bench: Bench, server: HostileServer) -> None:
    """Have a connection open, so that its time is not taken from what is tested."""
    server.behave()
    assert (await bench.http.get("/before", timeout=DEADLINE_S)).status == 200
    server.behave(well=False)


def names(behaviour: Behaviour) -> str:
    """Name a behaviour in the test's id."""
    return behaviour.name


def test_there_are_enough_behaviours() -> None:
    """The server knows over 45 ways to be hostile, each by a name of its own."""
    assert len({one.name for one in BEHAVIOURS}) == len(BEHAVIOURS) > 45


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=names)
async def test_behaviour_is_counted_in_its_family(behaviour: Behaviour) -> None:
    """The operation named by the parameter ends in time, is counted, and leaves a usable client."""
    server = HostileServer(script=behaviour.script, at_once=behaviour.at_once)
    async with asyncio.timeout(DEADLINE_S), server:
        bench = make_bench(server.url)
        if behaviour.timeout == IMPATIENT_S:
            await connect(bench, server)
        answer = await bench.http.get("/", timeout=behaviour.timeout, **behaviour.options)
        assert answer.error in behaviour.kinds
        assert answer.ok is (answer.error == "")
        assert bench.kinds == [one for one in (answer.error,) if one]
        rows = bench.rows("http_req")
        assert sum(failed for _, failed, _ in rows) == len(bench.kinds)
        assert max(received for _, _, received in rows) <= LIMIT + SLACK
        server.behave()
        after = await bench.http.get("/after", timeout=DEADLINE_S)
        assert (after.status, after.body) == (200, b"ok")
        close(bench)
