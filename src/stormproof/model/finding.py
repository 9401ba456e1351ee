"""Findings: one thing that is wrong, with its witnesses."""

from __future__ import annotations

import msgspec


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the record that shows a finding."""

    what: str
    at_ns: int = 0
    key: str = ""  # hex of a ledger key


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong (`kind`), how often, shown by at most 100 witnesses.

    Kinds: lost, duplicated, foreign, corrupted, unexpected, refused-delivered, not-witnessed,
    not-undone, residue, part-died, worker-died, irreproducible-decision, checker-failed,
    never-joined, and the codes of warnings that take evidence away (`checks.evidence`).
    """

    kind: str
    title: str
    count: int
    witnesses: list[Witness] = []
    advice: str = ""
