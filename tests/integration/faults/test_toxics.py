"""What each toxic does to real connections, in both event loops; times only as lower bounds."""

from __future__ import annotations

import asyncio
import time

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
    silent,
)

from stormproof.faults.links.effects import stage_of
from stormproof.faults.links.tcp import STREAM_KEPT_BYTES_MAX
from stormproof.faults.links.toxics import (
    Bandwidth,
    Drop,
    Ending,
    Hold,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Tally,
    Timeout,
)

pytestmark = IN_BOTH_LOOPS


def test_latency_with_jitter_delays_each_message_and_keeps_their_order(run: Run) -> None:
    """Every message takes at least the latency less the jitter, and none overtakes another; the
    other direction is not slowed."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, Latency(latency_ns=30 * MS, jitter_ns=20 * MS))
            reader, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            sent_s = []
            for number in range(50):
                sent_s.append(time.monotonic())
                writer.write(bytes([number]) * 10)
                await asyncio.sleep(0.001)
            for number in range(50):
                assert await up_reader.readexactly(10) == bytes([number]) * 10
                assert time.monotonic() - sent_s[number] >= 0.010
            link.take_off("t")
            put(link, Latency(latency_ns=60_000 * MS))
            up_writer.write(b"at once")
            assert await reader.readexactly(7) == b"at once"
            writer.close()
            up_writer.close()

    run(scenario)


def test_what_latency_keeps_back_is_bounded_and_flows_on_when_it_ends(run: Run) -> None:
    """A sender into a very slow link is stopped at the bound; without the toxic everything
    arrives, in order."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, Latency(latency_ns=3_600_000 * MS))
            _, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            data = numbered(12 << 20)
            writer.write(data)
            await until_async(lambda: link.counters().bytes_up > STREAM_KEPT_BYTES_MAX)
            assert await silent(up_reader)
            assert link.counters().bytes_up < STREAM_KEPT_BYTES_MAX + (1 << 20)
            link.take_off("t")
            assert await up_reader.readexactly(len(data)) == data
            writer.close()
            up_writer.close()

    run(scenario)


def test_bandwidth_passes_no_more_than_its_rate(run: Run) -> None:
    """Bytes take at least the time that the rate gives them; at a rate of 0 none pass; a change of
    the rate counts at once."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, Bandwidth(bytes_per_s=200_000), "down")
            reader, writer = await connect(link)
            _, up_writer = await upstream.connections.get()
            data = numbered(20_000)
            began_s = time.monotonic()
            up_writer.write(data)
            assert await reader.readexactly(len(data)) == data
            assert time.monotonic() - began_s >= 0.1
            change(link, Bandwidth(bytes_per_s=0), "down")
            up_writer.write(data)
            assert await silent(reader)
            change(link, Bandwidth(bytes_per_s=10_000_000_000), "down")
            assert await reader.readexactly(len(data)) == data
            writer.close()
            up_writer.close()

    run(scenario)


class Pieces:
    """What a stage gives on, piece by piece; and the stream that it thinks it acts on."""

    def __init__(self) -> None:
        self.items: list[bytes | Ending] = []
        self.times_s: list[float] = []
        self.kept = 0

    def take(self, data: bytes) -> None:
        self.items.append(data)
        self.times_s.append(time.monotonic())

    def end(self, how: Ending) -> None:
        self.items.append(how)

    def keep(self, count: int) -> None:
        self.kept += count

    def close_connection(self) -> None:
        raise AssertionError("no slicer closes")

    def reset_connection(self) -> None:
        raise AssertionError("no slicer resets")

    def random(self) -> float:
        return 0.75


def test_slicer_cuts_pieces_of_its_size_and_apart(run: Run) -> None:
    """Pieces have the size that was drawn, come at least the delay apart, in order, before the
    stream's end; what is left when it is taken off comes at once, and nothing stays counted."""

    async def scenario() -> None:
        pieces = Pieces()
        slicer = stage_of(
            Slicer(average_bytes=100, variation_bytes=40, delay_ns=2 * MS), pieces, Tally()
        )
        slicer.after = pieces
        data = numbered(1_000)
        slicer.take(data)
        slicer.end(Ending.FINISH)
        await until_async(lambda: Ending.FINISH in pieces.items)
        sizes = [len(item) for item in pieces.items if isinstance(item, bytes)]
        assert sizes == [120] * 8 + [40]
        assert b"".join(item for item in pieces.items if isinstance(item, bytes)) == data
        gaps_s = zip(pieces.times_s, pieces.times_s[1:], strict=False)
        assert all(later - earlier >= 0.0015 for earlier, later in gaps_s)
        assert pieces.items[-1] is Ending.FINISH
        pieces.items.clear()
        slicer.take(data)
        slicer.leave()
        assert b"".join(item for item in pieces.items if isinstance(item, bytes)) == data
        assert pieces.kept == 0

    run(scenario)


def test_sliced_data_arrives_whole(run: Run) -> None:
    """Whatever the pieces, down to single bytes, everything arrives once and in order."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, Slicer(average_bytes=0, variation_bytes=3))
            _, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            data = numbered(8_000)
            writer.write(data)
            writer.write_eof()
            assert await up_reader.read() == data
            writer.close()
            up_writer.close()

    run(scenario)


def test_limit_closes_behind_its_last_byte(run: Run) -> None:
    """Exactly so many bytes pass in its direction, then both ends are closed; the other direction
    is not counted, and a new limit counts what has passed already."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, LimitData(bytes=1_000), "down")
            reader, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            writer.write(bytes(5_000))
            assert len(await up_reader.readexactly(5_000)) == 5_000
            up_writer.write(bytes(600))
            assert len(await reader.readexactly(600)) == 600
            change(link, LimitData(bytes=700), "down")
            up_writer.write(bytes(600))
            assert len(await reader.read()) == 100
            assert await ended(up_reader)
            assert link.tally("t").cut == 1
            writer.close()

    run(scenario)


def test_slow_close_delays_a_close_and_no_data(run: Run) -> None:
    """Data passes while a close waits its time; when the toxic is taken off a waiting close passes
    at once; half a close stays half a close."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, SlowClose(delay_ns=50 * MS))
            reader, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            writer.write(b"last words")
            assert await up_reader.readexactly(10) == b"last words"
            began_s = time.monotonic()
            writer.write_eof()
            assert await up_reader.read() == b""
            assert time.monotonic() - began_s >= 0.05
            up_writer.write(b"still here")
            assert await reader.readexactly(10) == b"still here"
            up_writer.close()
            assert await reader.read() == b""
            writer.close()
            change(link, SlowClose(delay_ns=3_600_000 * MS))
            _, second = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            second.write_eof()
            assert await silent(up_reader)
            link.take_off("t")
            assert await up_reader.read() == b""
            second.close()
            up_writer.close()

    run(scenario)


def test_timeout_loses_data_and_closes_in_its_time(run: Run) -> None:
    """Nothing passes; the connection is closed after the time, or when the toxic goes."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, Timeout(after_ns=50 * MS), "down")
            began_s = time.monotonic()
            reader, writer = await connect(link)
            _, up_writer = await upstream.connections.get()
            up_writer.write(b"lost")
            assert await reader.read() == b""
            assert time.monotonic() - began_s >= 0.05
            change(link, Timeout(after_ns=0), "down")
            reader, second = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            second.write(b"question")
            assert await up_reader.readexactly(8) == b"question"
            up_writer.write(b"lost too")
            assert await silent(reader)
            link.take_off("t")
            assert await reader.read() == b""
            writer.close()
            second.close()

    run(scenario)


def test_reset_peer_resets_both_ends_of_a_live_connection(run: Run) -> None:
    """Both ends of an idle connection see a reset and not a close, and so does who comes later;
    with a time it comes no earlier."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            reader, writer = await connect(link)
            up_reader, _ = await upstream.connections.get()
            put(link, ResetPeer(after_ns=0), "down")
            for end in (reader, up_reader):
                with pytest.raises(ConnectionResetError):
                    await end.read()
            reader, second = await connect(link)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            change(link, ResetPeer(after_ns=50 * MS), "down")
            began_s = time.monotonic()
            reader, third = await connect(link)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            assert time.monotonic() - began_s >= 0.05
            for one in (writer, second, third):
                one.close()
            await until_async(lambda: link.counters().connections_open == 0)

    run(scenario)


def test_one_direction_may_be_held_alone(run: Run) -> None:
    """Held upwards, answers still flow; what waited upwards flows on afterwards."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            reader, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            put(link, Hold())
            writer.write(b"question")
            up_writer.write(b"answer")
            assert await reader.readexactly(6) == b"answer"
            assert await silent(up_reader)
            link.take_off("t")
            assert await up_reader.readexactly(8) == b"question"
            writer.close()
            up_writer.close()

    run(scenario)


def test_hold_keeps_what_latency_lets_go(run: Run) -> None:
    """What was under way when a hold began stays back with it and comes first afterwards."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            put(link, Latency(latency_ns=3_600_000 * MS))
            _, writer = await connect(link)
            up_reader, up_writer = await upstream.connections.get()
            writer.write(b"first")
            await until_async(lambda: link.counters().bytes_up == 5)
            put(link, Hold(), name="hold")
            link.take_off("t")
            writer.write(b"second")
            assert await silent(up_reader)
            assert link.held_back(["hold"]).bytes == 11
            link.take_off("hold")
            assert await up_reader.readexactly(11) == b"firstsecond"
            writer.close()
            up_writer.close()

    run(scenario)


def test_drop_loses_closes_too_and_resets_whom_it_robbed(run: Run) -> None:
    """Dropped bytes never come and a close is not seen; afterwards a connection that lost something
    is reset and one that lost nothing lives on."""

    async def scenario() -> None:
        async with linked() as (link, upstream):
            robbed_reader, robbed = await connect(link)
            up_reader, _ = await upstream.connections.get()
            reader, writer = await connect(link)
            _, up_writer = await upstream.connections.get()
            put(link, Drop())
            robbed.write(b"lost")
            robbed.write_eof()
            assert await silent(up_reader)
            up_writer.write(b"heard")
            assert await reader.readexactly(5) == b"heard"
            link.take_off("t")
            with pytest.raises(ConnectionResetError):
                await up_reader.read()
            with pytest.raises(ConnectionResetError):
                await robbed_reader.read()
            up_writer.write(b"alive")
            assert await reader.readexactly(5) == b"alive"
            for one in (robbed, writer, up_writer):
                one.close()

    run(scenario)
