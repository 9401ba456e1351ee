"""What was read out of one answer of a target, in whatever format it came."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from stormproof.kernel.limits import (
    EXPOSITION_LABELS_MAX,
    EXPOSITION_SAMPLES_MAX,
    OBSERVED_VALUE_MAX,
)
from stormproof.model.native import NativeBuckets
from stormproof.model.observed import Observed, ObservedKind


@dataclass(slots=True)
class Exposition:
    """The figures, and how many lines (or samples of a binary format) were none and yet no comment.

    `left_out`: how many figures were beyond EXPOSITION_SAMPLES_MAX; nothing of them was read.
    `beyond`: of what it has more than is looked at, like `100000 lines`; nobody looked at the rest.
    """

    figures: list[Observed] = field(default_factory=list)
    unread: int = 0
    left_out: int = 0
    beyond: str = ""
    _seen: set[tuple[str, frozenset[tuple[str, str]], bool]] = field(default_factory=set)
    _size: int = 0
    _labels: int = 0

    def keep(
        self,
        name: str,
        tags: dict[str, str],
        kind: ObservedKind,
        value: float,
        native: NativeBuckets | None = None,
    ) -> None:
        """Keep a figure; one that is there twice is not read.

        What is not a number says that there is none now, which is no fault of a gauge. Any other
        that is none, or larger than anything counted can be, is kept as infinite: whoever writes
        figures down leaves its name out, and the rest is none the worse.
        """
        self._labels += len(tags)
        if self._labels > EXPOSITION_LABELS_MAX:
            self.beyond = f"{EXPOSITION_LABELS_MAX} labels"
        if self.beyond or (math.isnan(value) and kind is ObservedKind.GAUGE):
            return
        key = (name, frozenset(tags.items()), native is not None)
        if key in self._seen:
            self.unread += 1
            return
        value = value if abs(value) <= OBSERVED_VALUE_MAX else math.inf
        self._size += 1 + (native.size if native else 0)
        if self._size > EXPOSITION_SAMPLES_MAX:
            self.left_out += 1
            return
        self._seen.add(key)
        self.figures.append(Observed(name=name, tags=tags, kind=kind, value=value, native=native))
