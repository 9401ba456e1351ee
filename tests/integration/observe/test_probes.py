"""Probes against real sockets: every answer, and every way of giving none, is written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from stormproof.kernel.clock import SystemClock
from stormproof.model.event import Event, Failure, ProbeSample
from stormproof.model.plan import PlannedProbe, SignIn
from stormproof.model.series import Frame, Series
from stormproof.observe.door import Door, door_of
from stormproof.observe.probes import Probes
from stormproof.observe.request import ask

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[tuple[str, int]]:
    started = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield started.sockets[0].getsockname()[:2]
    finally:
        started.close()
        await started.wait_closed()


def door_at(address: tuple[str, int]) -> Door:
    return door_of(f"http://{address[0]}:{address[1]}")


def replying(data: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()

    return handle


@pytest.mark.parametrize(
    ("data", "status", "body", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}", 503, b"{}", ""),
        (b"", 0, b"", "protocol: closed without an answer"),
        (b"SSH-2.0-x\r\n", 0, b"", "protocol: no HTTP answer"),
        (b"HTTP/1.1 abc\r\n\r\n", 0, b"", "protocol: no HTTP answer"),
        (b"HTTP/1.1 " + b"9" * 30 + b"\r\n\r\n", 0, b"", "protocol: no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (80 << 10), 0, b"", "protocol: the answer is over"),
    ],
)
async def test_an_answer_or_its_absence_is_data(
    data: bytes, status: int, body: bytes, error: str
) -> None:
    """Whatever the target sends becomes an answer with a status or an error, never an exception."""
    async with server(replying(data)) as address:
        answer = await ask(door_at(address), path="/", timeout_s=5)
    assert answer.status == status
    assert answer.body == body
    assert answer.error.startswith(error)
    assert bool(answer.error) == bool(error)


async def test_silence_ends_at_the_deadline() -> None:
    """A target that accepts and says nothing costs the probe its timeout and no more."""
    held = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    async with server(silent) as address:
        answer = await ask(door_at(address), path="/", timeout_s=0.05)
        held.set()
    assert answer.error == "timeout"


async def test_a_closed_port_is_an_error_in_words() -> None:
    """A port where nobody listens is reported as refused."""
    async with server(replying(b"")) as address:
        pass
    answer = await ask(door_at(address), path="/", timeout_s=5)
    assert answer.status == 0
    assert "connect" in answer.error or "refused" in answer.error


class Kept:
    """A recorder that keeps probe samples."""

    def __init__(self, enough: int) -> None:
        self.samples: list[ProbeSample] = []
        self.enough = enough
        self.done = asyncio.Event()

    def probes(self, samples: Sequence[ProbeSample]) -> None:
        self.samples += samples
        if len(self.samples) >= self.enough:
            self.done.set()

    def events(self, events: Sequence[Event], *, sync: bool = False) -> None:
        raise AssertionError("probes write no events")

    def frame(self, frame: Frame, series: Sequence[Series], failures: Sequence[Failure]) -> None:
        raise AssertionError("probes write no frames")

    def ledger(self, entries: bytes) -> None:
        raise AssertionError("probes write no ledger")


async def test_a_probe_signs_in_and_asks_on_its_grid() -> None:
    """A probe with credentials gets a token, uses it, and gets a new one when it has expired."""
    tokens = iter(["first", "second"])
    valid = {"first": 2, "second": 99}
    seen: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.startswith("POST /login"):
            body = json.dumps({"token": next(tokens)})
            writer.write(f"HTTP/1.1 200 OK\r\n\r\n{body}".encode())
        else:
            token = head.partition("Bearer ")[2].partition("\r\n")[0]
            seen.append(token)
            valid[token] -= 1
            status = "201 Created" if valid[token] >= 0 else "401 Unauthorized"
            writer.write(f"HTTP/1.1 {status}\r\n\r\n{{}}".encode())
        writer.close()

    probe = PlannedProbe(
        name="canary",
        path="/ticket",
        method="POST",
        body="{}",
        sign_in=SignIn(path="/login", body='{"username": "u"}'),
        interval_ns=1_000_000,
        timeout_ns=5_000_000_000,
    )
    recorder = Kept(enough=5)
    async with server(handle) as (host, port):
        probes = Probes([probe], recorder, SystemClock(), lambda sample: None)
        watching = asyncio.ensure_future(probes.watch(f"http://{host}:{port}"))
        await asyncio.wait_for(recorder.done.wait(), 20)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert [sample.status for sample in recorder.samples[:5]] == [201, 201, 401, 201, 201]
    assert seen[:5] == ["first", "first", "first", "second", "second"]
    starts = [sample.start_ns for sample in recorder.samples]
    assert starts == sorted(starts)
    assert all(sample.body == "" for sample in recorder.samples)


@pytest.mark.parametrize("answer", [b'{"token": "\xff"}', b'{"a":' * 5_000, b"[]", b'{"token": 5}'])
async def test_a_sign_in_that_answers_nonsense_is_data(answer: bytes) -> None:
    """Whatever a log-in answers, the probe goes on and asks without a token."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        is_login = head.startswith(b"POST /login")
        writer.write(
            b"HTTP/1.1 200 OK\r\n\r\n" + answer if is_login else b"HTTP/1.1 401 No\r\n\r\n"
        )
        writer.close()

    probe = PlannedProbe(
        name="canary",
        path="/ticket",
        sign_in=SignIn(path="/login", body="{}"),
        interval_ns=1_000_000,
        timeout_ns=5_000_000_000,
    )
    recorder = Kept(enough=2)
    async with server(handle) as (host, port):
        probes = Probes([probe], recorder, SystemClock(), lambda sample: None)
        watching = asyncio.ensure_future(probes.watch(f"http://{host}:{port}"))
        done = asyncio.ensure_future(recorder.done.wait())
        await asyncio.wait({watching, done}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        done.cancel()
        await asyncio.gather(watching, done, return_exceptions=True)
    assert [sample.status for sample in recorder.samples[:2]] == [401, 401]


async def test_a_changed_answer_is_kept_and_a_repeated_one_is_not() -> None:
    """The body of an answer is kept when it differs from the one before."""
    bodies = iter([b"a", b"a", b"b", *[b"b"] * 100])

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + next(bodies))
        writer.close()

    probe = PlannedProbe(name="health", path="/", interval_ns=1_000_000, timeout_ns=5_000_000_000)
    recorder = Kept(enough=4)
    async with server(handle) as (host, port):
        probes = Probes([probe], recorder, SystemClock(), lambda sample: None)
        watching = asyncio.ensure_future(probes.watch(f"http://{host}:{port}"))
        await asyncio.wait_for(recorder.done.wait(), 20)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert [sample.body for sample in recorder.samples[:4]] == ["a", "", "b", ""]
