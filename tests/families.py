"""Metric families in the delimited protobuf format; native histograms out of samples."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from stormproof.model.native import NativeBuckets, bound_of

COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)
VALUE_AT = {COUNTER: 3, GAUGE: 2, SUMMARY: 4, UNTYPED: 5, HISTOGRAM: 7, GAUGE_HISTOGRAM: 7}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def zigzag(value: int) -> bytes:
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def number(at: int, value: int) -> bytes:
    return varint(at << 3) + varint(value)


def signed(at: int, value: int) -> bytes:
    return varint(at << 3) + zigzag(value)


def double(at: int, value: float) -> bytes:
    return varint(at << 3 | 1) + struct.pack("<d", value)


def block(at: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return varint(at << 3 | 2) + varint(len(data)) + data


def metric(kind: int, value: bytes, tags: Mapping[str, str] | None = None) -> bytes:
    labels = (block(1, block(1, key) + block(2, text)) for key, text in (tags or {}).items())
    return block(4, b"".join(labels) + block(VALUE_AT[kind], value))


def family(name: str, kind: int, *metrics: bytes) -> bytes:
    message = block(1, name) + block(2, "Help.") + number(3, kind) + b"".join(metrics)
    return varint(len(message)) + message


def classic(buckets: Mapping[float, int], total: float, count: int) -> bytes:
    each = (block(3, number(1, below) + double(2, bound)) for bound, below in buckets.items())
    return number(1, count) + double(2, total) + b"".join(each)


def native(buckets: NativeBuckets, total: float, count: int, *, is_packed: bool = False) -> bytes:
    """Write whole counts as differences, of spans as long as they can be."""
    return b"".join(
        [
            number(1, count),
            double(2, total),
            signed(5, buckets.schema),
            double(6, buckets.zero_threshold),
            number(7, int(buckets.zero_count)),
            _side(9, buckets.negative, is_packed=is_packed),
            _side(12, buckets.positive, is_packed=is_packed),
        ]
    )


def _side(at: int, counts: Mapping[int, float], *, is_packed: bool) -> bytes:
    indices = sorted(counts)
    runs: list[list[int]] = []
    for index in indices:
        if runs and runs[-1][-1] + 1 == index:
            runs[-1].append(index)
        else:
            runs.append([index])
    ends = [0, *(run[-1] + 1 for run in runs)]
    spans = [
        block(at, signed(1, run[0] - end) + number(2, len(run)))
        for run, end in zip(runs, ends, strict=False)
    ]
    steps = [int(new - old) for old, new in pairwise([0, *(counts[key] for key in indices)])]
    if is_packed:
        return b"".join(spans) + block(at + 1, b"".join(zigzag(step) for step in steps))
    return b"".join(spans) + b"".join(signed(at + 1, step) for step in steps)


def native_parts(counts: Sequence[float], spans: Iterable[tuple[int, int]], count: float) -> bytes:
    """Write counts in parts, of a histogram of schema 0."""
    return b"".join(
        [
            double(4, count),
            signed(5, 0),
            *(block(12, signed(1, offset) + number(2, length)) for offset, length in spans),
            *(double(14, one) for one in counts),
        ]
    )


def observing(samples: Iterable[float], schema: int, threshold: float = 0.0) -> NativeBuckets:
    """Return the native histogram of samples, each put where its bounds are by looking."""
    zero, positive, negative = 0, dict[int, float](), dict[int, float]()
    for sample in samples:
        if abs(sample) <= threshold:
            zero += 1
            continue
        side = positive if sample > 0 else negative
        far = 1_100 << max(schema, 0)
        found = bisect_left(
            range(-far, far), abs(sample), key=lambda index: bound_of(schema, index)
        )
        side[found - far] = side.get(found - far, 0) + 1
    return NativeBuckets(schema, threshold, zero, positive, negative)
