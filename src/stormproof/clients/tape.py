"""What a worker observes between two drains: packed rows, names interned to small integers once.

An operation costs one packed row appended to one buffer; no object lives on. Everything that
needs thought (names, tags, failures kept whole, warnings) happens on the slow path, under a limit.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stormproof.clients.heads import KnownHead
from stormproof.clients.masking import Masking
from stormproof.clients.spellings import Spellings
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import (
    BODY_KEPT_BYTES_MAX,
    ERROR_KINDS_MAX,
    FAILURE_BODIES_PER_KIND_MAX,
    FAILURES_PER_KIND_MAX,
    SERIES_MAX,
    TAG_SETS_MAX,
    TAG_VALUES_MAX,
)
from stormproof.model.event import Failure, WarningEvent
from stormproof.model.series import Series, SeriesKind

if TYPE_CHECKING:
    from stormproof.clients.tracing import Tracer

# The columns of a row. `outcome` is status << 1 | failed; without a status it is just `failed`.
# `written_us` and `first_us` count from the actual start to the request written and to the first
# byte of its answer; 0 says that it was written at once, or that the answer came in one piece.
ROW_FIELDS = [
    ("series", "u2"),
    ("outcome", "u2"),
    ("sent", "u4"),
    ("received", "u4"),
    ("written_us", "u4"),
    ("first_us", "u4"),
    ("intended_ns", "i8"),
    ("start_ns", "i8"),
    ("end_ns", "i8"),
]
# Rows never leave the process: in the machine's own order and alignment they are packed fastest.
PHASED_ROW = struct.Struct("@HHIIIIqqq")
ROW = struct.Struct("@HHII8xqqq")  # the same with both phases left out, which are 0 then
ITERATION_ROW = struct.Struct("@H18xqqq")  # of an iteration that went well: series and instants
PHASE_US_MAX = (1 << 32) - 1
LATER_FAILURES_KEPT_ONE_IN = 100  # once a kind has used up its limit
WARNINGS_MAX = 200
BODY_SCANNED_BYTES_MAX = 4 * BODY_KEPT_BYTES_MAX  # masked before it is cut: no half secret stays
ERROR_CHARACTERS_MAX = 200
TAG_CHARACTERS_MAX = 200

TagSet = tuple[tuple[str, str], ...]  # (tag, value), by tag


class Tape:
    """Take what clients and users of one worker observe, until the recorder drains it."""

    __slots__ = (
        "_bodies",
        "_failures_seen",
        "_ids",
        "_tag_values",
        "_warned",
        "check_ends",
        "check_slots",
        "failures",
        "heads",
        "ledger",
        "masking",
        "measures",
        "recorded",
        "rows",
        "series",
        "sockets",
        "spellings",
        "tracer",
        "warnings",
        "worker",
    )

    def __init__(self, worker: int, masking: Masking | None = None) -> None:
        self.worker = worker
        self.masking = masking or Masking()
        self.rows = bytearray()
        self.check_slots: list[int] = []  # series << 1 | passed
        self.check_ends: list[int] = []  # instants in nanoseconds
        self.ledger = bytearray()
        self.spellings = Spellings()  # of the ledger
        self.measures = bytearray()  # values of custom metrics, see `clients.measures`
        self.failures: list[Failure] = []
        self.warnings: list[WarningEvent] = []
        self.series: list[Series] = []
        self.sockets = 0
        self.heads: dict[int, KnownHead] = {}  # of plain answers, by series
        self.tracer: Tracer | None = None  # told of requests and answers, with --verbose
        self.recorded = 0
        self._ids: dict[tuple[str, ...], int] = {}
        self._tag_values: dict[str, set[str]] = {}
        self._failures_seen: dict[tuple[int, str], int] = {}
        self._bodies: dict[tuple[int, str], int] = {}
        self._warned: set[str] = set()

    def intern(self, kind: SeriesKind, metric: str, tags: Mapping[str, str]) -> int:
        """Return the id of a series, made on its first use; past the limit that of `other`."""
        hide = self.masking.hide
        tags = {tag: hide(value)[:TAG_CHARACTERS_MAX] for tag, value in sorted(tags.items())}
        key = (metric, *(part for item in tags.items() for part in item))
        known = self._ids.get(key)
        if known is not None:
            return known
        if len(self.series) >= SERIES_MAX and metric != "other":
            self.warn("series-overflow", f"more than {SERIES_MAX} series; the rest are `other`")
            return self.intern(kind, "other", {"kind": kind.name.lower()})
        series = Series(id=len(self.series), kind=kind, metric=metric, tags=tags)
        self.series.append(series)
        self._ids[key] = series.id
        return series.id

    def tag_value(self, tag: str, value: str) -> str:
        """Return `value`, or `other` once the tag has as many values as are kept."""
        values = self._tag_values.setdefault(tag, set())
        if value in values:
            return value
        if len(values) >= TAG_VALUES_MAX:
            text = f"the tag `{tag}` has more than {TAG_VALUES_MAX} values; the rest are `other`"
            self.warn("tag-overflow", text)
            return "other"
        values.add(value)
        return value

    def fail(
        self,
        *,
        series: int,
        user: int,
        kind: str,
        intended_ns: int,
        start_ns: int,
        end_ns: int,
        status: int = 0,
        body: bytes = b"",
    ) -> None:
        """Keep a failure: all of a kind up to a limit, then one in a hundred."""
        key = (series, self.masking.hide(kind)[:ERROR_CHARACTERS_MAX])
        seen = self._failures_seen.get(key, 0)
        if not seen and len(self._failures_seen) >= ERROR_KINDS_MAX:
            key = (series, "other")
            seen = self._failures_seen.get(key, 0)
        self._failures_seen[key] = seen + 1
        if seen >= FAILURES_PER_KIND_MAX and seen % LATER_FAILURES_KEPT_ONE_IN:
            return
        self.failures.append(
            Failure(
                worker=self.worker,
                user=user,
                series=series,
                kind=key[1],
                intended_ns=intended_ns,
                start_ns=start_ns,
                end_ns=end_ns,
                status=status,
                body=self._kept_body(key, body),
            )
        )

    def warn(self, code: str, text: str) -> None:
        """Keep a warning, the same text once."""
        text = self.masking.hide(text)
        if text in self._warned or len(self._warned) >= WARNINGS_MAX:
            return
        self._warned.add(text)
        self.warnings.append(WarningEvent(at_ns=monotonic_ns(), code=code, text=text))

    def _kept_body(self, key: tuple[int, str], body: bytes) -> str:
        kept = self._bodies.get(key, 0)
        if not body or kept >= FAILURE_BODIES_PER_KIND_MAX:
            return ""
        self._bodies[key] = kept + 1
        scanned = body[:BODY_SCANNED_BYTES_MAX].decode("utf-8", "replace")
        text = self.masking.mask_body(scanned)
        return text[:BODY_KEPT_BYTES_MAX]


class Scope:
    """The part of the tape that belongs to one scenario under one tag set: its series, its checks.

    The scenario's own tag set is the `root` of those that its users put on (see `with_tag`).
    Iterations, deliveries and traffic are counted on the root alone.
    """

    __slots__ = (
        "add_check_end",
        "add_check_slot",
        "bytes_received",
        "bytes_sent",
        "check_slots",
        "delivery",
        "dropped",
        "exchanges",
        "expected",
        "iteration",
        "iterations",
        "messages_received",
        "messages_sent",
        "root",
        "scenario",
        "tag_sets",
        "tags",
        "tape",
        "unbegun",
    )

    def __init__(
        self,
        tape: Tape,
        scenario: str,
        tags: Mapping[str, str] | None = None,
        root: Scope | None = None,
    ) -> None:
        self.tape = tape
        self.scenario = scenario
        self.tags = {**(tags or {}), "scenario": scenario}
        self.root = root or self
        self.tag_sets: dict[TagSet, Scope] = {}
        self.iteration = self._own(SeriesKind.TREND, "iteration_duration")
        self.iterations = self._own(SeriesKind.COUNTER, "iterations")
        self.dropped = self._own(SeriesKind.COUNTER, "dropped_iterations")
        self.delivery = self._own(SeriesKind.TREND, "message_delivery")
        self.exchanges: dict[str, int] = {}  # name -> series
        self.expected: dict[str, int] = {}  # the same for messages that are waited for
        self.bytes_sent = 0  # of WebSocket messages; those of requests are in their rows
        self.bytes_received = 0
        self.messages_sent = 0  # over WebSockets
        self.messages_received = 0
        self.unbegun = 0  # iterations owed and not begun in time; those found no user are rows
        self.check_slots: dict[str, int] = {}  # of each check, by its name
        self.add_check_slot = tape.check_slots.append
        self.add_check_end = tape.check_ends.append

    def with_tag(self, key: str, value: str) -> Scope:
        """Return the scope of the same scenario in which the tag `key` is `value`, made once.

        Beyond the limits on values and on tag sets the value is `other`, with a warning.
        """
        tags = {**self.tags, key: self.tape.tag_value(key, value)}
        known = self.root.tag_sets
        tag_set = tuple(sorted(tags.items()))
        if tag_set not in known and len(known) >= TAG_SETS_MAX:
            text = f"scenario {self.scenario}: over {TAG_SETS_MAX} tag sets; the rest are `other`"
            self.tape.warn("tag-overflow", text)
            plain = self.root.tags.items()
            tags = {tag: one if (tag, one) in plain else "other" for tag, one in tags.items()}
            tag_set = tuple(sorted(tags.items()))
        scope = known.get(tag_set)
        if scope is None:
            scope = known[tag_set] = Scope(self.tape, self.scenario, tags, self.root)
        return scope

    def operation(self, metric: str, name: str) -> int:
        """Return the id of an operation's series."""
        return self.tape.intern(SeriesKind.OPERATION, metric, {**self.tags, "name": name})

    def add_exchange(self, name: str) -> int:
        """Return the series of the WebSocket exchanges called `name`, which are new here."""
        kept = self.tape.tag_value("exchange", str(name))
        series = self.exchanges[kept] = self.operation("ws_send", kept)
        return series

    def expectation(self, name: str) -> int:
        """Return the series of the WebSocket messages that are waited for under `name`."""
        series = self.expected.get(name)
        if series is None:
            kept = self.tape.tag_value("message", str(name))
            series = self.expected[kept] = self.operation("ws_receive", kept)
        return series

    def check(self, name: str, passed: bool, end_ns: int) -> None:
        """Count a check of an answer that ended at `end_ns`."""
        slot = self.check_slots.get(name)
        if slot is None:
            slot = self.new_check(name)
        self.add_check_slot(slot + passed)
        self.add_check_end(end_ns)

    def trend(self, metric: str) -> int:
        """Return the id of a trend of the whole scenario."""
        return self._own(SeriesKind.TREND, metric)

    def row(self, series: int, failed: bool, intended_ns: int, start_ns: int, end_ns: int) -> None:
        """Append a row that carried no bytes."""
        self.tape.rows += ROW.pack(series, failed, 0, 0, intended_ns, start_ns, end_ns)

    def phase(self, metric: str, duration_ns: int, end_ns: int) -> None:
        """Append how long a phase of the operation that ended at `end_ns` lasted."""
        begin_ns = end_ns - duration_ns
        self.tape.rows += ROW.pack(self.trend(metric), False, 0, 0, begin_ns, begin_ns, end_ns)

    def _own(self, kind: SeriesKind, metric: str) -> int:
        """Return the id of a series that the whole scenario shares."""
        return self.tape.intern(kind, metric, self.root.tags)

    def new_check(self, name: str) -> int:
        """Return the slot of the check called `name`, which is new here."""
        if len(self.check_slots) >= 2 * TAG_VALUES_MAX:
            name = "other"  # stop remembering names that are never seen again
        kept = self.tape.tag_value("check", str(name))
        slot = self.tape.intern(SeriesKind.RATE, "checks", {**self.tags, "check": kept}) << 1
        self.check_slots[name] = slot
        return slot


class Actor:
    """A virtual user as its clients see it: who acts, and since when it was able to."""

    __slots__ = ("failure", "id", "intended_ns", "scope")

    def __init__(self, id_: int, scope: Scope) -> None:
        self.id = id_
        self.scope = scope
        self.intended_ns = 0
        self.failure = ""  # the last failed operation, for people

    def failed(
        self,
        series: int,
        kind: str,
        intended_ns: int,
        start_ns: int,
        end_ns: int,
        status: int = 0,
        body: bytes = b"",
    ) -> None:
        """Keep the failure of an operation whose row has been written."""
        tape = self.scope.tape
        what = tape.series[series].tags.get("name", "journey")
        self.failure = f"{what}: {tape.masking.hide(kind)}"
        tape.fail(
            series=series,
            user=self.id,
            kind=kind,
            intended_ns=intended_ns,
            start_ns=start_ns,
            end_ns=end_ns,
            status=status,
            body=body,
        )
