"""Did members join where they said they did?

What a member is owed begins above the number of its first JOINED, which is the service's word. A
word that is too high would hide every loss below it; but a message that is sent after the member
has joined gets a number above it, or the word was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stormproof.checks.ledger import MEMBER_SHIFT, SCOPE_SHIFT, Entries, Ledger, Words, columns
from stormproof.checks.tally import owed_drained
from stormproof.kernel.units import MICROSECOND_NS
from stormproof.model.ledger import EntryKind

INSTANT_BITS = np.uint64(44)  # microseconds of half a year
INSTANT_MASK = np.uint64((1 << 44) - 1)


def joined_above(segments: Sequence[Entries], ledger: Ledger) -> Words:
    """Return the members, by index, that joined above the number of a message sent after it.

    Args:
        segments: a whole ledger, whose instants are of one clock.
        ledger: what `read_ledger` returned for it.
    """
    sent = columns(segments, EntryKind.INVOKE)
    joins = columns(segments, EntryKind.JOINED)
    instants = np.concatenate([sent["at_ns"], joins["at_ns"]])
    if not len(instants):
        return np.empty(0, np.uint64)
    first_ns = instants.min()
    latest_us = _latest_us(sent, ledger, first_ns)
    owed = owed_drained(ledger)
    scopes = ledger.members.scope_index << np.uint64(SCOPE_SHIFT)
    below = np.flatnonzero(owed.low > np.searchsorted(ledger.messages.order, scopes))
    _, earliest = np.unique(
        joins["user"] << np.uint64(MEMBER_SHIFT) | joins["scope"], return_index=True
    )
    since_us = (joins["at_ns"][earliest] - first_ns) // np.uint64(MICROSECOND_NS)
    late = latest_us[(owed.low[below] - 1).astype(np.int64)] > since_us[below]
    above: Words = below[late].astype(np.uint64)
    return above


def _latest_us(sent: dict[str, Words], ledger: Ledger, first_ns: np.uint64) -> Words:
    """Return, by rank, when the latest acknowledged message up to it in its scope was sent."""
    messages = ledger.messages
    ranks, _ = messages.ranks_of(sent["key"])
    sent_us = np.zeros(len(messages.key), np.uint64)
    sent_us[ranks] = (sent["at_ns"] - first_ns) // np.uint64(MICROSECOND_NS)
    sent_us[messages.state != EntryKind.OK] = 0
    # The words of a scope are above all words of the scope before, so that the highest so far
    # is one of its own.
    words = messages.order >> np.uint64(SCOPE_SHIFT) << INSTANT_BITS | sent_us
    latest: Words = np.maximum.accumulate(words) & INSTANT_MASK
    return latest
