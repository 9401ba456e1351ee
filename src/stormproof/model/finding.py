"""Findings: one thing that is wrong, with its witnesses."""

from __future__ import annotations

from typing import Final

import msgspec

OWN_BREACH: Final = (
    "own-breach"  # found by a checker of the trial's file, which its title begins with
)

# One witness of these fails the run, however it ended and whatever the objectives say: the verdict
# holds them against the target. Every other finding says that evidence is missing.
ACCUSING: Final = frozenset(
    {
        "lost",
        "duplicated",
        "foreign",
        "corrupted",
        "unexpected",
        "misnumbered",
        "reordered",
        "refused-delivered",
        "set-lost",
        "set-stale",
        "set-unexpected",
        "set-repeated",
        "set-refused-seen",
        "counter-off",
        "id-duplicated",
        "register-nonlinearizable",
        "read-not-own-write",
        "read-stepped-back",
        "read-stale",
        "isolation-foreign",
        "effect-duplicated",
        "total-off",
        "final-off",
        "stored-lost",
        "stored-refused",
        "stored-surplus",
        "stored-repeated",
        "stored-apart",
        "orphaned",
        "not-undone",
        "residue",
        "part-died",
        OWN_BREACH,
    }
)


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the record that shows a finding."""

    what: str
    at_ns: int = 0
    key: str = ""  # hex of a ledger key
    of: tuple[str, ...] = ()  # hex of the keys of the history that the operations it cites are on


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong (`kind`), how often, shown by at most 100 witnesses.

    Kinds: those of `ACCUSING`, not-witnessed, too-short, not-searched, worker-died,
    irreproducible-decision, checker-failed, frames-missing, never-joined, joined-above,
    owed-to-nobody, set-unread, counter-unread, total-unread, final-unread, never-announced,
    changes-missing, elements-missing, ledger-out-of-order, fault-unpunctual, steered,
    own-undecided, own-failed, and the codes of warnings that take evidence away
    (`checks.evidence`).
    """

    kind: str
    title: str
    count: int
    witnesses: list[Witness] = []
    advice: str = ""
