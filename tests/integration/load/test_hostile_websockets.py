"""WebSocket servers that break every rule: each is counted in its family, none does harm."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.integration.load.conftest import Bench, make_bench
from tests.integration.load.hostile_websockets import (
    HANDSHAKES,
    OPEN,
    Behaviour,
    dripping,
    flooding,
    half_a_frame,
    silent,
)
from tests.integration.load.test_websocket import until
from tests.integration.load.websocket_peer import (
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Script,
    frame,
    serving,
)

BYTES_MAX = 65_536  # of a message, in these tests
GROWTH_BYTES_MAX = 3 << 20  # of everything in this process, the server's buffers included


@asynccontextmanager
async def facing(script: Script) -> AsyncIterator[Bench]:
    """Make a user's clients for a scripted server; nothing may be left, no error go astray."""
    strays: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: strays.append(context))
    async with serving(script) as (url, _):
        bench = make_bench(url)
        yield bench
        bench.ws.abort()
        await until(lambda: not bench.tape.sockets)
        bench.deadlines.close()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    gc.collect()
    assert strays == []


@pytest.mark.parametrize("behaviour", HANDSHAKES.values(), ids=HANDSHAKES.keys())
async def test_broken_handshake_is_counted(behaviour: Behaviour) -> None:
    """A handshake that goes wrong is one failure of its kind, and leaves no socket."""
    async with facing(behaviour.script) as bench:
        opened = await bench.ws.connect("/ws", timeout=0.25)
        assert (opened.is_open, opened.error) == (False, behaviour.error)
        assert bench.rows("ws_connect") == [("WS /ws", True, 0)]
        assert bench.kinds == [behaviour.error]
        assert not opened.send("x")
        assert (await opened.exchange("say", "x")).error == "closed"
        await until(lambda: not bench.tape.sockets)
        assert bench.instants("ws_sessions") == bench.instants("ws_disconnects") == []


@pytest.mark.parametrize("behaviour", OPEN.values(), ids=OPEN.keys())
async def test_breach_is_counted(behaviour: Behaviour) -> None:
    """A breach or a loss ends the socket and what waits on it, once, with its kind and code."""
    async with facing(behaviour.script) as bench:
        opened = await bench.ws.connect("/ws", bytes_max=BYTES_MAX)
        assert opened.status == 101
        reply = await opened.exchange("say", "hello", "never")
        assert not reply.ok
        await until(lambda: opened.close_code)
        assert (opened.is_open, opened.error) == (False, behaviour.error)
        assert opened.close_code == behaviour.code
        assert bench.rows("ws_send") == [("say", True, 0)]
        assert set(bench.kinds) <= {behaviour.error, "closed"}
        assert len(bench.instants("ws_disconnects")) == len(bench.instants("ws_sessions")) == 1
        assert (await opened.receive()).error == behaviour.error


@pytest.mark.parametrize("script", [silent, half_a_frame])
async def test_silence_is_a_timeout(script: Script) -> None:
    """A server that never ends its answer is a timeout, and the socket stays open."""
    async with facing(script) as bench:
        opened = await bench.ws.connect("/ws")
        assert (await opened.exchange("say", "hello", timeout=0.05)).error == "timeout"
        assert bench.kinds == ["timeout"]
        assert opened.is_open


async def test_dripping_answer_is_an_answer() -> None:
    """An answer that comes byte by byte, among pongs that nobody asked for, is whole."""
    async with facing(dripping) as bench:
        opened = await bench.ws.connect("/ws")
        assert (await opened.exchange("say", "hello")).value == "hello"
        assert bench.kinds == []


@pytest.mark.parametrize(
    ("one", "reads", "before"),
    [
        pytest.param(frame(PING, b"x" * 120), True, b"", id="pings"),
        pytest.param(frame(PONG, b"x" * 120), True, b"", id="pongs"),
        pytest.param(
            frame(CONTINUATION, b"xx", first=CONTINUATION),
            True,
            frame(TEXT, b"", first=TEXT),
            id="tiny fragments",
        ),
        pytest.param(frame(PING, b"x" * 120), False, b"", id="pings of who does not read"),
    ],
)
async def test_floods_grow_nothing(one: bytes, reads: bool, before: bytes) -> None:
    """A flood of frames is taken without piling anything up, and the answer after it arrives."""
    async with facing(flooding(one, reads=reads, before=before)) as bench:
        opened = await bench.ws.connect("/ws")
        tracemalloc.start()
        try:
            reply = await opened.exchange("say", "hello", timeout=60)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert reply.value.lstrip("x") == "hello"
        assert peak < GROWTH_BYTES_MAX
