"""What a worker has spelt out in its ledger."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Spellings:
    """The keys (with their words) and values that the ledger has by name, and the changes begun."""

    changes: int = 0
    keys: dict[str, int] = field(default_factory=dict)
    values: set[int] = field(default_factory=set)
