"""Read what servers of the target hold: before the load, when it is over, when everybody has gone.

Each read is written down as a read of a set in the ledger, with an event that says how it went; one
that fails, takes too long or gives more rows than are kept is an event with an error and no rows.
None of that ends a run.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from stormproof.kernel.limits import (
    FINAL_READ_NAMES_MAX,
    FINAL_READ_ROWS_MAX,
    NAMED_BYTES_MAX,
    OBSERVED_TEXT_CHARACTERS_MAX,
)
from stormproof.kernel.masking import mask_secrets
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS, duration_text
from stormproof.model.event import Event, FinalReadEvent
from stormproof.model.final_read import AFTER, BEFORE, READER, WORKER, Moment, read_word
from stormproof.model.history import (
    ELEMENTS_PER_ENTRY,
    NAME_BYTES_PER_ENTRY,
    OPERATION,
    Function,
    Step,
    element_of,
)
from stormproof.model.plan import PlannedRead
from stormproof.observe.rows import Left, RowReader, RowsRefused
from stormproof.seams import Clock, Recorder

AGAIN_NS: Final = 250 * MILLISECOND_NS  # between two looks for nothing
OTHERS: Final = "it gave other rows at every look: have it give what lasts, and no ages"
KNOWN_MAX: Final = 100_000  # rows from before the load that are kept in mind
ENTRIES_TOGETHER: Final = 50_000  # of the ledger, in one frame of a segment


@dataclass(slots=True)
class _Taken:
    """What a read gave: rows as the ledger's words, and how the first new texts are spelt.

    With an `error` nothing of it counts.
    """

    planned: PlannedRead
    moment: Moment
    began_ns: int
    ended_ns: int = 0
    words: array[int] = field(default_factory=lambda: array("Q"))
    names: dict[int, str] = field(default_factory=dict)
    left: Left = field(default_factory=Left)
    error: str = ""

    def take(self, page: Sequence[object], known: Collection[int]) -> None:
        """Add rows; the texts of those that were `known` before the load need no spelling.

        Raises:
            RowsRefused: there are more than are kept.
        """
        if len(self.words) + len(page) > FINAL_READ_ROWS_MAX:
            raise RowsRefused(f"it gives over {FINAL_READ_ROWS_MAX} rows: read fewer")
        for row in page:
            word, _, text = element_of(row)
            self.words.append(word)
            is_told = self.moment == AFTER and word not in known
            if text and is_told and len(self.names) < FINAL_READ_NAMES_MAX:
                self.names.setdefault(word, text)

    def keep_only(self, lasting: Counter[int], before: Counter[int]) -> None:
        """Leave out what was not there at every look; where nothing was, nothing is known."""
        if not self.error and not lasting:
            self.error = OTHERS
        left, kept = lasting + before, array("Q")
        for word in self.words:
            if left[word] > 0:
                left[word] -= 1
                kept.append(word)
        self.words = kept


class FinalReads:
    """Make the final reads of a plan.

    Args:
        planned: the plan's.
        readers: what reads a server, by its kind.
        recorder: keeps rows and events.
        clock: to say when.
        on_event: called with each event that was kept.
    """

    def __init__(
        self,
        planned: Sequence[PlannedRead],
        readers: Mapping[str, RowReader],
        recorder: Recorder,
        clock: Clock,
        on_event: Callable[[Event], None],
    ) -> None:
        self._planned = planned
        self._readers = readers
        self._recorder = recorder
        self._clock = clock
        self._on_event = on_event
        self._before: dict[str, Counter[int]] = {}

    async def before_load(self) -> None:
        """Read everything once, so that what was there at first is known.

        Raises:
            EnvironmentFailure: the record cannot be written.
        """
        for one in self._planned:
            taken = await self._take(one, BEFORE)
            self._keep(taken)
            if one.empty or len(taken.words) <= KNOWN_MAX:
                self._before[one.name] = Counter(taken.words)

    async def when_drained(self) -> None:
        """Read what the changes of the load are held against, each after its wait.

        Raises:
            EnvironmentFailure: the record cannot be written.
        """
        drained_ns = self._clock.now_ns()
        of_changes = [one for one in self._planned if not one.empty]
        for one in sorted(of_changes, key=lambda one: one.wait_ns):
            await asyncio.sleep(max(0, drained_ns + one.wait_ns - self._clock.now_ns()) / SECOND_NS)
            self._keep(await self._take(one, AFTER))

    async def when_left(self) -> None:
        """Read what must be empty once all users have gone, until it is or its time is over.

        Raises:
            EnvironmentFailure: the record cannot be written.
        """
        left_ns = self._clock.now_ns()
        for one in self._planned:
            if one.empty:
                self._keep(await self._until_empty(one, left_ns + one.wait_ns))

    async def _until_empty(self, planned: PlannedRead, end_ns: int) -> _Taken:
        """Read until nothing is new, or the end; then only what was there at every look counts.

        What a target's own work makes and takes away in between is nobody's rest.
        """
        before = self._before.get(planned.name, Counter())
        lasting: Counter[int] | None = None
        while True:
            taken = await self._take(planned, AFTER)
            if not taken.error:
                new = Counter(taken.words) - before
                lasting = new if lasting is None else lasting & new
                if not new:
                    return taken
            if self._clock.now_ns() + AGAIN_NS > end_ns:
                taken.keep_only(lasting or Counter(), before)
                return taken
            await asyncio.sleep(AGAIN_NS / SECOND_NS)

    async def _take(self, planned: PlannedRead, moment: Moment) -> _Taken:
        """Read once; what goes wrong is an error of the read."""
        taken = _Taken(planned, moment, self._clock.now_ns())
        known = self._before.get(planned.name, Counter())
        try:
            async with asyncio.timeout(planned.timeout_ns / SECOND_NS):
                reader = self._reader(planned)
                async with aclosing(reader.read(planned, moment, taken.left)) as pages:
                    async for page in pages:
                        taken.take(page, known)
        except TimeoutError:
            taken.error = f"no answer within {duration_text(planned.timeout_ns)}"
        except RowsRefused as refused:
            taken.error = mask_secrets(str(refused))
        except Exception as fault:  # noqa: BLE001 - a read that fails must not end the run
            text = f"a fault of stormproof: {type(fault).__name__}: {fault}"
            taken.error = mask_secrets(text)
        taken.ended_ns = self._clock.now_ns()
        return taken

    def _reader(self, planned: PlannedRead) -> RowReader:
        reader = self._readers.get(planned.source)
        if reader is None:
            raise RowsRefused(f"there is no {planned.source} to ask")
        return reader

    def _keep(self, taken: _Taken) -> None:
        """Write a read down: its rows in the ledger, and how it went."""
        if not taken.error:
            entries = b"".join(_entries_of(taken))
            size = ENTRIES_TOGETHER * OPERATION.size
            for start in range(0, len(entries), size):
                self._recorder.ledger(entries[start : start + size])
        event = FinalReadEvent(
            at_ns=taken.ended_ns,
            name=taken.planned.name,
            moment=taken.moment,
            began_ns=taken.began_ns,
            rows=0 if taken.error else len(taken.words),
            left_out=taken.left.out,
            error=taken.error[:OBSERVED_TEXT_CHARACTERS_MAX],
        )
        self._recorder.events([event])
        self._on_event(event)


def _entries_of(taken: _Taken) -> Iterator[bytes]:
    """Yield the ledger's entries of a read: how words are spelt, its elements, and then itself."""
    key, at_ns = read_word(taken.planned.name), taken.ended_ns
    yield _spelt(key, f"final read {taken.planned.name}", at_ns)
    for word, text in taken.names.items():
        yield _spelt(word, mask_secrets(text), at_ns)
    for start in range(0, len(taken.words), ELEMENTS_PER_ENTRY):
        few = taken.words[start : start + ELEMENTS_PER_ENTRY]
        first, second, third = (*few, 0, 0)[:ELEMENTS_PER_ENTRY]
        yield _entry(Step.ELEMENTS, at_ns, len(few), key=first, value=second, other=third)
    yield _entry(
        Step.OK,
        at_ns,
        len(taken.words),
        flags=Function.READ_SET,
        key=key,
        other=taken.began_ns,
    )


def _entry(
    step: Step,
    at_ns: int,
    more: int,
    *,
    flags: int = 0,
    number: int = 0,
    key: int = 0,
    value: int = 0,
    other: int = 0,
) -> bytes:
    return OPERATION.pack(step, flags, WORKER, READER, more, number, key, value, at_ns, other)


def _spelt(word: int, text: str, at_ns: int) -> bytes:
    """Return the entries that say how a word is spelt."""
    data = text.encode("utf-8", "replace")[:NAMED_BYTES_MAX]
    entries = bytearray()
    for start in range(0, len(data), NAME_BYTES_PER_ENTRY):
        piece = data[start : start + NAME_BYTES_PER_ENTRY]
        padded = piece.ljust(NAME_BYTES_PER_ENTRY, b"\0")
        entries += _entry(
            Step.NAME,
            at_ns,
            len(piece),
            number=start // NAME_BYTES_PER_ENTRY,
            key=word,
            value=int.from_bytes(padded[:8], "little"),
            other=int.from_bytes(padded[8:], "little"),
        )
    return bytes(entries)
