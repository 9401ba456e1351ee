"""A ledger that no worker can have written carries no PASS."""

from __future__ import annotations

import numpy as np
import pytest
from tests.builders import LedgerWriter, chat, healthy_record

from stormproof.checks import ledger_order
from stormproof.checks.judge import judge
from stormproof.checks.ledger_order import check_ledger_order
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.ledger import EntryKind, make_key
from stormproof.model.objective import Status


def kinds_of(*ledger: np.ndarray) -> list[str]:
    return [one.kind for one in check_ledger_order(healthy_record(ledger=ledger), []).findings]


def test_the_ledger_of_a_healthy_run_is_in_order() -> None:
    """Announced before answered, each entry after the last one: nothing to say."""
    assert kinds_of(*chat()) == []
    assert kinds_of() == []


@pytest.mark.parametrize("kind", [EntryKind.OK, EntryKind.FAIL, EntryKind.UNKNOWN])
def test_an_outcome_that_nobody_announced_keeps_a_run_from_passing(kind: EntryKind) -> None:
    """Its text is known from its announcement alone, so that nobody could see it altered; what was
    not acknowledged and still arrived, nobody sent."""
    whole = chat()[0]
    key = int(whole["key"][whole["kind"] == EntryKind.INVOKE][0])
    without = whole[~((whole["kind"] == EntryKind.INVOKE) & (whole["key"] == key))].copy()
    without["kind"][(without["kind"] == EntryKind.OK) & (without["key"] == key)] = kind
    (finding,) = check_ledger_order(healthy_record(ledger=(without,)), []).findings
    assert (finding.kind, finding.count) == ("never-announced", 1)
    assert finding.witnesses[0].key == f"{key:x}"
    verdict = judge(healthy_record(ledger=(without,)), version="0")
    assert verdict.verdict is (Status.INCONCLUSIVE if kind is EntryKind.OK else Status.FAIL)


def test_an_altered_message_that_nobody_announced_is_no_pass() -> None:
    """A receipt with another digest cannot accuse where the announcement is gone; the run does not
    pass all the same."""
    writer = LedgerWriter()
    writer.join(1, 1)
    key = make_key(0, 1, 1)
    writer.add(EntryKind.OK, 1, 1, key=key, number=1)
    writer.receive(1, 1, key, 1, digest=99)
    assert kinds_of(writer.array) == ["never-announced"]


def test_an_announcement_by_another_worker_is_none() -> None:
    """Each worker's ledger has to say by itself what its outcomes are of."""
    first, second = LedgerWriter(), LedgerWriter(worker=1)
    key = first.send(1, 1, 1, None)
    second.add(EntryKind.OK, 1, 1, key=key, number=1)
    assert kinds_of(first.array, second.array) == ["never-announced"]


@pytest.mark.parametrize(("back_ns", "found"), [(50 * MILLISECOND_NS, 0), (2 * SECOND_NS, 1)])
@pytest.mark.parametrize("slice_length", [1, 3, 1 << 20])
def test_an_entry_from_before_the_one_ahead_of_it_is_found(
    monkeypatch: pytest.MonkeyPatch, back_ns: int, found: int, slice_length: int
) -> None:
    """Two seconds back is nothing that one thread writes; a slip of the clock is let pass."""
    monkeypatch.setattr(ledger_order, "SLICE", slice_length)
    entries = chat(messages=5)[0].copy()
    place = 6
    entries["at_ns"][place] = entries["at_ns"][place - 1] - np.uint64(back_ns)
    findings = check_ledger_order(healthy_record(ledger=(entries,)), []).findings
    assert [one.kind for one in findings] == ["ledger-out-of-order"] * found
    if found:
        assert f"entry {place} of worker 0" in findings[0].witnesses[0].what
        assert "is 2 s early" in findings[0].witnesses[0].what
        verdict = judge(healthy_record(ledger=(entries,)), version="0")
        assert verdict.verdict is Status.INCONCLUSIVE


def test_workers_have_clocks_of_their_own() -> None:
    """The order of entries is asked within each worker's ledger, not across them."""
    late, early = chat(messages=3)[0].copy(), chat(messages=3)[0].copy()
    late["at_ns"] += np.uint64(10 * SECOND_NS)
    assert kinds_of(late, early) == []
