"""The history: operations on any data, in the same ledger and as long as its entries.

A change (add, increment, ...) has two entries, BEGAN before its bytes leave and one that says what
became of it; what has only the first is unknown. A read has one, when its answer is known, which
says when it began; the elements of a set lie directly before it, three an entry. Keys and texts are
64-bit words; the first ones are spelt out by NAME entries.
"""

from __future__ import annotations

import hashlib
import json
import struct
from enum import IntEnum
from typing import Final

from stormproof.model.ledger import ENTRY_BYTES

OPERATION: Final = struct.Struct("<BBHIIIQQQQ")
assert OPERATION.size == ENTRY_BYTES
OPERATION_FIELDS: Final = [
    ("kind", "<u1"),
    ("flags", "<u1"),  # a Function, and what `value` is
    ("worker", "<u2"),
    ("user", "<u4"),
    ("more", "<u4"),  # how many elements a read has, an entry holds, or bytes a name has
    ("number", "<u4"),  # of the change, within its worker, from 1
    ("key", "<u8"),
    ("value", "<u8"),
    ("at_ns", "<u8"),
    ("other", "<u8"),  # of a read: when it began; else see Function
]
FUNCTION_MASK: Final = 0x0F
FLAG_TEXT: Final = 0x10  # the value is the digest of a text
FLAG_ABSENT: Final = 0x20  # there was no value
FLAG_EXPECTS_ABSENT: Final = 0x40  # `other` is none: of a CAS, there should be no value
ELEMENTS_PER_ENTRY: Final = 3
NAME_BYTES_PER_ENTRY: Final = 16
FIRST_KIND: Final = 16  # entries of smaller kinds are about messages
WORD_MASK: Final = 2**64 - 1
INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class Step(IntEnum):
    """What an entry says of an operation.

    BEGAN     a change is about to be made
    OK        it was made; or something was read or seen
    REFUSED   it certainly was not made
    UNKNOWN   it may have been made
    ELEMENTS  up to three elements of the set whose entry follows: in key, value, other
    NAME      how a word is spelt: 16 bytes of the text in value and other, in order
    """

    BEGAN = 16
    OK = 17
    REFUSED = 18
    UNKNOWN = 19
    ELEMENTS = 20
    NAME = 21


class Function(IntEnum):
    """What an operation does to its key."""

    ADD = 1
    REMOVE = 2
    INCREMENT = 3
    WRITE = 4
    READ = 5  # one value
    READ_SET = 6  # elements
    CAS = 7  # a write, if the value is what is expected, which is in `other`
    ISSUED = 8  # the service gave out an id
    SEEN = 9  # something that a run must see
    EFFECT = 10  # something was done, `other`, because of the idempotency key `value`
    OWNS = 11  # the value is the owner's whom the key names
    MAY_SEE = 12  # the user may see what is the owner's
    SAW = 13  # the user saw the value
    TOTAL = 14  # how many elements a set is said to have


CHANGES: Final = (
    Function.ADD,
    Function.REMOVE,
    Function.INCREMENT,
    Function.WRITE,
    Function.CAS,
)
OF_SETS: Final = (Function.ADD, Function.REMOVE)
READS: Final = (Function.READ, Function.READ_SET, Function.TOTAL)
WITH_OTHER: Final = (Function.CAS, Function.EFFECT)


def digest_word(text: str) -> int:
    """Return the 64-bit word of a text: `printf %s TEXT | b2sum -l 64`."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


NOTHING: Final = digest_word("\0")


def word_of(value: object) -> tuple[int, int, str]:
    """Return a value's word, its flags, and its text where the word is the digest of one.

    Whole numbers of 64 bits are their own words, 1.0 that of 1; whatever else is a text, or the
    JSON of it.
    """
    if isinstance(value, str):
        return digest_word(value), FLAG_TEXT, value
    if value is None:
        return 0, FLAG_ABSENT, ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and INT_MIN <= value <= INT_MAX:
        return value & WORD_MASK, 0, ""
    text = json.dumps(value, sort_keys=True, default=repr)
    return digest_word(text), FLAG_TEXT, text


def element_of(value: object) -> tuple[int, int, str]:
    """Return what `word_of` does for an element of a set, of which nothing at all is one, too."""
    return (NOTHING, FLAG_TEXT, "nothing (null)") if value is None else word_of(value)


def number_of(word: int) -> int:
    """Return the whole number that a word without FLAG_TEXT is."""
    return word - (1 << 64) if word >> 63 else word
