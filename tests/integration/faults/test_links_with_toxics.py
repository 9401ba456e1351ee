"""Links with toxics as a whole: endings, shares, coming and going under load, refusing."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.integration.faults.small_stack import until_async
from tests.integration.faults.wires import (
    IN_BOTH_LOOPS,
    MS,
    Run,
    change,
    connect,
    ended,
    linked,
    numbered,
    put,
    reset,
    silent,
)

from stormproof.faults.links import TcpLink
from stormproof.faults.links.toxics import (
    Bandwidth,
    Direction,
    Drop,
    Hold,
    Latency,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)
from stormproof.kernel.errors import EnvironmentFailure

pytestmark = IN_BOTH_LOOPS


def test_ending_travels_behind_its_data(run: Run) -> None:
    """Under latency the upstream of a client that sent and was reset gets the bytes first, then
    the reset."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, Latency(latency_ns=30 * MS))
            _, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            writer.write(b"last words")
            await until_async(lambda: link.counters().bytes_up == 10)
            reset(writer)
            assert await up_reader.readexactly(10) == b"last words"
            with pytest.raises(ConnectionResetError):
                await up_reader.read()
            up_writer.close()

    run(scenario)


def test_toxicity_zero_touches_nobody(run: Run) -> None:
    """With a share of 0 no connection is reset, closed or slowed, live or new, and a share that is
    changed to all and back counts for live ones."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            reader, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            put(link, ResetPeer(after_ns=0), share=0.0, name="reset")
            put(link, Drop(), share=0.0)
            writer.write(b"word")
            assert await up_reader.readexactly(4) == b"word"
            change(link, Drop(), share=1.0)
            writer.write(b"lost")
            assert await silent(up_reader)
            change(link, Drop(), share=0.0)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            _, second = await connect(link)
            up_reader, up_second = await upstream.connections.get()
            second.write(b"word")
            assert await up_reader.readexactly(4) == b"word"
            assert link.tally("reset").connections == 0
            for one in (writer, second, up_writer, up_second):
                one.close()

    run(scenario)


def test_share_is_drawn_from_the_seed(run: Run) -> None:
    """Of 60 connections a share of a half takes the same ones every time, neither few nor most;
    another seed takes others."""

    async def touched(seed: int) -> list[int]:
        async with linked() as (link, _):
            link.seed = seed
            put(link, Timeout(after_ns=0), share=0.5)
            hit = []
            for number in range(60):
                before = link.tally("t").connections
                _, writer = await connect(link)
                await until_async(lambda: link.counters().connections == number + 1)  # noqa: B023
                if link.tally("t").connections > before:
                    hit.append(number)
                writer.transport.abort()
            return hit

    async def scenario() -> None:
        first = await touched(1)
        assert await touched(1) == first
        assert await touched(2) != first
        assert 15 < len(first) < 45

    run(scenario)


def test_toxics_come_and_go_under_load_and_no_byte_is_lost(run: Run) -> None:
    """While connections carry megabytes, toxics that lose nothing are put on, changed and taken off
    again and again, at once effective and never waited for: every byte arrives, in order."""
    data = numbered(1 << 20)

    async def carry(link: TcpLink) -> None:
        reader, writer = await connect(link)
        writer.write(data)
        writer.write_eof()
        assert await reader.read() == data
        writer.close()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
        writer.close()

    async def scenario() -> None:
        toxics: list[Toxic] = [
            Latency(latency_ns=20 * MS, jitter_ns=20 * MS),
            Slicer(average_bytes=20_000, variation_bytes=10_000),
            Bandwidth(bytes_per_s=1_000_000),
            Hold(),
            SlowClose(delay_ns=50 * MS),
        ]
        async with linked() as (link, upstream):
            upstream.talk = echo
            carrying = asyncio.gather(*(carry(link) for _ in range(10)))
            for turn in range(60):
                toxic = toxics[turn % len(toxics)]
                direction: Direction = "up" if turn % 2 else "down"
                put(link, toxic, direction, share=0.7, name=f"t{turn}")
                await asyncio.sleep(0.001)
                if turn >= 3:
                    link.take_off(f"t{turn - 3}")
            for turn in range(57, 60):
                link.take_off(f"t{turn}")
            assert link.toxics == ()
            await carrying

    run(scenario)


def test_refusing_link_cuts_and_comes_back(run: Run) -> None:
    """While a link refuses, who connects is refused and who was connected is cut; afterwards the
    same port serves."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            reader, writer = await connect(link)
            await upstream.connections.get()
            assert link.refuse() == 1
            assert link.refuse() == 0
            assert await ended(reader)
            for _ in range(3):
                with pytest.raises(ConnectionRefusedError):
                    await connect(link)
            await link.accept_again()
            await link.accept_again()
            _, second = await connect(link)
            second.write(b"word")
            up_reader, up_writer = await upstream.connections.get()
            assert await up_reader.readexactly(4) == b"word"
            for one in (writer, second, up_writer):
                one.close()

    run(scenario)


def test_refusing_link_whose_port_was_taken_says_so_and_may_try_again(run: Run) -> None:
    """A server that asks for the very port may have it meanwhile; the link then names it, and
    serves again once the port is free."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            link.refuse()
            with socket.socket() as taker:
                taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taker.bind((link.host, link.listen_port))
                taker.listen()
                for _ in range(2):
                    with pytest.raises(EnvironmentFailure, match=rf"wire .* {link.listen_port}"):
                        await link.accept_again()
                assert link.is_refusing
            await link.accept_again()
            _, writer = await connect(link)
            _, up_writer = await upstream.connections.get()
            writer.close()
            up_writer.close()

    run(scenario)
