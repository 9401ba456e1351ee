"""Numbers with their nouns."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return `number` and `noun`, in the plural unless there is one; "y" becomes "ies"."""
    if number == 1:
        return f"{number} {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {plural}"
