"""A history that is made up is what a worker would have written of the same operations."""

from __future__ import annotations

import numpy as np

from stormproof.checks.history import read_history
from stormproof.checks.own_history import HistoryView
from stormproof.checks.own_view import view_from
from stormproof.clients.ledger import Deliveries, LedgerBook
from stormproof.clients.masking import Masking
from stormproof.clients.tape import Actor, Scope, Tape
from stormproof.model.ledger import NUMPY_FIELDS
from stormproof.rules.windows import Windows
from stormproof.testing import history

LONG = "a key of more bytes than two entries of the ledger spell out"


def _told_by_a_worker() -> HistoryView:
    tape = Tape(0, Masking(()))
    book = LedgerBook(Actor(1, Scope(tape, "s")), Deliveries())
    book.add("cart", 5).ok()
    book.add("cart", None).ok()
    book.remove("cart", "a").refused()
    book.increment("likes", -3).unknown()
    book.write(LONG, 1.5).ok()
    book.write("title", None)
    book.compare_and_set("title", "old", "new").ok()
    book.compare_and_set("title", None, 7).refused()
    book.read("title").ok("new")
    book.read("title").ok(None)
    book.read("cart").ok([5, "b", None, -1])
    book.read("cart").ok([])
    book.total("cart").ok(2)
    book.issued("order", "o-1")
    book.seen("a 409")
    book.effect("payment", "k", 9)
    book.owns("tenant", "text")
    book.may_see("tenant")
    book.saw("text")
    entries = np.frombuffer(bytes(tape.ledger), dtype=np.dtype(NUMPY_FIELDS))
    windows = Windows(origin_ns=0, faults=(), load_end_ns=0, by_window={})
    told = read_history([entries], whole=True)
    return view_from(told, windows, missing="", phases=(), faults=())


def _made_up() -> HistoryView:
    told = history().add("cart", 5, at=1).add("cart", None, at=2)
    told.remove("cart", "a", at=3, outcome="refused")
    told.increment("likes", -3, at=4, outcome="unknown").write(LONG, 1.5, at=5)
    told.write("title", None, at=6, outcome="").compare_and_set("title", "old", "new", at=7)
    told.compare_and_set("title", None, 7, at=8, outcome="refused")
    told.read("title", "new", at=9).read("title", None, at=10)
    told.read("cart", [5, "b", None, -1], at=11).read("cart", [], at=12).total("cart", 2, at=13)
    told.issued("order", "o-1", at=14).seen("a 409", at=15).effect("payment", "k", 9, at=16)
    return told.owns("tenant", "text", at=17).may_see("tenant", at=18).saw("text", at=19).view()


def _plain(view: HistoryView) -> list[tuple[object, ...]]:
    """Return all that an operation says but when."""
    return [
        (
            one.function,
            one.outcome,
            one.user,
            one.key,
            one.value,
            one.expected,
            one.key_id,
            one.value_id,
            one.element_ids.tolist(),
            one.ended_ns is None,
        )
        for one in view.operations()
    ]


def test_a_made_up_history_is_a_workers() -> None:
    """Every kind of operation, outcome and value comes back alike from both."""
    assert _plain(_made_up()) == _plain(_told_by_a_worker())
    assert len(_plain(_made_up())) == 19
