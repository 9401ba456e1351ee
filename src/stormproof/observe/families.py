"""Read metric families out of the delimited protobuf format, in which native histograms come.

A family, or a sample in it, that cannot be read is counted and the rest is kept, as lines are of
the text formats, and the figures are the same: names with the suffixes of text, bounds as Go
writes them. Exemplars, timestamps and when a series began are left out.

Source: prometheus.io/docs/instrumenting/exposition_formats; `client_model`, `metrics.proto`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import Final

from stormproof.kernel.limits import EXPOSITION_FIELDS_MAX, EXPOSITION_LINE_CHARACTERS_MAX
from stormproof.model.observed import ObservedKind
from stormproof.observe.collected import Exposition
from stormproof.observe.native_histogram import native_of
from stormproof.observe.protobuf import Field, Wire, WireError

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_PLAIN_MAX: Final = 1e6  # from there on with an exponent
_COUNTED: Final = ("_total", "_bucket")  # of a family without a type, as in text
_COUNTER: Final = ObservedKind.COUNTER
_GAUGE: Final = ObservedKind.GAUGE


class FamilyType(IntEnum):
    """What a family says it is."""

    COUNTER = 0
    GAUGE = 1
    SUMMARY = 2
    UNTYPED = 3
    HISTOGRAM = 4
    GAUGE_HISTOGRAM = 5


_VALUE_FIELD: Final = {  # of a metric: where the value of its type is
    FamilyType.GAUGE: 2,
    FamilyType.COUNTER: 3,
    FamilyType.SUMMARY: 4,
    FamilyType.UNTYPED: 5,
    FamilyType.HISTOGRAM: 7,
    FamilyType.GAUGE_HISTOGRAM: 7,
}


@dataclass(slots=True)
class _Sample:
    """A metric of a family: its labels, and the fields of its value."""

    family: str
    tags: dict[str, str]
    value: list[Field]

    def double(self, number: int) -> float:
        """Return a floating-point field, 0 where it was left out."""
        return next((one.double() for one in self.value if one.number == number), 0.0)

    def count(self, whole: int, parts: int) -> float:
        """Return a count that may be whole or in parts: the latter counts where it is there."""
        return self.double(parts) or float(_unsigned(self.value, whole))


@dataclass(slots=True)
class _Reading:
    """An answer while it is read.

    `parts`: the names of the parts of the family that is read, made once for all its samples.
    """

    read: Exposition = field(default_factory=Exposition)
    types: dict[str, FamilyType] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)

    def family(self, message: Iterable[Field]) -> None:
        """Take a family.

        Raises:
            WireError: it has no name or type that there is, another type than before, or a name
                that is longer than a line of text may be.
        """
        name, kind, metrics = "", FamilyType.COUNTER, list[Field]()
        for one in message:
            match one.number:
                case 1:
                    name = one.text()
                case 3:
                    kind = _type_of(one.unsigned())
                case 4:
                    metrics.append(one)
        if len(name) > EXPOSITION_LINE_CHARACTERS_MAX:
            raise WireError("a name is too long")
        if not _NAME.fullmatch(name) or self.types.setdefault(name, kind) is not kind:
            raise WireError("a family without a name, or of another type than before")
        self.parts = {part: name + part for part in ("_bucket", "_sum", "_count")}
        for one in metrics:
            try:
                self._metric(name, kind, one.message())
            except WireError:
                self.read.unread += 1

    def _metric(self, family: str, kind: FamilyType, message: Iterable[Field]) -> None:
        tags: dict[str, str] = {}
        value: list[Field] | None = None
        room = EXPOSITION_LINE_CHARACTERS_MAX
        for one in message:
            if one.number == 1:
                key, text = _label(one.message())
                room -= len(key) + len(text)
                if room < 0:
                    raise WireError("labels are too long")
                if key in tags:
                    raise WireError("a label is there twice")
                tags[key] = text
            elif one.number == _VALUE_FIELD[kind]:
                value = list(one.message())
        if value is None:
            raise WireError("a metric has no value of its family's type")
        sample = _Sample(family, tags, value)
        if kind in (FamilyType.HISTOGRAM, FamilyType.GAUGE_HISTOGRAM):
            self._histogram(sample, _COUNTER if kind is FamilyType.HISTOGRAM else _GAUGE)
        elif kind is FamilyType.SUMMARY:
            self._summary(sample)
        else:
            self.read.keep(family, tags, _kind_of(kind, family), sample.double(1))

    def _summary(self, sample: _Sample) -> None:
        for one in sample.value:
            if self.read.beyond:
                return
            if one.number == 3:
                parts = _Sample(sample.family, sample.tags, list(one.message()))
                tags = {**sample.tags, "quantile": number_text(parts.double(1))}
                self.read.keep(sample.family, tags, _GAUGE, parts.double(2))
        self._totals(sample, _COUNTER, float(_unsigned(sample.value, 1)))

    def _histogram(self, sample: _Sample, kind: ObservedKind) -> None:
        count = sample.count(1, 4)
        native = native_of(sample.value, count)
        bounds = _classic(sample)
        if bounds or native is None:
            bounds.setdefault(math.inf, count)  # the format may leave it out
        for bound, below in bounds.items():
            if self.read.beyond:
                return
            tags = {**sample.tags, "le": number_text(bound)}
            self.read.keep(self.parts["_bucket"], tags, kind, below)
        self._totals(sample, kind, count)
        if native is not None and kind is _COUNTER:
            self.read.keep(sample.family, sample.tags, ObservedKind.NATIVE, count, native)

    def _totals(self, sample: _Sample, kind: ObservedKind, count: float) -> None:
        self.read.keep(self.parts["_sum"], sample.tags, kind, sample.double(2))
        self.read.keep(self.parts["_count"], sample.tags, kind, count)


def read_families(data: bytes) -> Exposition:
    """Read an answer in the delimited format; never raises, whatever the bytes."""
    wire, reading = Wire(data, EXPOSITION_FIELDS_MAX), _Reading()
    for start, end in _delimited(wire, reading.read):
        try:
            wire.spend()
            reading.family(wire.message(start, end))
        except WireError:
            reading.read.unread += 1
        if wire.is_spent:
            reading.read.beyond = f"{EXPOSITION_FIELDS_MAX} fields"
        if reading.read.beyond:
            break
    return reading.read


def _delimited(wire: Wire, read: Exposition) -> Iterator[tuple[int, int]]:
    """Yield where each message lies; behind one that is cut off nothing can be found."""
    at, end = 0, len(wire.data)
    while at < end:
        try:
            size, at = wire.varint(at, end)
        except WireError:
            size = end
        if size > end - at:
            read.unread += 1
            return
        yield at, at + size
        at += size


def _type_of(number: int) -> FamilyType:
    try:
        return FamilyType(number)
    except ValueError:
        raise WireError("a type that there is not") from None


def _kind_of(kind: FamilyType, name: str) -> ObservedKind:
    if kind is FamilyType.UNTYPED:
        return _COUNTER if name.endswith(_COUNTED) else _GAUGE
    return _COUNTER if kind is FamilyType.COUNTER else _GAUGE


def _label(message: Iterable[Field]) -> tuple[str, str]:
    name = text = ""
    for one in message:
        if one.number == 1:
            name = one.text()
        elif one.number == 2:
            text = one.text()
    if not _LABEL.fullmatch(name):
        raise WireError("a label without a name")
    return name, text


def _classic(sample: _Sample) -> dict[float, float]:
    """Return upper bound -> how many were not above it, of the buckets that are there."""
    bounds: dict[float, float] = {}
    for one in sample.value:
        if one.number == 3:
            parts = _Sample(sample.family, sample.tags, list(one.message()))
            bound = parts.double(2)
            if bound in bounds:
                raise WireError("a bucket is there twice")
            bounds[bound] = parts.count(1, 4)
    return bounds


def _unsigned(fields: Iterable[Field], number: int) -> int:
    return next((one.unsigned() for one in fields if one.number == number), 0)


def number_text(value: float) -> str:
    """Write a bound as Go does in the text format: `10`, `0.005`, `2.5e+06`, `+Inf`."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    plain = repr(value).removesuffix(".0")
    if abs(value) < _PLAIN_MAX or "e" in plain or math.isnan(value):
        return plain
    sign, digits, exponent = Decimal(plain).normalize().as_tuple()
    mantissa = "".join(map(str, digits))
    point = f"{mantissa[0]}.{mantissa[1:]}".removesuffix(".")
    return f"{'-' * sign}{point}e+{int(exponent) + len(digits) - 1:02}"
