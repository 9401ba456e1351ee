"""What a native histogram counted: sparse buckets whose bounds are powers of one base.

Of schema s the base is 2^(2^-s), so that two buckets of a schema are exactly one of the schema
below: histograms of different schemas are compared, and added up, on the coarser one.

Source: Prometheus, "Native Histograms" (specification); `client_model`, `metrics.proto`.
"""

from __future__ import annotations

import math
import sys
from typing import Annotated, Final

import msgspec

SCHEMA_MIN: Final = -4
SCHEMA_MAX: Final = 8
_EXPONENT_MAX: Final = 1024  # 2 to that is beyond a double
Count = int | float  # float histograms count in parts


class NativeBuckets(msgspec.Struct, frozen=True, array_like=True):
    """Index of a bucket -> how many fell into it; those that nothing fell into are not there.

    Bucket i of `positive` holds what is above base^(i-1) and not above base^i; of `negative` the
    same with the sign turned. The zero bucket holds what is not farther from 0 than
    `zero_threshold`.
    """

    schema: Annotated[int, msgspec.Meta(ge=SCHEMA_MIN, le=SCHEMA_MAX)]
    zero_threshold: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    zero_count: Count = 0
    positive: dict[int, Count] = {}
    negative: dict[int, Count] = {}

    @property
    def total(self) -> float:
        """How many fell into any bucket."""
        return self.zero_count + sum(self.positive.values()) + sum(self.negative.values())

    @property
    def size(self) -> int:
        """How many buckets there are beside that of zero."""
        return len(self.positive) + len(self.negative)

    def end(self, index: int) -> float:
        """Return the end of a bucket that is farther from 0."""
        return bound_of(self.schema, index)

    def at_schema(self, schema: int) -> NativeBuckets:
        """Return the same on a coarser schema (or its own): buckets side by side become one."""
        steps = self.schema - schema
        if steps <= 0:
            return self
        return NativeBuckets(
            schema,
            self.zero_threshold,
            self.zero_count,
            _joined(self.positive, steps),
            _joined(self.negative, steps),
        )

    def within(self, size_max: int) -> NativeBuckets:
        """Return the same on the finest schema on which it has at most `size_max` buckets, or else
        on the coarsest there is."""
        found = self
        while found.size > size_max and found.schema > SCHEMA_MIN:
            found = found.at_schema(found.schema - 1)
        return found


def bound_of(schema: int, index: int) -> float:
    """Return base^index: infinite beyond the largest number, which is the last bound below that."""
    parts = 2.0**schema
    whole, part = divmod(index, int(parts)) if schema > 0 else (index * int(1 / parts), 0)
    if whole >= _EXPONENT_MAX:
        return sys.float_info.max if whole == _EXPONENT_MAX and not part else math.inf
    return math.ldexp(2.0 ** (part / parts), whole)


def _joined(counts: dict[int, Count], steps: int) -> dict[int, Count]:
    joined: dict[int, Count] = {}
    for index, count in counts.items():
        coarse = ((index - 1) >> steps) + 1
        joined[coarse] = joined.get(coarse, 0) + count
    return joined


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(NativeBuckets).decode


def packed(buckets: NativeBuckets) -> bytes:
    """Return the bytes that a record keeps: a run has very many, and few are asked for."""
    return _ENCODE(buckets)


def unpacked(data: bytes) -> NativeBuckets:
    """Return buckets out of a record.

    Raises:
        msgspec.MsgspecError: these are none.
    """
    return _DECODE(data)
