"""From what a source gives to rows of the record: each series named once, then values alone.

At most SERIES_MAX series a source and TAG_VALUES_MAX values a tag of one name are kept, and no
value that is no number or beyond OBSERVED_VALUE_MAX. What comes later is left out, a warning says
so once a name, and the record knows the name, so that an objective on it is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from stormproof.kernel.limits import (
    OBSERVED_NAMES_LEFT_OUT_MAX,
    OBSERVED_TAGS_MAX,
    OBSERVED_TEXT_CHARACTERS_MAX,
    OBSERVED_VALUE_MAX,
    SERIES_MAX,
    TAG_VALUES_MAX,
)
from stormproof.model.event import Event, WarningEvent
from stormproof.model.native import packed
from stormproof.model.observed import Observed, ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.seams import ReadingSink

BUCKET_BOUND: Final = "le"  # every bucket is needed for a quantile: no limit but that of series
OVERFLOW: Final = "observed-overflow"
FAULT: Final = "source-fault"
Key = tuple[str, str, tuple[tuple[str, str], ...], bool]  # source, name, tags, is native


class Readings:
    """Write down what sources give, and keep the names that stand for it.

    Args:
        sink: keeps them.
        on_event: called with a warning when figures are left out.
        on_reading: called with each reading that was kept, after `series` knows what it mentions.
    """

    def __init__(
        self,
        sink: ReadingSink,
        on_event: Callable[[Event], None],
        on_reading: Callable[[SourceReading, Mapping[int, ObservedSeries]], None],
    ) -> None:
        self._sink = sink
        self._on_event = on_event
        self._on_reading = on_reading
        self.series: dict[int, ObservedSeries] = {}
        self._ids: dict[Key, int] = {}
        self._counts: dict[str, int] = {}  # source -> series that have values
        self._tag_values: dict[tuple[str, str, str], set[str]] = {}
        self._left_out: dict[str, set[str]] = {}  # source -> names
        self._faults: set[tuple[str, str]] = set()  # source, type

    def take(self, source: str, start_ns: int, end_ns: int, given: Sequence[Observed]) -> None:
        """Write down one answer of a source."""
        new: list[ObservedSeries] = []
        values: dict[int, float] = {}
        natives: dict[int, bytes] = {}
        for one in given:
            found = self._id_of(source, one, end_ns, new)
            if found is None:
                continue
            values[found] = one.value
            if one.native is not None:
                natives[found] = packed(one.native)
        reading = SourceReading(
            source=source,
            start_ns=start_ns,
            end_ns=end_ns,
            ids=list(values),
            values=list(values.values()),
            natives=natives,
        )
        self._keep(reading, new)

    def miss(self, source: str, start_ns: int, end_ns: int, error: str) -> None:
        """Write down that a source gave nothing, and why."""
        error = error[:OBSERVED_TEXT_CHARACTERS_MAX]
        self._keep(SourceReading(source=source, start_ns=start_ns, end_ns=end_ns, error=error), ())

    def fault(self, source: str, start_ns: int, end_ns: int, fault: Exception) -> None:
        """Write down that reading a source failed in a way that nobody foresaw; each kind is told
        once."""
        text = f"reading {source} failed, a fault of stormproof: {type(fault).__name__}: {fault}"
        self.miss(source, start_ns, end_ns, text)
        kind = (source, type(fault).__name__)
        if kind not in self._faults:
            self._faults.add(kind)
            text = text[:OBSERVED_TEXT_CHARACTERS_MAX]
            self._on_event(WarningEvent(at_ns=end_ns, code=FAULT, text=text))

    def _keep(self, reading: SourceReading, new: Sequence[ObservedSeries]) -> None:
        self._sink.reading(reading, new)
        self._on_reading(reading, self.series)

    def _id_of(
        self, source: str, one: Observed, now_ns: int, new: list[ObservedSeries]
    ) -> int | None:
        """Return the id of a figure's series, a new one where there is room; None without."""
        key = (source, one.name, tuple(sorted(one.tags.items())), one.native is not None)
        known = self._ids.get(key)
        is_number = abs(one.value) <= OBSERVED_VALUE_MAX
        if known is not None and is_number:
            return known
        if not is_number or not self._has_room(source, one):
            self._leave_out(source, one, now_ns, new)
            return None
        made = self._name(source, one.name, dict(key[2]), one.kind, new)
        self._ids[key] = made
        self._counts[source] = self._counts.get(source, 0) + 1
        for tag, value in one.tags.items():
            self._tag_values.setdefault((source, one.name, tag), set()).add(value)
        return made

    def _has_room(self, source: str, one: Observed) -> bool:
        texts = (one.name, *one.tags.keys(), *one.tags.values())
        if self._counts.get(source, 0) >= SERIES_MAX or len(one.tags) > OBSERVED_TAGS_MAX:
            return False
        if sum(map(len, texts)) > OBSERVED_TEXT_CHARACTERS_MAX:
            return False
        return all(
            tag == BUCKET_BOUND or self._has_room_for(source, one.name, tag, value)
            for tag, value in one.tags.items()
        )

    def _has_room_for(self, source: str, name: str, tag: str, value: str) -> bool:
        known = self._tag_values.get((source, name, tag), set())
        return value in known or len(known) < TAG_VALUES_MAX

    def _leave_out(
        self, source: str, one: Observed, now_ns: int, new: list[ObservedSeries]
    ) -> None:
        """Say once a name that some of its series are not kept; of too many names, of any."""
        names = self._left_out.setdefault(source, set())
        if one.name in names or "" in names:
            return
        is_short = len(one.name) <= OBSERVED_TEXT_CHARACTERS_MAX
        name = one.name if is_short and len(names) < OBSERVED_NAMES_LEFT_OUT_MAX else ""
        names.add(name)
        self._name(source, name, {}, one.kind, new, is_rest=True)
        told = f"series of {source}:{name}" if name else f"series of many names of {source}"
        most = f"at most {SERIES_MAX} a source, {TAG_VALUES_MAX} values a tag, numbers up to 2^64"
        text = f"{told} are left out: {most}"
        self._on_event(WarningEvent(at_ns=now_ns, code=OVERFLOW, text=text))

    def _name(
        self,
        source: str,
        name: str,
        tags: dict[str, str],
        kind: ObservedKind,
        new: list[ObservedSeries],
        *,
        is_rest: bool = False,
    ) -> int:
        made = ObservedSeries(
            id=len(self.series), source=source, name=name, tags=tags, kind=kind, is_rest=is_rest
        )
        self.series[made.id] = made
        new.append(made)
        return made.id
