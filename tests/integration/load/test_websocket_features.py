"""What journeys do with WebSockets: choose, say, wait, measure, close."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.integration.load.conftest import Bench, make_bench
from tests.integration.load.test_websocket import until
from tests.integration.load.websocket_peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Peer,
    Script,
    close_frame,
    frame,
    serving,
)

from stormproof.clients.socket import Socket
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import WS_INBOX_MESSAGES_MAX, WS_PINGS_PENDING_MAX


@asynccontextmanager
async def facing(script: Script) -> AsyncIterator[tuple[Bench, list[Peer]]]:
    """Make a user's clients for a scripted server."""
    async with serving(script) as (url, peers):
        bench = make_bench(url)
        try:
            yield bench, peers
        finally:
            bench.ws.abort()
            bench.deadlines.close()
            await asyncio.sleep(0)


def discard(_: object) -> None:
    """Take a message."""


async def echo(peer: Peer, *lines: bytes) -> None:
    """Send back what comes; answer a ping and a close."""
    await peer.open(*lines)
    answers = {TEXT: TEXT, BINARY: BINARY, PING: PONG, CLOSE: CLOSE}
    while True:
        opcode, payload = await peer.read()
        if opcode in answers:
            await peer.send(frame(answers[opcode], payload))
        if opcode == CLOSE:
            return


def saying(*frames: bytes) -> Script:
    """Return a script that opens, says something unasked, and then echoes."""

    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(peer.answer() + b"".join(frames))
        while True:
            opcode, payload = await peer.read()
            if opcode in (TEXT, CLOSE):
                await peer.send(frame(opcode, payload))

    return script


async def test_subprotocol_and_headers_are_negotiated() -> None:
    """What is offered reaches the target; what it chose, and its headers, are visible."""
    chosen = b"Sec-WebSocket-Protocol: chat.v2", b"X-Server: one", b"X-Server: two"
    async with facing(lambda peer: echo(peer, *chosen)) as (bench, peers):
        opened = await bench.ws.connect(
            "/ws", subprotocols=["chat.v1", "chat.v2"], headers={"X-Token": "a"}
        )
        assert peers[0].header(b"sec-websocket-protocol") == b"chat.v1, chat.v2"
        assert peers[0].header(b"x-token") == b"a"
        lines = peers[0].head.split(b"\r\n")[1:-2]
        assert all(line.partition(b": ")[0].strip() for line in lines)
        assert (opened.is_open, opened.subprotocol) == (True, "chat.v2")
        assert opened.headers["X-Server"] == "one, two"


async def test_handshake_is_one_that_strict_servers_take() -> None:
    """Each line of the request is a header with a name and a value, and none is there twice."""
    async with facing(echo) as (bench, peers):
        await bench.ws.connect("/ws")
        lines = peers[0].head.removesuffix(b"\r\n\r\n").split(b"\r\n")[1:]
        names = [line.partition(b": ")[0].lower() for line in lines]
        assert all(line.partition(b": ")[2] for line in lines)
        assert all(names)
        assert len(names) == len(set(names))


async def test_handshake_keeps_its_headers_to_itself() -> None:
    """A journey's header that belongs to the handshake, or breaks out of its line, is refused."""
    bench = make_bench("http://127.0.0.1:9")
    with pytest.raises(ValueError, match="name subprotocols by `subprotocols`"):
        bench.ws.connect("/ws", headers={"Sec-WebSocket-Protocol": "chat"})
    with pytest.raises(ValueError, match="line break"):
        bench.ws.connect("/ws", subprotocols=["chat\r\nX: y"])
    with pytest.raises(ValueError, match="bytes_max"):
        bench.ws.connect("/ws", bytes_max=0)
    with pytest.raises(ValueError, match="not a unix socket"):
        make_bench("unix:/run/none").ws.connect("/ws")
    bench.deadlines.close()


async def test_text_and_binary_go_both_ways() -> None:
    """Text and binary messages are sent, counted and given to the callback of their kind."""
    texts: list[str] = []
    blobs: list[bytes] = []
    async with facing(echo) as (bench, _):
        opened = await bench.ws.connect("/ws", on_message=texts.append, on_binary=blobs.append)
        assert opened.send("hello")
        assert opened.send(b"\x00\xff")
        await until(lambda: texts and blobs)
    assert (texts, blobs) == (["hello"], [b"\x00\xff"])
    assert (bench.scope.messages_sent, bench.scope.messages_received) == (2, 2)
    assert (bench.scope.bytes_sent, bench.scope.bytes_received) == (7, 7)


async def test_binary_exchange_is_resolved_by_its_callback() -> None:
    """A binary message can be exchanged as well, and come back in fragments."""

    async def split(peer: Peer) -> None:
        await peer.open()
        _, payload = await peer.read()
        await peer.send(frame(BINARY, payload[:1], first=BINARY))
        await peer.send(frame(PING) + frame(CONTINUATION, payload[1:]))
        await peer.rest()

    async with facing(split) as (bench, _):

        def resolve(data: bytes) -> None:
            opened.resolve(data, len(data))

        opened = await bench.ws.connect("/ws", on_binary=resolve)
        reply = await opened.exchange("say", b"\x01\x02\x03", b"\x01\x02\x03")
    assert (reply.ok, reply.value) == (True, 3)


async def test_next_message_answers_an_exchange_without_a_key() -> None:
    """Without callbacks an exchange ends with the next message; what came before it stays."""
    async with facing(saying(frame(TEXT, b"welcome"))) as (bench, _):
        opened = await bench.ws.connect("/ws")
        await until(lambda: bench.scope.messages_received)
        reply = await opened.exchange("say", "hello")
        assert (reply.ok, reply.value) == (True, "hello")
        waiting = opened.exchange("say", "once")
        with pytest.raises(ValueError, match="already waits"):
            opened.exchange("say", "twice")
        assert (await waiting).value == "once"
        assert (await opened.receive()).value == "welcome"
    assert bench.rows("ws_send") == [("say", False, 0)] * 2


async def test_binary_message_answers_an_exchange_without_a_key() -> None:
    """The next message may be binary, whole or in fragments."""
    parts = [frame(BINARY, b"\x00"), frame(TEXT, b"a", first=TEXT) + frame(CONTINUATION, b"b")]

    async def answer(peer: Peer) -> None:
        await peer.open()
        for part in parts:
            await peer.read()
            await peer.send(part)
        await peer.rest()

    async with facing(answer) as (bench, _):
        opened = await bench.ws.connect("/ws")
        assert (await opened.exchange("say", b"1")).value == b"\x00"
        assert (await opened.exchange("say", "2")).value == "ab"


async def test_sockets_of_a_user_are_independent() -> None:
    """A user holds several sockets; closing one leaves the others, and the user's end all."""
    async with facing(echo) as (bench, peers):
        first, second, third = [await bench.ws.connect("/ws") for _ in range(3)]
        assert bench.tape.sockets == len(peers) == 3
        await second.close()
        assert [one.is_open for one in (first, second, third)] == [True, False, True]
        assert first.send("one")
        assert (await first.receive()).value == "one"
        bench.ws.abort()
        await until(lambda: bench.tape.sockets == 0)
    assert not third.is_open


async def test_messages_are_received_in_turn() -> None:
    """What arrives waits for `receive`, even from before it; each is an operation."""
    async with facing(saying(frame(TEXT, b"welcome"), frame(BINARY, b"\x00"))) as (bench, _):
        opened = await bench.ws.connect("/ws")
        assert (await opened.receive()).value == "welcome"
        assert (await opened.receive(name="blob")).value == b"\x00"
        bench.begin()
        late = await opened.receive(timeout=0.03)
    assert (late.ok, late.value, late.error) == (False, None, "timeout")
    assert bench.rows("ws_receive") == [
        ("receive", False, 0),
        ("blob", False, 0),
        ("receive", True, 0),
    ]
    for intended_ns, start_ns, end_ns in bench.instants("ws_receive"):
        assert intended_ns <= start_ns <= end_ns
    assert bench.kinds == ["timeout"]
    assert bench.actor.intended_ns == bench.instants("ws_receive")[2][2]


async def test_expected_message_is_found_among_others() -> None:
    """`expect` passes over what it does not want and gives the object whose fields it has."""
    others = [frame(TEXT, b"noise"), frame(TEXT, b'{"type": "news", "n": 1}')]
    ack = frame(TEXT, b'{"type": "ack", "n": 2}')
    async with facing(saying(*others, ack)) as (bench, _):
        opened = await bench.ws.connect("/ws")
        reply = await opened.expect("acknowledged", {"type": "ack"})
        assert reply.value == {"type": "ack", "n": 2}
        opened.send("one")
        opened.send("two")
        assert (await opened.expect("second", "wo")).value == "two"
        assert opened.send("three")
        assert (await opened.expect("long", lambda text: len(text) > 4)).value == "three"
    assert [name for name, _, _ in bench.rows("ws_receive")] == ["acknowledged", "second", "long"]


async def test_expectation_ends_with_the_socket() -> None:
    """Waiting on a socket that the target closes ends at once, with the kind and the code."""

    async def leave(peer: Peer) -> None:
        await peer.open()
        await peer.send(frame(TEXT, b"last") + close_frame(4002, b"enough"))
        await peer.rest()

    async with facing(leave) as (bench, _):
        opened = await bench.ws.connect("/ws")
        assert (await opened.expect("last", "last")).ok
        reply = await opened.expect("more", "more")
        again = await opened.receive()
    assert (reply.ok, reply.error, again.error) == (False, "closed", "closed")
    assert (opened.close_code, opened.close_reason) == (4002, "enough")
    assert [one.status for one in bench.tape.failures] == [4002, 4002]


async def test_expectation_times_out_under_a_flood() -> None:
    """Messages that nobody wants do not keep an expectation alive beyond its deadline."""

    async def flood(peer: Peer) -> None:
        await peer.open()
        while True:
            await peer.send(frame(TEXT, b"noise") * 100)

    async with facing(flood) as (bench, _):
        opened = await bench.ws.connect("/ws")
        async with asyncio.timeout(5):
            reply = await opened.expect("never", "other", timeout=0.1)
    assert reply.error == "timeout"


async def test_cancelled_expectation_is_interrupted() -> None:
    """An expectation that is cut is an operation that was interrupted."""
    async with facing(echo) as (bench, _):
        opened = await bench.ws.connect("/ws")
        waiting = asyncio.ensure_future(opened.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert bench.kinds == ["interrupted"]
        assert opened.send("after")
        assert (await opened.receive()).value == "after"


async def test_one_waits_at_a_time_and_callbacks_exclude_waiting() -> None:
    """Two waiting on one socket, or waiting beside a callback, are the journey's error."""
    async with facing(echo) as (bench, _):
        opened = await bench.ws.connect("/ws")
        waiting = asyncio.ensure_future(opened.receive(timeout=0.05))
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="somebody waits"):
            await opened.receive()
        await waiting
        called = await bench.ws.connect("/ws", on_message=discard)
        with pytest.raises(ValueError, match="go to a callback"):
            await called.receive()


async def test_error_of_the_journeys_own_function_is_its_own() -> None:
    """What a journey's function raises reaches the journey; its operation ends as interrupted."""

    def broken(_: object) -> bool:
        raise KeyError("broken")

    async with facing(saying(frame(TEXT, b"x"))) as (bench, _):
        opened = await bench.ws.connect("/ws")
        with pytest.raises(KeyError, match="broken"):
            await opened.expect("own", broken)
    assert bench.kinds == ["interrupted"]


async def test_full_inbox_pauses_reading() -> None:
    """A journey that does not receive makes the target wait; nothing is lost when it goes on."""
    total = 20 * WS_INBOX_MESSAGES_MAX

    async def talk(peer: Peer) -> None:
        await peer.open()
        for number in range(total):
            await peer.send(frame(TEXT, b"%d" % number))
        await peer.rest()

    async with facing(talk) as (bench, _):
        opened = await bench.ws.connect("/ws")
        await until(lambda: bench.tape.warnings)
        assert [one.code for one in bench.tape.warnings] == ["inbox-full"]
        got = [int((await opened.receive()).value) for _ in range(total)]
    assert got == list(range(total))


async def test_close_gets_through_a_full_inbox() -> None:
    """A socket whose reading is paused closes as any other."""
    many = [frame(TEXT, b"x")] * (2 * WS_INBOX_MESSAGES_MAX)
    async with facing(saying(*many)) as (bench, peers):
        opened = await bench.ws.connect("/ws")
        await until(lambda: bench.tape.warnings)
        await opened.close()
        await until(lambda: not bench.tape.sockets)
        assert peers[0].received == [(CLOSE, b"\x03\xe8")]
    assert (opened.close_code, bench.instants("ws_disconnects")) == (1000, [])


async def test_ping_measures_the_round_trip() -> None:
    """A ping on demand is answered with its round trip, the metric `ws_ping`."""
    async with facing(echo) as (bench, peers):
        opened = await bench.ws.connect("/ws", on_message=discard)
        reply = await opened.ping()
        assert [opcode for opcode, _ in peers[0].received] == [PING]
    ((_, start_ns, end_ns),) = bench.instants("ws_ping")
    assert reply.ok
    assert reply.value == (end_ns - start_ns) / 1e9 > 0
    assert bench.actor.intended_ns == end_ns


async def test_latest_pong_answers_earlier_pings() -> None:
    """One pong may answer several pings; a pong that nobody asked for answers none."""

    async def lazy(peer: Peer) -> None:
        await peer.open()
        await peer.send(frame(PONG, b"unasked"))
        await peer.read()
        await peer.send(frame(PONG, (await peer.read())[1]))
        await peer.rest()

    async with facing(lazy) as (bench, _):
        opened = await bench.ws.connect("/ws", on_message=discard)
        replies = await asyncio.gather(opened.ping(), opened.ping())
    assert [one.ok for one in replies] == [True, True]
    assert len(bench.instants("ws_ping")) == 2


async def silent(peer: Peer) -> None:
    """Open and say nothing more."""
    await peer.open()
    await peer.rest()


async def test_ping_without_pong_times_out() -> None:
    """A ping without a pong fails after its timeout, and on a closed socket at once."""
    async with facing(silent) as (bench, _):
        opened = await bench.ws.connect("/ws", on_message=discard)
        reply = await opened.ping(timeout=0.03)
        assert (reply.ok, reply.error, opened.is_open) == (False, "timeout", True)
        under_way = [opened.ping() for _ in range(WS_PINGS_PENDING_MAX)]
        with pytest.raises(ValueError, match="on their way"):
            opened.ping()
        opened.abort()
        assert {(await one).error for one in under_way} == {"interrupted"}
        await until(lambda: not opened.is_open)
        assert (await opened.ping()).error == "closed"
    assert bench.rows("ws_ping") == [("", True, 0)] * (2 + WS_PINGS_PENDING_MAX)


async def test_keep_alive_pings_by_itself() -> None:
    """A socket that is kept alive is pinged again and again, without moving the user's instants."""
    async with facing(echo) as (bench, _):
        opened = await bench.ws.connect("/ws", on_message=discard, ping_every=0.03)
        runnable_ns = bench.actor.intended_ns
        await until(lambda: len(bench.instants("ws_ping")) > 2)
        assert opened.is_open
    assert bench.actor.intended_ns == runnable_ns


async def test_peer_that_answers_no_ping_is_given_up() -> None:
    """A target that leaves a keep-alive ping unanswered loses the socket, which is counted."""
    async with facing(silent) as (bench, _):
        opened = await bench.ws.connect("/ws", on_message=discard, ping_every=0.03)
        under_way = asyncio.ensure_future(opened.exchange("say", "x", 1))
        await until(lambda: not bench.tape.sockets)
        assert (await under_way).error == "ping timeout"
    assert (opened.is_open, opened.error) == (False, "ping timeout")
    assert len(bench.instants("ws_disconnects")) == 1
    assert bench.rows("ws_ping") == [("", True, 0)]


async def test_closes_carry_code_and_reason_both_ways() -> None:
    """The journey's code and reason reach the target, and the target's answer the journey."""

    async def part(peer: Peer) -> None:
        await peer.open()
        await peer.read()
        await peer.send(close_frame(4010, b"see you"))
        await peer.rest()

    async with facing(part) as (bench, peers):
        opened = await bench.ws.connect("/ws", on_message=discard)
        await opened.close(4001, "had enough")
        assert peers[0].received == [(CLOSE, b"\x0f\xa1had enough")]
        with pytest.raises(ValueError, match="no close code to send"):
            await opened.close(1005)
    assert (opened.close_code, opened.close_reason, opened.error) == (4010, "see you", "")


async def test_close_is_answered_as_it_was_said() -> None:
    """A target's close is answered with its code, one without a code by one without."""
    for said, answered in ((close_frame(4003), b"\x0f\xa3"), (frame(CLOSE), b"")):

        async def script(peer: Peer, said: bytes = said) -> None:
            await peer.open()
            await peer.send(said)
            await peer.read()

        async with facing(script) as (bench, peers):
            opened = await bench.ws.connect("/ws", on_message=discard)
            await until(lambda peers=peers: peers[0].received)
            assert peers[0].received == [(CLOSE, answered)]
            assert not opened.send("late")


async def test_sessions_are_counted_and_timed() -> None:
    """Each opened socket is a session whose length runs from the start of connecting."""
    before_ns = monotonic_ns()
    async with facing(echo) as (bench, _):
        opened: list[Socket] = [await bench.ws.connect("/ws") for _ in range(2)]
        for one in opened:
            await one.close()
    assert len(bench.instants("ws_sessions")) == len(bench.instants("ws_session_duration")) == 2
    for intended_ns, start_ns, end_ns in bench.instants("ws_session_duration"):
        assert before_ns < intended_ns == start_ns < end_ns
    assert json.dumps([one.metric for one in bench.tape.series]).count("ws_disconnects") == 1


async def test_without_a_session_nothing_is_said_of_them() -> None:
    """Where no socket opened there is no series of sessions: no evidence of no disconnect."""

    async def refuse(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy")

    async with facing(refuse) as (bench, _):
        assert (await bench.ws.connect("/ws")).error == "http 503"
    assert not any(one.metric.startswith("ws_session") for one in bench.tape.series)
    assert not any(one.metric == "ws_disconnects" for one in bench.tape.series)
    ((failure,),) = (bench.tape.failures,)
    assert (failure.status, failure.body) == (503, "busy")
