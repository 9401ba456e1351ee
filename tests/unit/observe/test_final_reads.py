"""Final reads are made when they are due, and written down so that they are read back whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from stormproof.checks.history import History, read_history
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.limits import FINAL_READ_ROWS_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import Event, FinalReadEvent
from stormproof.model.final_read import READER, Moment, read_word
from stormproof.model.history import Function, element_of
from stormproof.model.ledger import NUMPY_FIELDS
from stormproof.model.plan import PlannedRead
from stormproof.observe import final_reads
from stormproof.observe.final_reads import FinalReads
from stormproof.observe.rows import Left, Page, RowsRefused
from stormproof.testing import ScriptedRecorder
from stormproof.testing.virtual_time import START_NS, VirtualClock, run_virtual

ROWS = PlannedRead(name="rows", statement="SELECT", of="chat", wait_ns=3 * SECOND_NS)
LEFT = PlannedRead(name="left", statement="SELECT", empty=True, wait_ns=2 * SECOND_NS)


@dataclass
class Server:
    """A server that gives, read after read, what it is told to."""

    gives: list[Any]
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def read(
        self, planned: PlannedRead, moment: Moment, left: Left, /
    ) -> AsyncGenerator[Page, None]:
        self.asked.append((planned.name, moment))
        given = self.gives.pop(0) if len(self.gives) > 1 else self.gives[0]
        if isinstance(given, Exception):
            raise given
        if given is None:
            await asyncio.sleep(1e6)
        left.out = 2
        for start in range(0, len(given), 2):
            yield given[start : start + 2]


@dataclass
class Bench:
    """Final reads of a server, and what came of them."""

    planned: list[PlannedRead]
    server: Server
    recorder: ScriptedRecorder = field(default_factory=ScriptedRecorder)
    told: list[Event] = field(default_factory=list)

    async def carry_out(self, clock: VirtualClock) -> None:
        reads = FinalReads(
            self.planned, {"postgres": self.server}, self.recorder, clock, self.told.append
        )
        await reads.before_load()
        await reads.when_drained()
        await reads.when_left()

    def run(self) -> list[FinalReadEvent]:
        run_virtual(self.carry_out)
        events = [one for one in self.told if isinstance(one, FinalReadEvent)]
        assert events == self.recorder.recorded.events
        return events

    def history(self) -> History:
        entries = np.frombuffer(self.recorder.recorded.ledger, np.dtype(NUMPY_FIELDS))
        return read_history([entries], whole=True)


def test_rows_are_read_back_as_they_were_given() -> None:
    """Numbers, texts, lists and nothing at all are a read of a set, with its instants and names."""
    rows = [7, "seven", [1, "two"], None, 7]
    bench = Bench([ROWS], Server([[], rows]))
    before, after = bench.run()
    assert (before.moment, before.rows, after.moment, after.rows) == ("before", 0, "after", 5)
    assert after.left_out == 2
    history = bench.history()
    reads = history.reads.of(Function.READ_SET)
    assert reads.key.tolist() == [read_word("rows")] * 2
    assert reads.user.tolist() == [READER] * 2
    assert reads.began_ns.tolist() == [before.began_ns, after.began_ns]
    held = history.elements.of(reads.first, reads.count)
    assert held.tolist() == [element_of(row)[0] for row in rows]
    assert history.value_text(element_of("seven")[0]) == "seven"
    assert history.value_text(element_of([1, "two"])[0]) == '[1, "two"]'
    assert history.key_text(read_word("rows")) == "final read rows"


def test_each_read_comes_when_it_is_due() -> None:
    """What is held against changes is read after its wait; what must be empty when users have
    gone, again and again until it is or its time is over."""
    bench = Bench([LEFT, ROWS], Server([[1], [2], [2], [1, 3], [1, 3], [1]]))
    events = bench.run()
    assert bench.server.asked[:3] == [("left", "before"), ("rows", "before"), ("rows", "after")]
    assert events[2].began_ns - START_NS == 3 * SECOND_NS
    assert [one.name for one in events] == ["left", "rows", "rows", "left"]
    assert events[3].rows == 1
    assert len(bench.server.asked) == 6


def test_what_is_never_empty_is_given_up_in_time() -> None:
    """The last look counts, and one alone is written down."""
    bench = Bench([LEFT], Server([[], ["a ticket"]]))
    _, after = bench.run()
    assert after.rows == 1
    assert 2 * SECOND_NS - final_reads.AGAIN_NS <= after.began_ns - START_NS <= 2 * SECOND_NS
    assert len(bench.history().reads) == 2


def test_what_comes_and_goes_by_itself_is_not_left_over() -> None:
    """A row that was there at every look is written down, with those of before; of one that gives
    other rows each time, as one of ages does, nothing is known."""
    some = [["old", "old", number, "stays"] for number in range(99)]
    bench = Bench([LEFT], Server([["old", "old"], *some]))
    _, after = bench.run()
    assert (after.rows, after.error) == (3, "")
    reads = bench.history().reads
    words = bench.history().elements.of(reads.first, reads.count)[2:].tolist()
    assert words == [element_of(row)[0] for row in ("old", "old", "stays")]
    ages = Bench([LEFT], Server([[], *([number] for number in range(99))]))
    _, after = ages.run()
    assert (after.rows, after.error) == (0, final_reads.OTHERS)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (RowsRefused("no such table"), "no such table"),
        (None, "no answer within 30s"),
        (KeyError("x"), "a fault of stormproof: KeyError: 'x'"),
        (RowsRefused("at postgresql://me:hunter22@host"), "at postgresql://me:***@host"),
    ],
)
def test_a_read_that_fails_is_an_error_and_no_rows(given: Any, error: str) -> None:
    """Whatever goes wrong is told, without a secret, and the run goes on."""
    bench = Bench([ROWS], Server([given, ["fine"]]))
    before, after = bench.run()
    assert (before.error, before.rows) == (error, 0)
    assert (after.error, after.rows) == ("", 1)
    assert len(bench.history().reads) == 1


def test_more_rows_than_are_kept_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Part of the rows would show what is missing as lost."""
    monkeypatch.setattr(final_reads, "FINAL_READ_ROWS_MAX", 3)
    _, after = Bench([ROWS], Server([[], [1, 2, 3, 4]])).run()
    assert after.error == "it gives over 3 rows: read fewer"
    _, whole = Bench([ROWS], Server([[], [1, 2, 3]])).run()
    assert whole.rows == 3
    assert FINAL_READ_ROWS_MAX == 1_000_000


def test_a_large_read_comes_in_several_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """No frame of a segment is larger than one may be, and the elements stay together."""
    monkeypatch.setattr(final_reads, "ENTRIES_TOGETHER", 2)
    bench = Bench([ROWS], Server([list(range(20))]))
    bench.run()
    history = bench.history()
    held = history.elements.of(history.reads.first, history.reads.count)
    assert held.tolist() == [*range(20)] * 2


def test_texts_beyond_a_bound_are_told_by_their_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only new rows are spelt, and secrets in them are hidden."""
    monkeypatch.setattr(final_reads, "FINAL_READ_NAMES_MAX", 2)
    bench = Bench([LEFT], Server([["old"], ["old", "token=hunter22", "b", "c"]]))
    bench.run()
    names = bench.history().names
    assert sorted(names.values()) == ["b", "final read left", "token=***"]


def test_a_server_that_is_not_there_is_an_error() -> None:
    """A read of a server that nobody named is never a PASS."""
    bench = Bench([PlannedRead(name="keys", keys="a*", empty=True)], Server([[]]))
    assert all(one.error for one in bench.run())


def test_a_full_disk_ends_the_reading() -> None:
    """What cannot be written down was not read."""
    bench = Bench([ROWS], Server([[]]), ScriptedRecorder(writes_max=1))
    with pytest.raises(EnvironmentFailure, match="disk is full"):
        bench.run()
