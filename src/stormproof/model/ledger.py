"""The ledger: one fixed-width entry for each thing that must not be lost, doubled or leaked.

A message has a key (worker, user, sequence), made by its sender, and travels with a stamp, so
that any receiver in any process can say which message it saw and whether it is whole.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

ENTRY = struct.Struct("<BBHIIIQQQII")  # 48 bytes
ENTRY_BYTES = ENTRY.size
NUMPY_FIELDS = [
    ("kind", "<u1"),
    ("flags", "<u1"),
    ("worker", "<u2"),
    ("user", "<u4"),
    ("scope", "<u4"),
    ("number", "<u4"),
    ("key", "<u8"),
    ("digest", "<u8"),
    ("at_ns", "<u8"),
    ("start_us", "<u4"),
    ("intended_us", "<u4"),
]
FLAG_CORRUPTED = 1  # received: the body does not match its stamp


class EntryKind(IntEnum):
    """What an entry says. `user` is the actor: the sender, the receiver or the member.

    INVOKE    about to send `key` into `scope`; written before the bytes leave
    OK        acknowledged; `number` is the service's number of it within the scope
    FAIL      it certainly did not happen (refused before processing)
    UNKNOWN   it may have happened (timeout, reset after sending, 5xx)
    RECEIVED  `user` got `key` with `number` in `scope`
    JOINED    `user` is a member of `scope` and is owed every number above `number`
    LEFT      the membership's connection ended; the next JOINED resumes it
    """

    INVOKE = 1
    OK = 2
    FAIL = 3
    UNKNOWN = 4
    RECEIVED = 5
    JOINED = 6
    LEFT = 7


class Stamp(NamedTuple):
    """What travels in front of a message's text: key, intended instant, digest of the text."""

    key: int
    intended_ns: int
    digest: int


def make_key(worker: int, user: int, sequence: int) -> int:
    """Pack a message's key: 12 bits worker, 20 bits user, 32 bits sequence."""
    return (worker & 0xFFF) << 52 | (user & 0xFFFFF) << 32 | (sequence & 0xFFFFFFFF)


def split_key(key: int) -> tuple[int, int, int]:
    """Return (worker, user, sequence) of a key."""
    return key >> 52, (key >> 32) & 0xFFFFF, key & 0xFFFFFFFF


def digest_of(text: str) -> int:
    """Return the CRC-32 of a text's UTF-8 bytes, its length in the high half."""
    data = text.encode()
    return len(data) << 32 | zlib.crc32(data)


def write_body(key: int, intended_ns: int, text: str) -> str:
    """Return the body to send: `sp1.<key>.<intended>.<digest>.<text>`, numbers in hex."""
    return f"sp1.{key:x}.{intended_ns:x}.{digest_of(text):x}.{text}"


def read_body(body: str) -> tuple[Stamp, str] | None:
    """Split a received body into stamp and text; None when it carries no stamp of ours."""
    parts = body.split(".", 4)
    if len(parts) != 5 or parts[0] != "sp1":
        return None
    try:
        stamp = Stamp(*(int(part, 16) for part in parts[1:4]))
    except ValueError:
        return None
    return stamp, parts[4]
