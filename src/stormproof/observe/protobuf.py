"""Read protobuf's wire format, field by field, of bytes that nobody vouches for.

Nothing is copied before its length was held against what is there, a number has at most ten bytes,
and all fields of one reader together are bounded. Messages lie in each other only as deep as the
caller goes down, so that no nesting of theirs costs anything.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5
_FIXED: Final = {FIXED64: 8, FIXED32: 4}
_VARINT_BYTES_MAX: Final = 10
_MASK: Final = (1 << 64) - 1
_DOUBLE: Final = struct.Struct("<d")


class WireError(ValueError):
    """These bytes are no message, or not the one that was expected."""


class Wire:
    """Bytes with a bound on the fields that are read out of them.

    Args:
        data: what is read.
        fields_max: of all messages in it together, and all numbers of packed ones.
    """

    def __init__(self, data: bytes, fields_max: int) -> None:
        self.data = data
        self.fields_left = fields_max

    @property
    def is_spent(self) -> bool:
        """Whether there are more fields than may be read."""
        return self.fields_left < 0

    def spend(self) -> None:
        """Count one field.

        Raises:
            WireError: it is one too many.
        """
        self.fields_left -= 1
        if self.fields_left < 0:
            raise WireError("too many fields")

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """Return the number at a place, and the place behind it.

        Raises:
            WireError: it is cut off, or longer than a number can be.
        """
        data, value, shift = self.data, 0, 0
        for place in range(at, min(end, at + _VARINT_BYTES_MAX)):
            byte = data[place]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & _MASK, place + 1
            shift += 7
        raise WireError("a number is cut off or over ten bytes long")

    def message(self, at: int, end: int) -> Iterator[Field]:
        """Yield the fields of the message between two places.

        Raises:
            WireError: it is none.
        """
        while at < end:
            self.spend()
            key, at = self.varint(at, end)
            number, kind = key >> 3, key & 7
            if not number:
                raise WireError("a field has the number 0")
            if kind == VARINT:
                value, at = self.varint(at, end)
                yield Field(self, number, kind, value, at, at)
                continue
            if kind == LENGTH:
                size, at = self.varint(at, end)
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                raise WireError(f"a field is of the kind {kind}")
            if size > end - at:
                raise WireError("a field goes past the end")
            yield Field(self, number, kind, 0, at, at + size)
            at += size


class Field(NamedTuple):
    """One field of a message; each reading of it raises WireError where it is not of that kind."""

    wire: Wire
    number: int
    kind: int
    value: int  # of a number; what has a length lies between `start` and `end`
    start: int
    end: int

    def message(self) -> Iterator[Field]:
        """Yield the fields of the message that this one is."""
        self._is_of(LENGTH)
        return self.wire.message(self.start, self.end)

    def text(self) -> str:
        """Return the text that it is."""
        self._is_of(LENGTH)
        try:
            return self.wire.data[self.start : self.end].decode()
        except UnicodeDecodeError:
            raise WireError("a text is not UTF-8") from None

    def unsigned(self) -> int:
        """Return the number that it is, of those that are not below 0."""
        self._is_of(VARINT)
        return self.value

    def signed(self) -> int:
        """Return the number that it is, of those where small ones below 0 are short."""
        self._is_of(VARINT)
        return _signed(self.value)

    def double(self) -> float:
        """Return the floating-point number that it is."""
        self._is_of(FIXED64)
        return self._double_at(self.start)

    def each_signed(self) -> Iterator[int]:
        """Yield the numbers of a repeated field, of one (`signed`) or of many packed together."""
        if self.kind != LENGTH:
            yield self.signed()
            return
        at = self.start
        while at < self.end:
            self.wire.spend()
            value, at = self.wire.varint(at, self.end)
            yield _signed(value)

    def each_double(self) -> Iterator[float]:
        """Yield the floating-point numbers of a repeated field, of one or of many packed."""
        if self.kind != LENGTH:
            yield self.double()
            return
        if (self.end - self.start) % _DOUBLE.size:
            raise WireError("packed numbers are cut off")
        for at in range(self.start, self.end, _DOUBLE.size):
            self.wire.spend()
            yield self._double_at(at)

    def _is_of(self, kind: int) -> None:
        if self.kind != kind:
            raise WireError(f"field {self.number} is of the kind {self.kind}, not {kind}")

    def _double_at(self, at: int) -> float:
        value: float = _DOUBLE.unpack_from(self.wire.data, at)[0]
        return value


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
