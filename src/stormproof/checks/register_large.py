"""A key with millions of operations: what holds of it without all of them side by side.

Theory of operation. Where no value is written more than once, a value's zone follows from its own
operations alone (see `register_sweep`), whatever else is done to the key. So operations are looked
at some values at a time, and of each value only its zone is kept. Whatever is not so plain, or does
not hold, is left to the sweep.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stormproof.checks.history import Ints
from stormproof.checks.ledger import FOREVER_NS
from stormproof.checks.register_blocks import Block, Rows
from stormproof.checks.register_sweep import Values, Zones, conflicting, relevant
from stormproof.model.history import Function, Step

LARGE: Final = 1 << 20  # operations of a key from which on it is looked at in parts
PARTS: Final = 32
PLAIN: Final = (Function.READ, Function.WRITE)


def holds_by_value(block: Block) -> int | None:
    """Return how many samples there are of the only key of a block, when an order explains it.

    None where that is not known.
    """
    functions = np.unique(np.concatenate([block.changes.function, block.reads.function]))
    if not np.isin(functions, PLAIN).all():
        return None
    first_over, last_began = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    ahead = _earliest_ns(block) - 1
    for part in block.parts(PARTS):
        rows = relevant(part, block.is_raised)
        if not len(rows):
            continue
        values = _values(rows)
        if not values.is_clear.all():
            return None
        first_over.append(np.where(values.is_unwritten, ahead, values.first_over))
        last_began.append(values.last_began)
    over = np.concatenate(first_over)
    del first_over
    began = np.concatenate(last_began)
    del last_began
    if len(conflicting(over, began, np.zeros(len(over), np.int8))[0]):
        return None
    return _samples(block)


def _values(rows: Rows) -> Values:
    """Return the zones of values, the instants as they are."""
    return Zones(
        function=rows.function,
        value=rows.value,
        is_absent=rows.is_absent,
        of_stretch=np.zeros(len(rows), np.int64),
        edges=np.array([0, len(rows)]),
        began=rows.began_ns,
        over=rows.ended_ns,
    ).values(np.arange(len(rows)))


def _earliest_ns(block: Block) -> int:
    """Return when the first operation began."""
    began = (block.changes.began_ns, block.reads.began_ns)
    return min(int(one.min(initial=FOREVER_NS)) for one in began)


def _samples(block: Block) -> int:
    """Return how many reads began when a change had been acknowledged."""
    over_ns: Ints = block.changes.ended_ns
    first_ns = int(over_ns[block.changes.step == Step.OK].min(initial=FOREVER_NS))
    return int(np.count_nonzero(block.reads.began_ns > first_ns))
