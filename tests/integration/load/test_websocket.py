"""The WebSocket client against a target that talks well, badly or not at all."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from typing import Any

import pytest
from tests.integration.load.conftest import Bench, make_bench
from tests.integration.load.target import TargetServer

from stormproof.clients.socket import Socket
from stormproof.journeys.journey import check
from stormproof.kernel.clock import monotonic_ns


async def until(condition: Any) -> None:
    """Wait until a condition holds, at most five seconds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def connect(bench: Bench, name: str, got: list[str] | None = None) -> Socket:
    """Open a WebSocket that puts its messages into `got` and resolves exchanges with them."""

    def on_message(text: str) -> None:
        if got is not None:
            got.append(text)
        opened.resolve(text, text)

    opened = await bench.ws.connect("/ws/{name}", name=name, on_message=on_message)
    return opened


async def test_exchange_is_an_operation(bench: Bench) -> None:
    """Connecting and exchanging are operations with a name, their instants in order."""
    opened = await connect(bench, "echo")
    assert (opened.is_open, opened.status, opened.error, opened.close_code) == (True, 101, "", 0)
    reply = await opened.exchange("say", "hello", "hello")
    assert (reply.ok, reply.value, reply.error) == (True, "hello", "")
    assert bench.rows("ws_connect") == [("WS /ws/{name}", False, 0)]
    assert bench.rows("ws_send") == [("say", False, 0)]
    (connected,), (said,) = bench.instants("ws_connect"), bench.instants("ws_send")
    assert said[0] == connected[2]
    assert said[0] <= said[1] <= said[2]
    assert bench.scope.bytes_received == len("hello")


@pytest.mark.parametrize("path", ["fragments", "binary"])
async def test_messages_are_put_together(bench: Bench, path: str) -> None:
    """A fragmented message arrives whole, a ping between its parts or a binary one beside it."""
    got: list[str] = []
    opened = await connect(bench, path, got)
    assert (await opened.exchange("say", "hello", "hello")).ok
    assert got == ["hello"]


async def test_pings_are_answered(bench: Bench) -> None:
    """The target's ping is answered by a pong with its payload, without the journey."""
    got: list[str] = []
    opened = await connect(bench, "ping", got)
    assert opened.send("are you there")
    await until(lambda: got == ["pong:are you there"])
    assert bench.scope.bytes_sent == len("are you there")


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("refuse", 403, "http 403"),
        ("early", 0, "closed"),
        ("nonsense", 101, "protocol"),
    ],
)
async def test_refused_handshake_is_data(bench: Bench, name: str, status: int, error: str) -> None:
    """A handshake that is refused or makes no sense gives a closed socket that says why."""
    opened = await connect(bench, name)
    assert (opened.is_open, opened.status, opened.error) == (False, status, error)
    assert bench.kinds == [error]
    assert bench.rows("ws_connect") == [("WS /ws/{name}", True, 0)]
    assert not opened.send("x")
    assert (await opened.exchange("say", "x", 1)).error == "closed"


async def test_silent_handshake_times_out(bench: Bench) -> None:
    """A target that never answers the handshake is a timeout, from the intended start."""
    bench.actor.intended_ns = monotonic_ns() - 40_000_000
    opened = await bench.ws.connect("/ws/silent-handshake", timeout=0.06)
    assert (opened.is_open, opened.error) == (False, "timeout")
    await until(lambda: len(asyncio.all_tasks()) == 1)
    gc.collect()


async def test_refused_port_is_counted() -> None:
    """A port that nobody listens on is a failed connect of its own kind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bench = make_bench(f"http://127.0.0.1:{free.getsockname()[1]}")
        opened = await bench.ws.connect("/ws")
    assert opened.error == "connect refused"
    bench.actor.intended_ns -= 20_000_000_000
    assert (await bench.ws.connect("/ws")).error == "timeout"
    bench.deadlines.close()


@pytest.mark.parametrize(
    ("path", "code", "error"),
    [
        ("close", 4001, "closed"),
        ("close-bare", 1005, "closed"),
        ("drop", 1006, "closed"),
        ("not-utf8", 1007, "protocol"),
        ("huge", 1009, "message too large"),
        ("reserved", 1002, "protocol"),
    ],
)
async def test_ends_are_told_apart(bench: Bench, path: str, code: int, error: str) -> None:
    """A socket that the target closes or breaks ends what is under way, with code and kind."""
    opened = await connect(bench, path)
    reply = await opened.exchange("say", "go", "never")
    assert (reply.ok, reply.error) == (False, error)
    await until(lambda: opened.close_code)
    assert (opened.is_open, opened.close_code, opened.error) == (False, code, error)
    assert bench.kinds == [error]
    assert len(bench.instants("ws_disconnects")) == 1
    assert bench.tape.sockets == 0
    await until(lambda: len(asyncio.all_tasks()) == 1)
    gc.collect()


async def test_exchange_times_out_alone(bench: Bench) -> None:
    """An exchange without an answer times out; the socket and other exchanges go on."""
    opened = await bench.ws.connect("/ws/echo", on_message=lambda text: None)
    bench.begin()
    late = asyncio.ensure_future(opened.exchange("say", "a", 1, timeout=0.03))
    later = asyncio.ensure_future(opened.exchange("say", "b", 2, timeout=30))
    reply = await late
    assert (reply.ok, reply.value, reply.error) == (False, None, "timeout")
    assert not opened.resolve(1, "too late")
    assert opened.resolve(2, "in time")
    assert (await later).value == "in time"
    assert bench.kinds == ["timeout"]


async def test_same_key_is_refused(bench: Bench) -> None:
    """A key that is already waited for is the journey's error."""
    opened = await bench.ws.connect("/ws/echo")
    waiting = asyncio.ensure_future(opened.exchange("say", "a", 1))
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="already waits"):
        await opened.exchange("say", "b", 1)
    opened.abort()
    assert (await waiting).error == "interrupted"


async def test_what_cannot_be_sent_is_not_waited_for(bench: Bench) -> None:
    """A message that is no text and no bytes is an error, and nothing waits for its answer."""
    opened = await bench.ws.connect("/ws/echo")
    with pytest.raises(TypeError):
        await opened.exchange("say", {"type": "hello"})  # type: ignore[arg-type]
    assert (await opened.exchange("say", "a")).value == "a"
    assert bench.kinds == []


async def test_closing_is_no_disconnect(bench: Bench) -> None:
    """A socket that the journey closes waits for the target's close and counts as no disconnect."""
    opened = await connect(bench, "echo")
    await opened.close()
    assert not opened.is_open
    assert opened.error == ""
    assert bench.instants("ws_disconnects") == []
    await opened.close()


async def test_callback_that_raises_is_a_failure(bench: Bench) -> None:
    """A message callback that raises is kept as a journey error; the socket goes on."""

    def on_message(text: str) -> None:
        opened.resolve("x", text)
        raise KeyError("not there")

    opened = await bench.ws.connect("/ws/echo", on_message=on_message)
    assert (await opened.exchange("say", "x", "x")).ok
    assert opened.is_open
    (failure,) = bench.tape.failures
    assert failure.kind.startswith("journey error: KeyError at test_websocket.py:")
    assert failure.body == "'not there'"
    assert [one.code for one in bench.tape.warnings] == ["journey-error"]


async def test_delivery_is_timed_across_sockets(bench: Bench, target: TargetServer) -> None:
    """A stamped message is a delivery for each receiver, from the sender's intended start."""

    def on_message(text: str) -> None:
        frame = json.loads(text)
        if frame["type"] == "message":
            bench.ledger.received(frame["body"], 3, frame["number"])
        elif frame["type"] == "ack":
            first.resolve(frame["id"], frame["number"])

    first = await bench.ws.connect("/ws/chat/{n}", n=3, on_message=on_message)
    await bench.ws.connect("/ws/chat/{n}", n=3, on_message=on_message)
    bench.ledger.joined(3, 0)
    message = bench.ledger.sent(3, "hello")
    order = json.dumps({"id": message.key, "body": message.body})
    reply = await first.exchange("chat", order, message.key)
    message.ok(reply.value)
    await until(lambda: len(bench.instants("message_delivery")) == 2)
    intended = {row[0] for row in bench.instants("message_delivery")}
    assert intended == {bench.instants("ws_send")[0][0]}
    assert bench.deliveries.acknowledged == {3: 1}
    assert bench.deliveries.received == {3: {1: 1}}


async def test_peer_that_does_not_read_blocks_writes(bench: Bench) -> None:
    """Once the target takes nothing any more, messages are refused instead of piled up."""
    opened = await bench.ws.connect("/ws/silent-reader")
    text = "x" * 60_000
    sent = 0
    while opened.send(text):
        sent += 1
        assert sent < 2_000
    assert (await opened.exchange("say", "x", 1)).error == "write blocked"
    opened.resume_writing()
    assert opened.send("x")


async def test_sockets_and_replies_carry_checks(bench: Bench) -> None:
    """Checks of a socket and of a reply are counted under the scenario."""
    opened = await connect(bench, "echo")
    assert check(opened, "open", opened.is_open)
    reply = await opened.exchange("say", "hello", "hello")
    assert not check(reply, "wrong", reply.value == "other")
    slots = bench.tape.check_slots
    checked = [(bench.tape.series[slot >> 1].tags["check"], slot & 1) for slot in slots]
    assert checked == [("open", 1), ("wrong", 0)]
