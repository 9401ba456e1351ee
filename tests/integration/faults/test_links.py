"""TCP links on real sockets, in the event loop of the standard library and in uvloop."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.integration.faults.small_stack import until_async
from tests.integration.faults.wires import (
    HOLD,
    IN_BOTH_LOOPS,
    PATIENCE_S,
    Scenario,
    connect,
    ended,
    hold,
    linked,
    numbered,
    release,
    reset,
    silent,
)

from stormproof.faults.links import TcpLink, tcp
from stormproof.faults.links.measuring import reaches_upstream
from stormproof.faults.links.pair import BUFFER_BYTES_MAX
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.part import Link

pytestmark = IN_BOTH_LOOPS


def test_link_forwards_both_ways_and_half_closes(run: Callable[[Scenario], None]) -> None:
    """Bytes pass in both directions, and one direction's end leaves the other open."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            reader, writer = await connect(link)
            writer.write(b"question")
            writer.write_eof()
            up_reader, up_writer = await upstream.connections.get()
            assert await up_reader.read() == b"question"
            up_writer.write(b"answer")
            up_writer.close()
            assert await reader.read() == b"answer"
            writer.close()
            await until_async(lambda: link.counters().connections_open == 0)
            counters = link.counters()
            assert (counters.bytes_up, counters.bytes_down) == (8, 6)
            assert counters.connections == 1

    run(scenario)


def test_upstream_that_speaks_first_is_heard(run: Callable[[Scenario], None]) -> None:
    """A greeting that the upstream sends at once reaches the client."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            reader, writer = await connect(link)
            _, up_writer = await upstream.connections.get()
            up_writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            up_writer.close()

    run(scenario)


def test_held_link_keeps_all_bytes_and_gives_them_back_in_order(
    run: Callable[[Scenario], None],
) -> None:
    """Nothing passes a held link in either direction; all of it passes after the release, once
    and in order."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            reader, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            writer.write(b"before")
            assert await up_reader.readexactly(6) == b"before"
            hold(link)
            up, down = numbered(8 << 20), numbered(4 << 20)
            writer.write(up)
            up_writer.write(down)
            await until_async(lambda: link.held_back(HOLD).bytes > 0)
            assert await silent(reader)
            assert await silent(up_reader)
            release(link)
            both = asyncio.gather(up_reader.readexactly(len(up)), reader.readexactly(len(down)))
            assert tuple(await both) == (up, down)
            assert link.held_back(HOLD).bytes == 0
            writer.close()
            up_writer.close()

    run(scenario)


def test_connection_made_while_held_is_served_after_the_release(
    run: Callable[[Scenario], None],
) -> None:
    """A held link accepts a new connection, keeps it silent without an upstream, and joins it
    when released."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            hold(link)
            reader, writer = await connect(link)
            writer.write(b"early")
            writer.write_eof()
            await until_async(lambda: link.held_back(HOLD).bytes == len(b"early"))
            assert link.held_back(HOLD).connections == 1
            assert await silent(reader)
            assert upstream.accepted == 0
            release(link)
            up_reader, up_writer = await upstream.connections.get()
            assert await up_reader.read() == b"early"
            up_writer.close()
            assert await reader.read() == b""
            writer.close()

    run(scenario)


def test_held_link_hides_that_an_end_was_reset(run: Callable[[Scenario], None]) -> None:
    """A client that is reset behind a held link is not known to the upstream before the
    release."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            _, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            hold(link)
            reset(writer)
            assert await silent(up_reader)
            release(link)
            with pytest.raises(ConnectionResetError):
                await up_reader.read()
            up_writer.close()

    run(scenario)


def test_reset_passes_as_a_reset(run: Callable[[Scenario], None]) -> None:
    """A connection that the upstream resets is reset for the client too."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            reader, writer = await connect(link)
            _, up_writer = await upstream.connections.get()
            reset(up_writer)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            await until_async(lambda: link.counters().connections_open == 0)

    run(scenario)


def test_upstream_that_refuses_shows_as_a_reset(run: Callable[[Scenario], None]) -> None:
    """With nobody behind the link a client is reset, the refusal is counted, nothing is kept."""

    async def scenario() -> None:
        async with linked(upstream_up=False) as (link, _):
            reader, writer = await connect(link)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            await until_async(lambda: link.counters().connections_open == 0)
            assert link.counters().connections_refused == 1
            assert not await reaches_upstream(link, HOLD, timeout_s=0.1)

    run(scenario)


def test_slow_reader_stops_the_sender(run: Callable[[Scenario], None]) -> None:
    """The link takes no more from a sender than its buffer, one read and the kernel hold."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            _, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            writer.write(bytes(64 << 20))
            taken = -1
            while taken != link.counters().bytes_up:
                taken = link.counters().bytes_up
                await asyncio.sleep(0.2)
            kernel_bytes_max = 16 << 20  # the largest socket buffers of both sides
            assert BUFFER_BYTES_MAX < taken < kernel_bytes_max + 4 * BUFFER_BYTES_MAX
            assert len(await up_reader.readexactly(64 << 20)) == 64 << 20
            writer.close()
            up_writer.close()

    run(scenario)


def test_own_connection_tells_whether_the_upstream_is_reached(
    run: Callable[[Scenario], None],
) -> None:
    """A probing connection gets through an open link and not through a held one, sends nothing,
    and is not counted as held back."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            assert await reaches_upstream(link, HOLD, timeout_s=PATIENCE_S)
            up_reader, up_writer = await upstream.connections.get()
            assert await up_reader.read() == b""
            up_writer.close()
            hold(link)
            probing = asyncio.ensure_future(reaches_upstream(link, HOLD, timeout_s=0.2))
            await until_async(lambda: link.counters().connections == 2)
            assert link.held_back(HOLD).connections == 0
            assert not await probing

    run(scenario)


def test_connections_beyond_the_bound_are_refused(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that has all the connections it may have refuses the next one and counts it."""
    monkeypatch.setattr(tcp, "CONNECTIONS_MAX", 1)

    async def scenario() -> None:
        async with linked() as (link, upstream):
            first_reader, first = await connect(link)
            await upstream.connections.get()
            reader, second = await connect(link)
            assert await ended(reader)
            assert link.counters().connections_refused == 1
            assert await silent(first_reader)
            first.close()
            second.close()

    run(scenario)


def test_client_that_was_reset_before_it_was_accepted_harms_nobody(
    run: Callable[[Scenario], None],
) -> None:
    """A connection that is reset while it waits to be accepted is forgotten; the next one is
    served."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            early = socket.create_connection((link.host, link.listen_port))
            early.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            early.close()
            await until_async(lambda: link.counters().connections == 1)
            _, writer = await connect(link)
            writer.write(b"word")
            words, up_writer = b"", writer
            while words != b"word":  # the link may have connected for the early one, too
                up_reader, up_writer = await upstream.connections.get()
                with suppress(ConnectionError):
                    words = await up_reader.read(4)
            await until_async(lambda: link.counters().connections_open == 1)
            writer.close()
            up_writer.close()

    run(scenario)


def test_taken_port_is_named(run: Callable[[Scenario], None]) -> None:
    """A link whose port is taken says which link and which port."""

    async def scenario() -> None:
        async with linked() as (link, _):
            twin = TcpLink(
                Link(name="twin", listen_port=link.listen_port, upstream_port=link.upstream[1])
            )
            with pytest.raises(EnvironmentFailure, match=rf"twin .* {link.listen_port}"):
                await twin.open()

    run(scenario)
