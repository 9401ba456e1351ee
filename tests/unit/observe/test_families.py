"""Metric families in protobuf: what they are read as, and what nobody should send."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.families import (
    COUNTER,
    GAUGE,
    GAUGE_HISTOGRAM,
    HISTOGRAM,
    SUMMARY,
    UNTYPED,
    block,
    classic,
    double,
    family,
    metric,
    native,
    native_parts,
    number,
    observing,
    signed,
    varint,
)

from stormproof.kernel.limits import (
    EXPOSITION_FIELDS_MAX,
    EXPOSITION_LABELS_MAX,
    EXPOSITION_LINE_CHARACTERS_MAX,
    EXPOSITION_SAMPLES_MAX,
    NATIVE_BUCKETS_MAX,
)
from stormproof.model.native import NativeBuckets
from stormproof.model.observed import ObservedKind
from stormproof.observe import collected
from stormproof.observe.families import number_text, read_families

GOOD = family("good", GAUGE, metric(GAUGE, double(1, 1.0)))
HUGE = (1 << 64) - 1
ONE = [number(1, 5), double(2, 1.0), signed(5, 0)]  # count, sum, schema


# What client_golang 1.14 serves of a counter and of a histogram of both kinds that observed EIGHT.
EIGHT = [0, 1, 2, 3, 4, 5, 100, -7]
FROM_GO = base64.b64decode(
    "dgoKbGF0ZW5jeV9tcxIBaBgEImMKCwoFcm91dGUSAi9hOlQICBEAAAAAAABbQBoLCAcRAAAAAAAAFEAaCwgIEQAA"
    "AADQEkNBKAIxAAAAAAAA8Dc4AUoECAwQAVACYgQIABAGYgQIEBABaAJoAWgCaAFoBGgBaAAxCg5yZXF1ZXN0c190"
    "b3RhbBIBaBgAIhoKDQoGc3RhdHVzEgMyMDAaCQkAAAAAAAAgQA=="
)


def names(data: bytes) -> list[tuple[str, dict[str, str], float]]:
    return [(one.name, one.tags, one.value) for one in read_families(data).figures]


def test_every_type_becomes_figures_with_the_suffixes_of_text() -> None:
    """A summary has its quantiles, sum and count; a histogram its last bucket, also unsaid; a
    family without a type is what its name says."""
    summary = number(1, 7) + double(2, 9.5) + block(3, double(1, 0.5) + double(2, 3.0))
    data = (
        family("s", SUMMARY, metric(SUMMARY, summary))
        + family("h", HISTOGRAM, metric(HISTOGRAM, classic({10.0: 1, 0.005: 0}, 12.0, 2)))
        + family("u_total", UNTYPED, metric(UNTYPED, double(1, 4.0)))
        + family("g", GAUGE_HISTOGRAM, metric(GAUGE_HISTOGRAM, classic({}, 0.0, 3)))
        + family("c", COUNTER, metric(COUNTER, double(1, 6.0) + block(2, b"\xff exemplar")))
    )
    read = read_families(data)
    assert read.unread == 0
    assert names(data) == [
        ("s", {"quantile": "0.5"}, 3),
        ("s_sum", {}, 9.5),
        ("s_count", {}, 7),
        ("h_bucket", {"le": "10"}, 1),
        ("h_bucket", {"le": "0.005"}, 0),
        ("h_bucket", {"le": "+Inf"}, 2),
        ("h_sum", {}, 12),
        ("h_count", {}, 2),
        ("u_total", {}, 4),
        ("g_bucket", {"le": "+Inf"}, 3),
        ("g_sum", {}, 0),
        ("g_count", {}, 3),
        ("c", {}, 6),
    ]
    counters = {one.name for one in read.figures if one.kind is ObservedKind.COUNTER}
    assert counters == {"s_sum", "s_count", "h_bucket", "h_sum", "h_count", "u_total", "c"}


def test_what_a_client_in_go_serves_is_read() -> None:
    """Its text says the same of everything but native buckets, and these are those of what it
    observed."""
    assert names(FROM_GO) == [
        ("latency_ms_bucket", {"route": "/a", "le": "5"}, 7),
        ("latency_ms_bucket", {"route": "/a", "le": "2.5e+06"}, 8),
        ("latency_ms_bucket", {"route": "/a", "le": "+Inf"}, 8),
        ("latency_ms_sum", {"route": "/a"}, 108),
        ("latency_ms_count", {"route": "/a"}, 8),
        ("latency_ms", {"route": "/a"}, 8),
        ("requests_total", {"status": "200"}, 8),
    ]
    assert read_families(FROM_GO).figures[-2].native == observing(EIGHT, 1, 2.0**-128)


def test_a_histogram_of_both_kinds_has_both() -> None:
    """Classic buckets beside native ones stay, and the native ones are a figure of their own."""
    buckets = observing([1.0, 3.0, 3.0], 0)
    value = classic({2.0: 1}, 7.0, 3) + native(buckets, 7.0, 3)
    read = read_families(family("h", HISTOGRAM, metric(HISTOGRAM, value)))
    assert [one.tags.get("le") for one in read.figures] == ["2", "+Inf", None, None, None]
    assert (read.figures[-1].kind, read.figures[-1].native) == (ObservedKind.NATIVE, buckets)


def test_counts_in_parts_are_taken_as_they_are() -> None:
    """A float histogram's counts are absolute ones, and may be fractions."""
    value = native_parts([0.5, 2.25, 1.0], [(-1, 2), (3, 1)], 3.75)
    (figure,) = [
        one
        for one in read_families(family("h", HISTOGRAM, metric(HISTOGRAM, value))).figures
        if one.native is not None
    ]
    assert figure.value == 3.75
    assert figure.native == NativeBuckets(0, 0.0, 0, {-1: 0.5, 0: 2.25, 4: 1.0}, {})


def test_a_native_histogram_that_observed_nothing_is_one() -> None:
    """Its only sign is an empty span, and it answers nothing yet."""
    value = number(1, 0) + signed(5, 3) + block(12, b"")
    read = read_families(family("h", HISTOGRAM, metric(HISTOGRAM, value)))
    assert [(one.name, one.native) for one in read.figures] == [
        ("h_sum", None),
        ("h_count", None),
        ("h", NativeBuckets(3)),
    ]


def test_a_histogram_of_very_many_buckets_is_made_coarser() -> None:
    """The record keeps at most so many of each, and nothing of what was counted is lost."""
    buckets = observing([1.01**step for step in range(1_000)], 8)
    assert buckets.size > NATIVE_BUCKETS_MAX
    value = native(buckets, 1.0, 1_000)
    read = read_families(family("h", HISTOGRAM, metric(HISTOGRAM, value)))
    kept = read.figures[-1].native
    assert kept is not None
    assert kept.size <= NATIVE_BUCKETS_MAX
    assert kept.total == 1_000


@pytest.mark.parametrize(
    "value",
    [
        [*ONE, block(12, number(2, HUGE)), signed(13, 1)],
        [*ONE, block(12, signed(1, 0) + number(2, 1)), signed(13, 1), signed(13, 1)],
        [*ONE, block(12, signed(1, 2**62) + number(2, 1)), signed(13, 1)],
        [*ONE, block(12, number(2, 2)), signed(13, 1), signed(13, -2)],
        [*ONE, block(12, number(2, 1)), signed(13, 6)],
        [*ONE, block(12, number(2, 1)), double(14, float("nan"))],
        [*ONE, block(12, number(2, 1)), double(14, float("inf"))],
        [*ONE, double(6, -1.0)],
        [*ONE, double(6, float("nan"))],
        [*ONE, double(6, 1.0), number(7, 6)],
        [*ONE, signed(13, 1), block(12, b"\x08")],
        [number(1, 5), signed(5, -53), block(12, number(2, 1)), signed(13, 1)],
        [number(1, 5), signed(5, 9), block(12, number(2, 1)), signed(13, 1)],
        [*ONE, block(13, b"\x80" * 30), block(12, number(2, 1))],
        [*ONE, block(14, b"\x00" * 9), block(12, number(2, 1))],
    ],
)
def test_buckets_that_are_none_are_counted_and_the_rest_is_read(value: list[bytes]) -> None:
    """Spans without end or without counts, counts below zero, a schema that there is not: the
    histogram was not read, and what stands beside it was."""
    odd = metric(HISTOGRAM, b"".join(value))
    fine = metric(HISTOGRAM, classic({}, 1.0, 1), {"a": "b"})
    read = read_families(GOOD + family("h", HISTOGRAM, odd, fine) + family("last", GAUGE))
    assert read.unread == 1
    assert [one.name for one in read.figures] == ["good", "h_bucket", "h_sum", "h_count"]


@pytest.mark.parametrize(
    ("odd", "has_more"),
    [
        (family("9name", GAUGE, metric(GAUGE, double(1, 1.0))), True),
        (family("a", 9, metric(GAUGE, double(1, 1.0))), True),
        (family("a", COUNTER, metric(GAUGE, double(1, 1.0))), True),
        (family("a", GAUGE, metric(GAUGE, number(1, 1))), True),
        (family("a", GAUGE, metric(GAUGE, double(1, 1.0), {"9": "x"})), True),
        (family("a", GAUGE, block(4, block(1, block(1, "k")) * 2 + block(2, b""))), True),
        (family("good", COUNTER), True),
        (varint(3) + b"\x0b\x0b\x0b", True),  # a group in a group in a group
        (varint(2) + b"\x00\x01", True),
        (varint(4) + block(1, b"\xff\xfe"), True),
        (varint(10**6), False),
        (varint(HUGE), False),
        (b"\xff" * 40, False),
    ],
)
def test_what_is_no_family_is_counted(odd: bytes, has_more: bool) -> None:
    """It costs itself alone where its length holds, else all behind it; each is said once."""
    read = read_families(GOOD + odd + family("last", GAUGE, metric(GAUGE, double(1, 2.0))))
    assert [one.name for one in read.figures] == ["good", *(["last"] if has_more else [])]
    assert read.unread == 1


def test_a_series_that_is_there_twice_is_read_once() -> None:
    """A family in pieces is one, and of two values of a series the first counts."""
    read = read_families(
        GOOD + GOOD + family("good", GAUGE, metric(GAUGE, double(1, 3.0), {"a": ""}))
    )
    assert [one.value for one in read.figures] == [1, 3]
    assert read.unread == 1


def test_more_than_is_looked_at_is_told() -> None:
    """Fields without end are given up at their bound, and figures and buckets beyond theirs."""
    fields = f"{EXPOSITION_FIELDS_MAX} fields"
    assert read_families(family("a", GAUGE, number(9, 1) * EXPOSITION_FIELDS_MAX)).beyond == fields
    assert read_families(b"\0" * (EXPOSITION_FIELDS_MAX + 1)).beyond == fields
    value = native(observing([2.0**step for step in range(200)], 0), 1.0, 200)
    one = [metric(HISTOGRAM, value, {"i": str(i)}) for i in range(EXPOSITION_SAMPLES_MAX // 200)]
    assert read_families(family("h", HISTOGRAM, *one)).left_out > 0


def test_texts_longer_than_a_line_are_not_read() -> None:
    """A name, or the labels of a sample together, are as long as a line of text at most: a longer
    name costs its family, longer labels their sample, and the names of parts are made once."""
    longest = "x" * EXPOSITION_LINE_CHARACTERS_MAX
    value = double(1, 1.0)
    read = read_families(family(longest, GAUGE, metric(GAUGE, value)) + GOOD)
    assert (len(read.figures), read.unread) == (2, 0)
    read = read_families(family(f"{longest}x", GAUGE, metric(GAUGE, value)) + GOOD)
    assert ([one.name for one in read.figures], read.unread) == (["good"], 1)
    tags = {"a": longest[:-2], "b": ""}
    read = read_families(
        family("f", GAUGE, metric(GAUGE, value, tags), metric(GAUGE, value, tags | {"c": ""}))
    )
    assert ([one.tags for one in read.figures], read.unread) == ([tags], 1)
    each = [metric(HISTOGRAM, number(1, 5), {"i": str(i)}) for i in range(3)]
    figures = read_families(family(longest, HISTOGRAM, *each)).figures
    assert len({id(one.name) for one in figures}) == 3


@pytest.mark.parametrize("kind", [SUMMARY, HISTOGRAM])
def test_beyond_the_labels_that_are_looked_at_nothing_is_made(
    kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample of very many labels and very many parts costs the labels that there may be, and not
    each part all of them."""
    kept: list[str] = []
    keep = collected.Exposition.keep

    def counted(*args: Any, **more: Any) -> None:
        kept.append(args[1])
        keep(*args, **more)

    monkeypatch.setattr(collected.Exposition, "keep", counted)
    labels = {f"l{index}": "" for index in range(2_000)}
    at = {SUMMARY: 1, HISTOGRAM: 2}[kind]
    parts = b"".join(block(3, double(at, float(one))) for one in range(5_000))
    assert read_families(family("f", kind, metric(kind, parts, labels))).beyond
    assert len(kept) <= EXPOSITION_LABELS_MAX // 2_000 + 1


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (10.0, "10"),
        (0.005, "0.005"),
        (0.0001, "0.0001"),
        (1e-05, "1e-05"),
        (-0.0, "-0"),
        (123456.0, "123456"),
        (1_000_000.0, "1e+06"),
        (1_638_400.0, "1.6384e+06"),
        (-26_214_400.5, "-2.62144005e+07"),
        (1e16, "1e+16"),
        (12345678901234567890.0, "1.2345678901234567e+19"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_bounds_are_written_as_go_writes_them_in_text(bound: float, text: str) -> None:
    """A bucket has the same tag in both formats, so that a threshold on it means the same."""
    assert number_text(bound) == text
    assert float(text) == bound
