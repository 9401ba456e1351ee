"""A checker that a journeys' file declares, and what came of asking it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from stormproof.model.history import Function
from stormproof.model.metric import CustomMetric

# How operations are called by whoever writes a checker.
CALLED: Final = {
    Function.ADD: "add",
    Function.REMOVE: "remove",
    Function.INCREMENT: "increment",
    Function.WRITE: "write",
    Function.CAS: "compare_and_set",
    Function.READ: "read",
    Function.READ_SET: "read_set",
    Function.TOTAL: "total",
    Function.ISSUED: "issued",
    Function.SEEN: "seen",
    Function.EFFECT: "effect",
    Function.OWNS: "owns",
    Function.MAY_SEE: "may_see",
    Function.SAW: "saw",
}
FUNCTIONS: Final = {name: function for function, name in CALLED.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """A function from a history to what is wrong with it; `stormproof.checker` makes it.

    `needs`: there must be an operation of each. `keys`: it sees only operations on keys that begin
    with this. `final_reads`: every key that was changed must have been read after its last change.
    `bears_cuts`: what it finds is wrong even where a part of the record is missing.
    """

    name: str
    doc: str
    run: Callable[[Any], object]
    metrics: tuple[CustomMetric, ...]
    needs: tuple[str, ...]
    keys: str
    final_reads: bool
    bears_cuts: bool


class FoundBreach(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, the operations that show it, when, and their keys as hex words."""

    what: str
    shown: str
    at_ns: int
    keys: tuple[str, ...]


class OwnAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a checker of a file's own says of a record.

    With `why` nothing was measured; `failed`: because of the checker and not of what was recorded.
    Of `count` breaches the first few are kept. `looked_at` things make up what it measured.
    """

    why: str = ""
    remedy: str = ""
    failed: bool = False
    looked_at: int = 0
    measured: dict[str, float] = {}
    breaches: tuple[FoundBreach, ...] = ()
    count: int = 0
    advice: str = ""
