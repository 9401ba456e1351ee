"""Write a history by hand and ask a checker of one's own about it, without a run.

    told = history().write("order:7", "placed", at=1).read("order:7", "placed", at=9)
    answer = ask_checker(orders_are_paid, told)
    assert answer.measured == {"orders_unpaid": 1}

Operations are packed as a worker packs them and read back as from a record, so a checker is given
what a run would give it, and its answer is held to the same word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stormproof.checks.history import read_history
from stormproof.checks.ledger import Entries
from stormproof.checks.own_checkers import ask
from stormproof.checks.own_history import HistoryView, Span
from stormproof.checks.own_view import view_from
from stormproof.kernel.units import SECOND_NS
from stormproof.model.history import (
    CHANGES,
    ELEMENTS_PER_ENTRY,
    FLAG_ABSENT,
    FLAG_EXPECTS_ABSENT,
    NAME_BYTES_PER_ENTRY,
    OF_SETS,
    OPERATION,
    READS,
    WITH_OTHER,
    Function,
    Step,
    digest_word,
    element_of,
    word_of,
)
from stormproof.model.ledger import NUMPY_FIELDS
from stormproof.model.own_checker import Checker, OwnAnswer
from stormproof.rules.windows import Windows

ORIGIN_NS: Final = 1_000 * SECOND_NS  # of the load's start
LASTS_S: Final = 0.001  # an operation of which nobody says how long
_ENDS: Final = {"ok": Step.OK, "refused": Step.REFUSED, "unknown": Step.UNKNOWN, "": None}


@dataclass(slots=True, kw_only=True)
class _Op:
    function: Function
    key: str
    value: object
    began_ns: int
    ended_ns: int
    user: int
    end: Step | None
    other: object


@dataclass(slots=True)
class WrittenHistory:
    """A history that is written by hand; every method returns it, so that they can be chained.

    Instants (`at`, `until`) are seconds since the load's start; `outcome` is "ok", "refused",
    "unknown", or "" for a change of which nobody ever said.
    """

    _ops: list[_Op] = field(default_factory=list)
    _faults: list[Span] = field(default_factory=list)
    _missing: str = ""

    def add(
        self, key: str, element: object, *, at: float, until: float | None = None, user: int = 1,
        outcome: str = "ok",
    ) -> WrittenHistory:  # fmt: skip
        """Add an element to a set."""
        return self._change(Function.ADD, key, element, at, until, user, outcome)

    def remove(
        self, key: str, element: object, *, at: float, until: float | None = None, user: int = 1,
        outcome: str = "ok",
    ) -> WrittenHistory:  # fmt: skip
        """Remove an element from a set."""
        return self._change(Function.REMOVE, key, element, at, until, user, outcome)

    def increment(
        self, key: str, by: int = 1, *, at: float, until: float | None = None, user: int = 1,
        outcome: str = "ok",
    ) -> WrittenHistory:  # fmt: skip
        """Raise a counter."""
        return self._change(Function.INCREMENT, key, by, at, until, user, outcome)

    def write(
        self, key: str, value: object, *, at: float, until: float | None = None, user: int = 1,
        outcome: str = "ok",
    ) -> WrittenHistory:  # fmt: skip
        """Set a key to a value."""
        return self._change(Function.WRITE, key, value, at, until, user, outcome)

    def compare_and_set(
        self, key: str, expected: object, value: object, *, at: float, until: float | None = None,
        user: int = 1, outcome: str = "ok",
    ) -> WrittenHistory:  # fmt: skip
        """Set a key to a value if it is what is expected."""
        return self._change(Function.CAS, key, value, at, until, user, outcome, expected)

    def read(
        self, key: str, value: object, *, at: float, until: float | None = None, user: int = 1
    ) -> WrittenHistory:
        """Read one value, or, given a list, the elements of a set."""
        is_set = isinstance(value, list | tuple | set | frozenset)
        function = Function.READ_SET if is_set else Function.READ
        return self._change(function, key, value, at, until, user, "ok")

    def total(
        self, key: str, value: int, *, at: float, until: float | None = None, user: int = 1
    ) -> WrittenHistory:
        """Be told how many elements a set has."""
        return self._change(Function.TOTAL, key, value, at, until, user, "ok")

    def issued(self, kind: str, id_: object, *, at: float, user: int = 1) -> WrittenHistory:
        """Be given an id."""
        return self._change(Function.ISSUED, kind, id_, at, at, user, "ok")

    def seen(self, what: str, *, at: float, user: int = 1) -> WrittenHistory:
        """See what a run must have seen."""
        return self._change(Function.SEEN, what, None, at, at, user, "ok")

    def effect(
        self, kind: str, idempotency_key: object, id_: object, *, at: float, user: int = 1
    ) -> WrittenHistory:
        """See an effect."""
        return self._change(Function.EFFECT, kind, idempotency_key, at, at, user, "ok", id_)

    def owns(self, owner: str, value: object, *, at: float, user: int = 1) -> WrittenHistory:
        """Say whose a value is."""
        return self._change(Function.OWNS, owner, value, at, at, user, "ok")

    def may_see(self, owner: str, *, at: float, user: int = 1) -> WrittenHistory:
        """Say that a user may see what is an owner's."""
        return self._change(Function.MAY_SEE, owner, None, at, at, user, "ok")

    def saw(self, value: object, *, at: float, user: int = 1) -> WrittenHistory:
        """Say that a user saw a value."""
        return self._change(Function.SAW, "", value, at, at, user, "ok")

    def fault(self, name: str, *, at: float, until: float | None = None) -> WrittenHistory:
        """Have a fault in force from `at` to `until`; without, to the end."""
        self._faults.append(Span(name=name, from_s=at, to_s=until))
        return self

    def cut(self) -> WrittenHistory:
        """Have a part of the record missing."""
        self._missing = "the run has no end: it was cut off"
        return self

    def segment(self) -> Entries:
        """Return the entries of the ledger, as a worker would have written them.

        Raises:
            ValueError: there is no operation in it.
        """
        rows = b"".join(entry for _, entry in sorted(self._entries(), key=lambda one: one[0]))
        return np.frombuffer(rows, dtype=np.dtype(NUMPY_FIELDS))

    def view(self) -> HistoryView:
        """Return what a checker is given.

        Raises:
            ValueError: there is no operation in it.
        """
        windows = Windows(origin_ns=ORIGIN_NS, faults=(), load_end_ns=ORIGIN_NS, by_window={})
        history = read_history([self.segment()], whole=not self._missing)
        faults = tuple(self._faults)
        return view_from(history, windows, missing=self._missing, phases=(), faults=faults)

    def _change(
        self,
        function: Function,
        key: str,
        value: object,
        at: float,
        until: float | None,
        user: int,
        outcome: str,
        other: object = 0,
    ) -> WrittenHistory:
        if outcome not in _ENDS:
            raise ValueError(f"there is no outcome {outcome!r}; known: ok, refused, unknown, ''")
        ended_s = at + LASTS_S if until is None else until
        op = _Op(
            function=function,
            key=key,
            value=value,
            began_ns=ORIGIN_NS + round(at * SECOND_NS),
            ended_ns=ORIGIN_NS + round(ended_s * SECOND_NS),
            user=user,
            end=_ENDS[outcome],
            other=other,
        )
        if op.ended_ns < op.began_ns:
            raise ValueError(f"what begins at {at} s cannot end at {until} s")
        self._ops.append(op)
        return self

    def _entries(self) -> list[tuple[int, bytes]]:
        """Return all entries with their instants, as one worker writes them."""
        if not self._ops:
            raise ValueError("the history is empty: write something into it")
        made: list[tuple[int, bytes]] = []
        texts: dict[int, str] = {}
        changes = sorted((op for op in self._ops if op.function in CHANGES), key=_began)
        for number, op in enumerate(changes, 1):
            made.append((op.began_ns, _entry(Step.BEGAN, op, op.began_ns, texts, number=number)))
            if op.end is not None:
                made.append((op.ended_ns, _bare(op.end, op, op.ended_ns, number)))
        others = [op for op in self._ops if op.function not in CHANGES]
        made += [(op.ended_ns, _over(op, texts)) for op in others]
        first_ns = min(at_ns for at_ns, _ in made)
        return [*((first_ns, entry) for entry in _names(texts, first_ns)), *made]


def history() -> WrittenHistory:
    """Begin to write a history by hand."""
    return WrittenHistory()


def ask_checker(checker: Checker, told: WrittenHistory | HistoryView) -> OwnAnswer:
    """Ask a checker as a judge does: `measured` by metric, `breaches`, or `why` there is nothing.

    Raises:
        TypeError: it is a function without `@checker`.
        Exception: whatever the checker raises; a judge takes that for undecided.
    """
    given: object = checker
    if not isinstance(given, Checker):
        raise TypeError(f"{given!r} is no checker: decorate it with @checker from stormproof")
    return ask(checker, told.view() if isinstance(told, WrittenHistory) else told)


def _began(op: _Op) -> int:
    return op.began_ns


def _word(value: object, op: _Op, texts: dict[int, str]) -> tuple[int, int]:
    word, flags, text = (element_of if op.function in OF_SETS else word_of)(value)
    if text:
        texts[word] = text
    return word, flags


def _entry(
    step: Step, op: _Op, at_ns: int, texts: dict[int, str], *, number: int = 0, more: int = 0
) -> bytes:
    is_set = op.function is Function.READ_SET
    word, flags = (0, 0) if is_set else _word(op.value, op, texts)
    other = op.began_ns if op.function in READS else 0
    if op.function in WITH_OTHER:
        other, absent = _word(op.other, op, texts)
        flags |= FLAG_EXPECTS_ABSENT if absent & FLAG_ABSENT else 0
    key = 0 if op.function is Function.SAW else digest_word(op.key)
    if key:
        texts[key] = op.key
    return OPERATION.pack(
        step, op.function | flags, 0, op.user, more, number, key, word, at_ns, other
    )


def _bare(step: Step, op: _Op, at_ns: int, number: int) -> bytes:
    return OPERATION.pack(step, 0, 0, op.user, 0, number, 0, 0, at_ns, 0)


def _over(op: _Op, texts: dict[int, str]) -> bytes:
    """Return the entries of an operation that is over when it is told."""
    if op.function is not Function.READ_SET:
        return _entry(Step.OK, op, op.ended_ns, texts)
    elements = op.value if isinstance(op.value, list | tuple | set | frozenset) else ()
    words = []
    for one in elements:
        word, _, text = element_of(one)
        words.append(word)
        if text:
            texts[word] = text
    packed = b""
    for start in range(0, len(words), ELEMENTS_PER_ENTRY):
        few = words[start : start + ELEMENTS_PER_ENTRY]
        first, second, third = (*few, 0, 0)[:ELEMENTS_PER_ENTRY]
        row = (Step.ELEMENTS, 0, 0, op.user, len(few), 0, first, second, op.ended_ns, third)
        packed += OPERATION.pack(*row)
    return packed + _entry(Step.OK, op, op.ended_ns, texts, more=len(words))


def _names(texts: dict[int, str], at_ns: int) -> list[bytes]:
    """Return the entries that spell words, wholly: by hand nothing is cut off."""
    entries = []
    for word, text in texts.items():
        data = text.encode("utf-8", "replace")
        for start in range(0, len(data), NAME_BYTES_PER_ENTRY):
            piece = data[start : start + NAME_BYTES_PER_ENTRY]
            padded = piece.ljust(NAME_BYTES_PER_ENTRY, b"\0")
            halves = (int.from_bytes(padded[at : at + 8], "little") for at in (0, 8))
            first, second = halves
            place = start // NAME_BYTES_PER_ENTRY
            row = (Step.NAME, 0, 0, 0, len(piece), place, word, first, at_ns, second)
            entries.append(OPERATION.pack(*row))
    return entries
