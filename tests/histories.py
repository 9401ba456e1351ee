"""Write histories by hand: what was done to which key, from when to when, and how it ended.

Instants are nanoseconds after the load's start. `HistoryWriter` packs them as a worker does;
`happen` plays operations on a service that does each at one instant between its two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.builders import ORIGIN_NS, healthy_record

from stormproof.checks.history import Told, read_history
from stormproof.checks.outcome import Outcome
from stormproof.model.history import (
    CHANGES,
    ELEMENTS_PER_ENTRY,
    FLAG_EXPECTS_ABSENT,
    OF_SETS,
    OPERATION,
    READS,
    Function,
    Step,
    digest_word,
    element_of,
    word_of,
)
from stormproof.model.ledger import NUMPY_FIELDS
from stormproof.rules.grammar import objective, split_objective
from stormproof.rules.windows import Windows, windows_of


@dataclass(kw_only=True)
class Op:
    """One operation; `value` of a read is what it gives, a list for a set."""

    function: Function
    key: str
    value: Any
    began: int
    ended: int = 0
    step: Step = Step.OK
    user: int = 1
    other: Any = 0  # what a compare-and-set expects, the id of an effect


@dataclass
class HistoryWriter:
    """Write one worker's history in any order; `array` has the entries in that of time."""

    worker: int = 0
    ops: list[Op] = field(default_factory=list)

    def add(self, function: Function, key: str, value: Any, *span: int, **more: int) -> None:
        """Append an operation that began and ended, in nanoseconds."""
        began, ended = (span[0], span[-1])
        self.ops.append(
            Op(
                function=function,
                key=key,
                value=value,
                began=began,
                ended=ended,
                step=Step(more.get("step", Step.OK)),
                user=more.get("user", 1),
            )
        )

    @property
    def array(self) -> NDArray[np.void]:
        """Return the entries as a record holds them."""
        rows: list[tuple[int, list[bytes]]] = []
        changes = sorted((op for op in self.ops if _is_change(op)), key=lambda op: op.began)
        for number, op in enumerate(changes, 1):
            read = element_of if op.function in OF_SETS else word_of
            word, flags, _ = read(op.value)
            key = digest_word(op.key)
            first = self._entry(Step.BEGAN, op, op.began, op.function | flags, 0, number, key, word)
            rows.append((op.began, [first]))
            if op.ended:
                last = self._entry(op.step, op, op.ended, 0, 0, number, 0, 0)
                rows.append((op.ended, [last]))
        rows += [(op.ended, self._reading(op)) for op in self.ops if not _is_change(op)]
        rows.sort(key=lambda row: row[0])
        packed = b"".join(entry for _, entries in rows for entry in entries)
        return np.frombuffer(packed, dtype=np.dtype(NUMPY_FIELDS))

    def _reading(self, op: Op) -> list[bytes]:
        key, entries = digest_word(op.key), []
        if not isinstance(op.value, list):
            word, flags, _ = word_of(op.value)
            return [self._entry(Step.OK, op, op.ended, op.function | flags, 0, 0, key, word)]
        words = [element_of(one)[0] for one in op.value]
        for start in range(0, len(words), ELEMENTS_PER_ENTRY):
            few = words[start : start + ELEMENTS_PER_ENTRY]
            three = (*few, 0, 0)[:ELEMENTS_PER_ENTRY]
            entries.append(
                OPERATION.pack(
                    Step.ELEMENTS,
                    0,
                    self.worker,
                    op.user,
                    len(few),
                    0,
                    three[0],
                    three[1],
                    ORIGIN_NS + op.ended,
                    three[2],
                )
            )
        return [*entries, self._entry(Step.OK, op, op.ended, op.function, len(words), 0, key, 0)]

    def _entry(
        self, step: Step, op: Op, at: int, flags: int, more: int, number: int, key: int, word: int
    ) -> bytes:
        other = ORIGIN_NS + op.began if op.function in READS else word_of(op.other)[0]
        is_cas = op.function is Function.CAS and step is Step.BEGAN
        if op.other is None and (is_cas or op.function is Function.EFFECT):
            flags |= FLAG_EXPECTS_ABSENT
        at_ns = ORIGIN_NS + at
        return OPERATION.pack(
            step, flags, self.worker, op.user, more, number, key, word, at_ns, other
        )


def _is_change(op: Op) -> bool:
    return op.function in CHANGES


def segments_of(ops: Iterable[Op], workers: int = 2) -> tuple[NDArray[np.void], ...]:
    """Return operations as the ledgers of some workers, each user in one of them."""
    writers = [HistoryWriter(worker=one) for one in range(workers)]
    for op in ops:
        writers[op.user % workers].ops.append(op)
    return tuple(writer.array for writer in writers if writer.ops)


@cache
def _windows() -> Windows:
    return windows_of(healthy_record())


def run_check(
    check: Callable[[Told], Outcome], ops: Iterable[Op], *asked: str, whole: bool = True
) -> Outcome:
    """Run a checker over operations; `asked` are objectives like `set_stale: count==0`."""
    objectives = [objective(*split_objective(text)) for text in asked]
    history = read_history(segments_of(ops), whole=whole)
    return check(Told(history=history, windows=_windows(), asked=tuple(objectives)))


def value_of(outcome: Outcome, metric: str, what: str = "") -> float | None:
    """Return a measured value; None where it is no basis for a verdict."""
    found = outcome.measured[metric, what]
    return None if found.why else found.value
