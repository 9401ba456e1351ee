"""Figures of a real target: what it serves, in whatever way, and what it fails to serve."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.integration.observe.test_probes import Handler, replying, server

from stormproof.kernel.clock import SystemClock
from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import EXPOSITION_BYTES_MAX
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.observed import UNREAD, Observed
from stormproof.model.plan import PlannedSource
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.observe.readings import Readings
from stormproof.observe.scrape import Scrape
from stormproof.observe.sources import Sources, Watched
from stormproof.testing import check_source

PLANNED = PlannedSource(
    name="target", path="/metrics", interval_ns=10 * SECOND_NS, timeout_ns=5 * SECOND_NS
)
OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Type: text/plain; version=0.0.4\r\n"


async def scraped(handler: Handler, planned: PlannedSource = PLANNED) -> dict[str, float]:
    async with server(handler) as (host, port):
        given = await Scrape(planned, f"http://{host}:{port}").read()
    return {one.name: one.value for one in given}


@pytest.mark.parametrize(
    "answer",
    [
        PLAIN + b"Content-Length: 8\r\n\r\na 1\nb 2\n",
        PLAIN + b"Content-Length: 7\r\n\r\na 1\nb 2",
        PLAIN + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\na 1\r\n5\r\n\nb 2\n\r\n0\r\n\r\n",
        PLAIN + b"\r\na 1\nb 2\n",
    ],
)
async def test_figures_come_however_the_answer_is_framed(answer: bytes) -> None:
    """By its length, in chunks, or up to the end of the connection: the same figures."""
    assert await scraped(replying(answer)) == {"a": 1, "b": 2, UNREAD: 0}


@pytest.mark.parametrize(
    ("answer", "why", "is_absent"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "/metrics answers 404", True),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "/metrics answers 503", False),
        (OK + b"Content-Length: 12\r\n\r\n<html></html", "is no exposition", True),
        (PLAIN + b"Content-Length: 50\r\n\r\na 1\nb 2", "was cut off", False),
        (PLAIN + b"Transfer-Encoding: chunked\r\n\r\n9\r\na 1", "was cut off", False),
        (PLAIN + b"Transfer-Encoding: chunked\r\n\r\n-9\r\na 1\r\n", "protocol", False),
        (PLAIN + b"\r\na 1\nb 23", "was cut off", False),
        (b"", "closed without an answer", False),
    ],
)
async def test_what_is_no_exposition_is_a_silence_with_its_reason(
    answer: bytes, why: str, is_absent: bool
) -> None:
    """Half an answer is none; whether there is anything to ask for again is said."""
    with pytest.raises(SourceSilent) as silence:
        await scraped(replying(answer))
    assert why in silence.value.why
    assert silence.value.is_absent is is_absent


async def test_a_scrape_keeps_the_promises_of_a_source() -> None:
    """What comes out of an untidy exposition can be asked for and judged."""
    answer = PLAIN + b'\r\n# TYPE a counter\na{x="1"} 1\na{x="1"} 2\nb NaN\nc -1\nodd\n'
    async with server(replying(answer)) as (host, port):
        await check_source(Scrape(PLANNED, f"http://{host}:{port}"))


async def test_an_endless_answer_is_given_up_at_its_bound() -> None:
    """A target that sends on and on costs the bound in memory, and no figure is made of it."""
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PLAIN + b"Content-Length: 104857600\r\n\r\n")
        try:
            while sent < 100 << 20:
                writer.write(b"a 1\n" * (16 << 10))
                sent += 64 << 10
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    with pytest.raises(SourceSilent, match="the answer is over 16 MiB"):
        await scraped(endless)
    assert sent < 2 * EXPOSITION_BYTES_MAX


async def test_a_target_that_hangs_costs_the_timeout() -> None:
    """A source that never answers becomes a row with its reason, and the next one is read."""
    kept = Kept()
    held = asyncio.Event()

    async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    planned = PlannedSource(
        name="target", path="/metrics", interval_ns=SECOND_NS, timeout_ns=20 * MILLISECOND_NS
    )
    async with server(hanging) as (host, port):
        watched = Watched(Scrape(planned, f"http://{host}:{port}"), planned)
        watching = asyncio.ensure_future(kept.sources.watch([watched]))
        await kept.until(1)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        held.set()
    assert len(kept.rows) == 2  # the last reading, at the end of the watching, hung as well
    assert all("timeout" in one.error or "no answer within" in one.error for one in kept.rows), (
        kept.rows
    )


class Kept:
    """Readings as they come."""

    def __init__(self, needed: Sequence[str] = ()) -> None:
        self.rows: list[SourceReading] = []
        self.told: list[str] = []
        self._came = asyncio.Event()
        readings = Readings(self, lambda event: None, lambda reading, series: None)
        self.sources = Sources(readings, SystemClock(), needed, self.told.append)

    def reading(self, reading: SourceReading, series: Sequence[ObservedSeries]) -> None:
        self.rows.append(reading)
        self._came.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.rows) < count:
                self._came.clear()
                await self._came.wait()


class Scripted:
    """A source that says what it was told to, silences included."""

    name = "target"

    def __init__(self, silence: SourceSilent | None = None) -> None:
        self.silence = silence

    async def read(self) -> Sequence[Observed]:
        if self.silence is not None:
            raise self.silence
        return []


async def test_a_mark_reads_at_once_and_the_end_once_more() -> None:
    """Between two grid points a mark is a reading of its own, and so is the end."""
    kept = Kept()
    watching = asyncio.ensure_future(kept.sources.watch([Watched(Scripted(), PLANNED)]))
    await kept.until(1)
    kept.sources.mark()
    await kept.until(2)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert len(kept.rows) == 3
    assert all(one.start_ns <= one.end_ns for one in kept.rows)


@pytest.mark.parametrize("needed", [(), ("target",)])
async def test_a_source_with_nothing_to_read_is_given_up_unless_it_is_asked(
    needed: Sequence[str],
) -> None:
    """It is told once; where an objective asks for it, it is asked again and again."""
    kept = Kept(needed)
    absent = Scripted(SourceSilent("/metrics answers 404", is_absent=True))
    watching = asyncio.ensure_future(kept.sources.watch([Watched(absent, PLANNED)]))
    await kept.until(1)
    if needed:
        kept.sources.mark()
        await kept.until(2)
        assert kept.told == []
        watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    if not needed:
        assert kept.told == ["target gives no figures: /metrics answers 404"]
        assert len(kept.rows) == 1
