"""One byte string for one value: the basis of digests and of verdicts that can be rechecked."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

# What decoding may raise of bytes that are not ours: no JSON, no UTF-8, nested without end.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def canonical_json(value: object) -> bytes:
    """Encode `value` as JSON with sorted keys and no spaces; equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def readable_json(value: object) -> bytes:
    """Encode `value` like `canonical_json`, indented by two spaces and ended by a newline."""
    return msgspec.json.format(canonical_json(value), indent=2) + b"\n"


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
