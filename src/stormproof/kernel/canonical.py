"""One byte string for one value: the basis of digests and of verdicts that can be rechecked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

# What decoding may raise of bytes that are not ours: no JSON, no UTF-8, nested without end.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_AT_ONCE_BYTES: Final = 1 << 20


def canonical_json(value: object) -> bytes:
    """Encode `value` as JSON with sorted keys and no spaces; equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def readable_json(value: object) -> bytes:
    """Encode `value` like `canonical_json`, indented by two spaces and ended by a newline."""
    return msgspec.json.format(canonical_json(value), indent=2) + b"\n"


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Digesting:
    """Read a stream, and know how much was read of it and the SHA-256 of that."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        data = self._stream.read(size)
        self._digest.update(data)
        self.size += len(data)
        return data

    def finish(self) -> tuple[int, str]:
        """Read what is left; return the bytes that there were, and their digest."""
        while self.read(_AT_ONCE_BYTES):
            pass
        return self.size, self._digest.hexdigest()


def size_and_digest(path: Path) -> tuple[int, str]:
    """Return the size of a file and its SHA-256, whatever its size.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return Digesting(stream).finish()
