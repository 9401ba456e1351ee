"""Take the buckets of a native histogram out of its message.

They come as spans of indices, and the counts of all spans in a row: whole ones as differences from
the bucket before, those in parts as they are. A span may say that it is four thousand million long;
only as many buckets as there are counts are ever made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Final

from stormproof.kernel.limits import NATIVE_BUCKETS_MAX
from stormproof.model.native import SCHEMA_MAX, SCHEMA_MIN, Count, NativeBuckets
from stormproof.observe.protobuf import Field, WireError

_SCHEMA: Final = 5
_ZERO_THRESHOLD: Final = 6
_ZERO_COUNT: Final = 7
_ZERO_COUNT_PARTS: Final = 8
_NEGATIVE: Final = (9, 10, 11)  # spans, differences, counts in parts
_POSITIVE: Final = (12, 13, 14)
_INDEX_MAX: Final = 1 << 31  # of a bucket, either way: no number lies so far out
_COUNT_MAX: Final = 1 << 64
_ROUNDING: Final = 1e-9  # of counts in parts that are added up


def native_of(histogram: Sequence[Field], count: float) -> NativeBuckets | None:
    """Return the native buckets of a histogram; None where it is a classic one alone.

    Args:
        histogram: its fields.
        count: how much it observed, by its own word.

    Raises:
        WireError: the buckets are none: other spans than counts, a schema that there is not,
            counts below 0, or more of them than were observed.
    """
    by_number: dict[int, list[Field]] = {}
    for one in histogram:
        by_number.setdefault(one.number, []).append(one)
    threshold = _last(by_number, _ZERO_THRESHOLD)
    zero = _last(by_number, _ZERO_COUNT_PARTS) or _last(by_number, _ZERO_COUNT)
    if not (threshold or zero or _POSITIVE[0] in by_number or _NEGATIVE[0] in by_number):
        return None
    schemas = by_number.get(_SCHEMA, [])
    schema = schemas[-1].signed() if schemas else 0
    if not SCHEMA_MIN <= schema <= SCHEMA_MAX or not 0 <= threshold < math.inf or not zero >= 0:
        raise WireError("a native histogram of a schema or a zero bucket that there is not")
    found = NativeBuckets(
        schema,
        float(threshold),
        zero,
        _side(by_number, _POSITIVE),
        _side(by_number, _NEGATIVE),
    )
    if found.total > count * (1 + _ROUNDING):
        raise WireError("a native histogram has more in its buckets than it observed")
    return found.within(NATIVE_BUCKETS_MAX)


def _last(by_number: dict[int, list[Field]], number: int) -> Count:
    fields = by_number.get(number)
    if not fields:
        return 0
    return fields[-1].unsigned() if number == _ZERO_COUNT else fields[-1].double()


def _side(by_number: dict[int, list[Field]], numbers: tuple[int, int, int]) -> dict[int, Count]:
    """Return the populated buckets on one side of zero."""
    spans, differences, parts = (by_number.get(number, []) for number in numbers)
    counts: Iterable[Count] = accumulate(
        chain.from_iterable(one.each_signed() for one in differences)
    )
    if parts:
        counts = chain.from_iterable(one.each_double() for one in parts)
    side: dict[int, Count] = {}
    indices = _indices(spans)
    for count in counts:
        index = next(indices, None)
        if index is None or not abs(index) < _INDEX_MAX or not 0 <= count < _COUNT_MAX:
            raise WireError("a native histogram has a count without a bucket, or one below 0")
        if count:
            side[index] = count
    if next(indices, None) is not None:
        raise WireError("a native histogram has buckets without a count")
    return side


def _indices(spans: Iterable[Field]) -> Iterator[int]:
    """Yield the index of each bucket in a row: a span begins so far behind the one before."""
    index = 0
    for span in spans:
        offset = length = 0
        for one in span.message():
            if one.number == 1:
                offset = one.signed()
            elif one.number == 2:
                length = one.unsigned()
        index += offset
        for _ in range(length):
            yield index
            index += 1
