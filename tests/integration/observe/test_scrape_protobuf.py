"""Figures in protobuf from a target on a socket: what is asked for, read, and given up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client.exposition import choose_encoder
from tests.families import GAUGE, HISTOGRAM, double, family, metric, native, number, observing
from tests.integration.observe.test_probes import Handler, replying, server
from tests.integration.observe.test_scrape import PLAIN, PLANNED

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import EXPOSITION_FIELDS_MAX
from stormproof.model.observed import UNREAD, Observed
from stormproof.observe.scrape import ACCEPT, TEXT, Scrape
from stormproof.testing import check_source

KIND = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: {KIND}\r\n"
SAMPLES = [1.0, 2.0, 300.0]
NATIVE = family("n", HISTOGRAM, metric(HISTOGRAM, native(observing(SAMPLES, 3), 303.0, 3)))
FAMILIES = family("g", GAUGE, metric(GAUGE, double(1, 4.0))) + NATIVE


def framed(body: bytes) -> bytes:
    return f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body


def in_turn(answers: Sequence[bytes], asked: list[str]) -> Handler:
    """Return a target that gives each answer once, and keeps what was accepted."""
    left = list(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.extend(line for line in head.split("\r\n") if line.startswith("Accept:"))
        writer.write(left.pop(0))
        await writer.drain()
        writer.close()

    return handle


async def read_each(*answers: bytes) -> tuple[list[list[Observed] | str], list[str]]:
    """Read a target once an answer; return the figures or why there are none, and what was
    accepted."""
    asked: list[str] = []
    given: list[list[Observed] | str] = []
    async with server(in_turn(answers, asked)) as (host, port):
        source = Scrape(PLANNED, f"http://{host}:{port}")
        for _ in answers:
            try:
                given.append(await source.read())
            except SourceSilent as silence:
                given.append(silence.why)
    return given, asked


async def test_native_histograms_are_figures_of_a_target() -> None:
    """They come beside everything else, and keep the promises of a source."""
    async with server(replying(framed(FAMILIES))) as (host, port):
        source = Scrape(PLANNED, f"http://{host}:{port}")
        given = await source.read()
        await check_source(source)
    assert [one.name for one in given] == [UNREAD, "g", "n_sum", "n_count", "n"]
    assert given[-1].native == observing(SAMPLES, 3)


def test_a_client_that_chooses_by_the_list_chooses_as_before() -> None:
    """What prometheus_client gives to whoever accepts text, it gives with protobuf in the list."""
    assert choose_encoder(ACCEPT)[1] == choose_encoder(TEXT)[1]


async def test_who_knows_text_only_is_asked_as_before() -> None:
    """Text stands first among what is accepted, protobuf is liked best, and stays asked for."""
    given, asked = await read_each(PLAIN + b"\r\na 1\n", PLAIN + b"\r\na 2\n")
    assert [one[-1].value for one in given if not isinstance(one, str)] == [1, 2]
    assert asked[0] == asked[1]
    assert asked[0].startswith("Accept: text/plain;version=0.0.4;q=0.9,")
    assert asked[0].endswith("encoding=delimited;q=1")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (framed(b"<html>"), "is no exposition: none of its fields can be read"),
        (f"{HEAD}\r\n".encode() + FAMILIES, "in protobuf, and its end is not marked"),
        (framed(b"\xff" * (1 << 20)), "is no exposition"),
        (framed(b"\0" * (1 << 20)), f"serves over {EXPOSITION_FIELDS_MAX} fields"),
        (
            framed(family("a", GAUGE, number(9, 1) * EXPOSITION_FIELDS_MAX)),
            f"serves over {EXPOSITION_FIELDS_MAX} fields",
        ),
    ],
)
async def test_protobuf_that_cannot_be_read_is_not_asked_for_again(answer: bytes, why: str) -> None:
    """The reading is a silence with its reason, and the next one is in text."""
    given, asked = await read_each(answer, PLAIN + b"\r\na 1\n")
    assert isinstance(given[0], str)
    assert why in given[0]
    assert isinstance(given[1], list)
    assert [one.name for one in given[1]] == [UNREAD, "a"]
    assert "protobuf" in asked[0]
    assert "protobuf" not in asked[1]


ODD = framed(family("odd", GAUGE, metric(GAUGE, number(1, 1))) + FAMILIES)
CLEAN = PLAIN + b"\r\na 1\n"


@pytest.mark.parametrize(
    ("answers", "formats"),
    [
        ((ODD, CLEAN, CLEAN), "pb text text"),
        ((ODD, PLAIN + b"\r\na 1\nodd\n", ODD, framed(FAMILIES)), "pb text pb pb"),
        ((framed(b"\xff"), PLAIN + b"\r\na 1\nodd\n", CLEAN), "pb text text"),
    ],
)
async def test_text_is_asked_for_where_it_is_better(answers: Sequence[bytes], formats: str) -> None:
    """What could be read is given with the count of what could not; of a target whose text has as
    much that cannot be read, native histograms are not given up for it."""
    given, asked = await read_each(*answers)
    assert [("pb" if "protobuf" in one else "text") for one in asked] == formats.split()
    if answers[0] is ODD:
        assert isinstance(given[0], list)
        assert (given[0][0].name, given[0][0].value, len(given[0])) == (UNREAD, 1, 5)


async def test_an_answer_that_was_cut_off_is_none_and_asked_for_again() -> None:
    """A fault of the way is none of the format: protobuf is asked for the next time too."""
    given, asked = await read_each(framed(FAMILIES)[:-5], framed(FAMILIES))
    assert given[0] == "/metrics: the answer was cut off"
    assert len(given[1]) == 5
    assert asked[0] == asked[1]
