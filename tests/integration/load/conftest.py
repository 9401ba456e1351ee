"""A target and what clients need, on a loop like the workers'."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
import uvloop
from tests.integration.load.target import TargetServer

from stormproof.clients.deadlines import Deadlines
from stormproof.clients.dialing import Dialer
from stormproof.clients.http import HttpClient, HttpSite
from stormproof.clients.ledger import Deliveries, LedgerBook
from stormproof.clients.tape import Actor, Scope, Tape
from stormproof.clients.target import Target, parse_target
from stormproof.clients.websocket import WsClient
from stormproof.clients.ws_site import WsSite
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.binning import rows_of
from stormproof.model.plan import TlsSettings


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that the workers run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def target() -> Iterator[TargetServer]:
    """Serve a target for one test."""
    with TargetServer() as server:
        yield server


@dataclass(kw_only=True)
class Bench:
    """One user's clients, and what they have written on the tape."""

    tape: Tape
    scope: Scope
    actor: Actor
    http: HttpClient
    ws: WsClient
    ledger: LedgerBook
    deliveries: Deliveries
    deadlines: Deadlines

    def begin(self) -> None:
        """Let the user be able to act from now on."""
        self.actor.intended_ns = monotonic_ns()

    def rows(self, metric: str) -> list[tuple[str, bool, int]]:
        """Return (name, failed, received bytes) of each row of a metric."""
        found = []
        for row in rows_of(bytes(self.tape.rows)):
            series = self.tape.series[int(row["series"])]
            if series.metric == metric:
                found.append(
                    (series.tags.get("name", ""), bool(row["outcome"] & 1), int(row["received"]))
                )
        return found

    def instants(self, metric: str) -> list[tuple[int, int, int]]:
        """Return (intended, start, end) of each row of a metric."""
        rows = rows_of(bytes(self.tape.rows))
        ids = [one.id for one in self.tape.series if one.metric == metric]
        mine = rows[np.isin(rows["series"], ids)]
        return [(int(r["intended_ns"]), int(r["start_ns"]), int(r["end_ns"])) for r in mine]

    @property
    def kinds(self) -> list[str]:
        """Return the kinds of the failures that were kept."""
        return [failure.kind for failure in self.tape.failures]


def make_bench(url: str, tls: TlsSettings | None = None, headers: bytes = b"") -> Bench:
    """Make one user's clients for a target."""
    target = replace(parse_target(url), headers=headers)
    return bench_for(target, Dialer(target, tls=tls))


def bench_for(target: Target, dialer: Dialer) -> Bench:
    """Make one user's clients for a target that is dialled in a certain way."""
    tape = Tape(0)
    scope = Scope(tape, "test")
    actor = Actor(1, scope)
    deadlines = Deadlines(asyncio.get_running_loop())
    deliveries = Deliveries()
    http = HttpClient(HttpSite(target, scope, deadlines, dialer), actor)
    bench = Bench(
        tape=tape,
        scope=scope,
        actor=actor,
        http=http,
        ws=WsClient(WsSite(target, scope, deadlines, dialer), actor, http),
        ledger=LedgerBook(actor, deliveries),
        deliveries=deliveries,
        deadlines=deadlines,
    )
    bench.begin()
    return bench


@pytest.fixture
async def bench(target: TargetServer) -> AsyncIterator[Bench]:
    """Make one user's clients for the target of the test."""
    made = make_bench(target.url)
    yield made
    made.http.close()
    made.ws.abort()
    made.deadlines.close()
    await asyncio.sleep(0)
