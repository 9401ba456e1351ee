"""Metric families in protobuf beside the same in text, and bytes that are none."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from tests.families import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    block,
    classic,
    double,
    family,
    metric,
    native,
    observing,
    varint,
)

from stormproof.kernel.limits import OBSERVED_VALUE_MAX
from stormproof.model.observed import Observed, ObservedKind
from stormproof.observe.exposition import read_exposition
from stormproof.observe.families import number_text, read_families

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}x", fullmatch=True)
LABELS = st.dictionaries(st.sampled_from(["route", "status"]), st.text(max_size=6), max_size=2)
SERIES = st.lists(LABELS, max_size=3, unique_by=lambda one: frozenset(one.items()))
NUMBERS = st.floats(-OBSERVED_VALUE_MAX, OBSERVED_VALUE_MAX)
BUCKETS = st.dictionaries(st.floats(-1e6, 1e6), st.integers(0, 10**9), max_size=4)
SAMPLES = st.lists(st.floats(1e-6, 1e6), max_size=30)
Written = tuple[bytes, str]


def escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def line(name: str, tags: dict[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{escaped(text)}"' for key, text in tags.items())
    return f"{name}{{{inside}}} {value!r}\n"


@st.composite
def families(draw: st.DrawFn) -> Written:
    """Draw families, in protobuf and in text."""
    data, text = b"", ""
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        kind = draw(st.sampled_from([COUNTER, GAUGE, HISTOGRAM]))
        text += f"# TYPE {name} {['counter', 'gauge', '', '', 'histogram'][kind]}\n"
        metrics = []
        for tags in draw(
            st.lists(LABELS, max_size=3, unique_by=lambda one: frozenset(one.items()))
        ):
            if kind != HISTOGRAM:
                value = draw(NUMBERS)
                metrics.append(metric(kind, double(1, value), tags))
                text += line(name, tags, value)
                continue
            buckets, total, count = draw(BUCKETS), draw(NUMBERS), draw(st.integers(0, 2**62))
            metrics.append(metric(kind, classic(buckets, total, count), tags))
            for bound, below in [*buckets.items(), (math.inf, count)]:
                text += line(f"{name}_bucket", {**tags, "le": number_text(bound)}, float(below))
            text += line(f"{name}_sum", tags, total) + line(f"{name}_count", tags, float(count))
        data += family(name, kind, *metrics)
    return data, text


def keyed(figures: list[Observed]) -> dict[tuple[str, frozenset[tuple[str, str]]], Observed]:
    return {(one.name, frozenset(one.tags.items())): one for one in figures}


@given(families())
def test_families_read_as_they_do_in_text(written: Written) -> None:
    """The same names, labels, kinds and values come out of both formats."""
    data, text = written
    read, expected = read_families(data), read_exposition(text.replace("\r", "?"))
    if "\r" in text:
        return  # text cannot hold it at the end of a line
    assert (read.unread, expected.unread) == (0, 0)
    assert keyed(read.figures) == keyed(expected.figures)


@given(SAMPLES, st.integers(-4, 8), st.booleans())
def test_native_buckets_come_out_as_they_went_in(
    samples: list[float], schema: int, is_packed: bool
) -> None:
    """Spans and differences give the buckets of the samples, packed or one by one, with the sum and
    the count beside them."""
    buckets = observing(samples, schema, 2.0**-128)
    value = native(buckets, sum(samples), len(samples), is_packed=is_packed)
    read = read_families(family("n", HISTOGRAM, metric(HISTOGRAM, value, {"a": "b"})))
    assert read.unread == 0
    found = {(one.name, one.kind): one for one in read.figures}
    assert found["n", ObservedKind.NATIVE].native == buckets
    assert found["n_count", ObservedKind.COUNTER].value == len(samples)
    assert found["n_sum", ObservedKind.COUNTER].value == sum(samples)
    assert len(found) == 3


def is_sound(data: bytes) -> bool:
    """Read bytes; say whether all figures are numbers, and native ones hold what they observed."""
    return all(
        (abs(one.value) <= OBSERVED_VALUE_MAX or one.value == math.inf)
        and (one.native is None or one.native.total <= one.value * (1 + 1e-6))
        for one in read_families(data).figures
    )


@given(st.binary(max_size=400))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    """Whatever comes, it is read without an exception, and no figure is made of what is none."""
    assert is_sound(data)
    assert is_sound(varint(len(data)) + data)
    assert is_sound(family("n", HISTOGRAM, data))
    assert is_sound(family("n", HISTOGRAM, metric(HISTOGRAM, data)))


@given(
    families(), SAMPLES, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3)
)
def test_a_flipped_byte_is_contained(
    written: Written, samples: list[float], flips: list[tuple[int, int]]
) -> None:
    """With any bytes of an answer changed it is read to some end, and what is read is sound."""
    value = native(observing(samples, 3), sum(samples), len(samples))
    data = bytearray(written[0] + family("native", HISTOGRAM, metric(HISTOGRAM, value)))
    for place, byte in flips:
        data[place % len(data)] = byte
    assert is_sound(bytes(data))


@given(families(), st.data())
def test_a_cut_anywhere_is_said(written: Written, draw: st.DataObject) -> None:
    """Cut inside a family, one thing was not read; what came before it is there, and no more."""
    data, whole = written[0], read_families(written[0])
    cut = draw.draw(st.integers(0, len(data)))
    read = read_families(data[:cut])
    assert read.figures == whole.figures[: len(read.figures)]
    assert read.unread == (0 if ends_a_family(data, cut) else 1)


def ends_a_family(data: bytes, cut: int) -> bool:
    """Say whether a place lies between two families."""
    at = 0
    while at < cut:
        size, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        at += size
    return at == cut


@given(families(), st.binary(max_size=20))
def test_a_metric_that_is_none_costs_itself_alone(written: Written, odd: bytes) -> None:
    """A family of another shape in between is counted, and every other figure stays."""
    broken = family("odd", GAUGE, block(4, block(1, odd) + block(2, double(1, 1.0))))
    read, whole = read_families(broken + written[0]), read_families(written[0])
    assert [one for one in read.figures if one.name != "odd"] == whole.figures
    assert read.unread <= 1
