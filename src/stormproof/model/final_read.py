"""Final reads as the record holds them: of which moment, under which key, and as whose."""

from __future__ import annotations

from typing import Final, Literal

from stormproof.model.history import digest_word

Moment = Literal["before", "after"]  # the load
BEFORE: Final = "before"
AFTER: Final = "after"
READER: Final = 2**32 - 1  # the user in whose name the controller reads; no journey has it
WORKER: Final = 2**16 - 1


def read_word(name: str) -> int:
    """Return the word of the ledger's key that a final read is told under.

    It is no key of a journey's: what a server holds and what its API shows are held against the
    changes each by itself, for an element that only the server has is lost to everybody else.
    """
    return digest_word(f"\0final-read:{name}")
