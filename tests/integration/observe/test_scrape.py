"""Figures of a real target: what it serves, in whatever way, and what it fails to serve."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress

import pytest
from tests.integration.observe.test_probes import Handler, replying, server

from stormproof.kernel.clock import SystemClock
from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import EXPOSITION_BYTES_MAX, SERIES_MAX
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import Event, WarningEvent
from stormproof.model.observed import UNREAD, Observed
from stormproof.model.plan import PlannedSource
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.observe import scrape
from stormproof.observe.collected import Exposition
from stormproof.observe.exposition import read_exposition
from stormproof.observe.readings import Readings
from stormproof.observe.scrape import Scrape
from stormproof.observe.sources import Sources, Watched
from stormproof.seams import Clock
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


async def test_unread_lines_are_told_however_many_series_there_are() -> None:
    """They come ahead of all series, and a figure of the target's by that name is one of them."""
    series = b"".join(b'a{n="%d"} 1\n' % number for number in range(SERIES_MAX))
    answer = PLAIN + b"\r\n" + series + b"odd\nlines_unread 0\n"
    async with server(replying(answer)) as (host, port):
        given = await Scrape(PLANNED, f"http://{host}:{port}").read()
    assert (given[0].name, given[0].value) == (UNREAD, 2)
    assert len(given) == 1 + SERIES_MAX


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (PLAIN + b"\r\n" + b"ab\n" * (5 << 20), "serves over 100000 lines"),
        (PLAIN + b"\r\n" + b"\n" * (15 << 20), "serves over 100000 lines"),
        (
            PLAIN + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 250_000 + b"0\r\n\r\n",
            "over 200000 chunks",
        ),
    ],
)
async def test_an_answer_of_millions_of_pieces_is_given_up(answer: bytes, why: str) -> None:
    """Short lines, blank ones and chunks of a byte are bounded as the bytes are."""
    with pytest.raises(SourceSilent, match=why):
        await scraped(replying(answer))


async def test_no_answer_is_asked_for_while_the_one_before_is_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reading that was given up while it was parsed holds the next ones off until it is done."""
    parsing, may_end = threading.Event(), threading.Event()

    def slow(text: str, *, is_open_metrics: bool) -> Exposition:
        parsing.set()
        may_end.wait(10)
        return read_exposition(text, is_open_metrics=is_open_metrics)

    monkeypatch.setattr(scrape, "read_exposition", slow)
    async with server(replying(PLAIN + b"\r\na 1\n")) as (host, port):
        source = Scrape(PLANNED, f"http://{host}:{port}")
        given_up = asyncio.ensure_future(source.read())
        await asyncio.to_thread(parsing.wait, 10)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        with pytest.raises(SourceSilent, match="the answer before is still being read"):
            await source.read()
        may_end.set()
        given: list[Observed] = []
        async with asyncio.timeout(10):
            while not given:
                await asyncio.sleep(0)
                with suppress(SourceSilent):
                    given = await source.read()
    assert [one.name for one in given] == [UNREAD, "a"]


async def test_a_source_that_fails_unexpectedly_costs_its_readings_only() -> None:
    """What nobody foresaw is a miss each time and one warning that names it; reading goes on."""
    kept = Kept()
    failing = Scripted(PermissionError(13, "Permission denied"))
    watching = asyncio.ensure_future(kept.sources.watch([Watched(failing, PLANNED)]))
    await kept.until(1)
    failing.silence = None
    kept.sources.mark()
    await kept.until(2)
    failing.silence = PermissionError(13, "Permission denied")
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert [bool(one.error) for one in kept.rows] == [True, False, True]
    assert "PermissionError" in kept.rows[0].error
    (warning,) = kept.warnings
    assert isinstance(warning, WarningEvent)
    assert warning.code == "source-fault"
    assert "reading target failed, a fault of stormproof: PermissionError" in warning.text


class Kept:
    """Readings as they come."""

    def __init__(self, needed: Sequence[str] = (), clock: Clock | None = None) -> None:
        self.rows: list[SourceReading] = []
        self.told: list[str] = []
        self.warnings: list[Event] = []
        self._came = asyncio.Event()
        readings = Readings(self, self.warnings.append, lambda reading, series: None)
        self.sources = Sources(readings, clock or SystemClock(), needed, self.told.append)

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

    def __init__(self, silence: Exception | None = None) -> None:
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
