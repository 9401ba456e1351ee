"""The ledger of one user: packed entries of what must not be lost, doubled or leaked."""

from __future__ import annotations

from dataclasses import dataclass, field

from stormproof.clients.guard import UnexpectedAnswer
from stormproof.clients.operations import OperationBook
from stormproof.clients.tape import Actor
from stormproof.kernel.clock import monotonic_ns
from stormproof.model.ledger import (
    ENTRY,
    FLAG_CORRUPTED,
    EntryKind,
    digest_of,
    make_key,
    read_body,
    write_body,
)

_U32_MAX = 0xFFFF_FFFF
_U64_MAX = 0xFFFF_FFFF_FFFF_FFFF
DELIVERY_NS_MAX = 3_600_000_000_000  # a stamp that claims more is no instant of this run


@dataclass(slots=True, kw_only=True)
class Deliveries:
    """What one worker knows about who has got what: its share of knowing when all has arrived."""

    acknowledged: dict[int, int] = field(default_factory=dict)  # scope -> highest number
    received: dict[int, dict[int, int]] = field(default_factory=dict)  # scope -> user -> highest


class Message:
    """A message that was announced; say what became of it, or it stays unknown."""

    __slots__ = ("_book", "_intended_ns", "_scope", "_start_ns", "body", "key")

    def __init__(
        self, book: LedgerBook, scope: int, key: int, body: str, intended_ns: int, start_ns: int
    ) -> None:
        self._book = book
        self._scope = scope
        self._intended_ns = intended_ns
        self._start_ns = start_ns
        self.key = key
        self.body = body

    def ok(self, number: object) -> None:
        """Write down that it was acknowledged under `number`.

        Raises:
            UnexpectedAnswer: `number` cannot be the number of a message.
        """
        given = _number(number)
        if given is None:
            self._book.warn_of_number()
            raise UnexpectedAnswer(f"a message was acknowledged under the number {number!r}")
        self._end(EntryKind.OK, given)
        self._book.acknowledge(self._scope, given)

    def refused(self) -> None:
        """Write down that it certainly did not happen."""
        self._end(EntryKind.FAIL, 0)

    def unknown(self) -> None:
        """Write down that it may have happened."""
        self._end(EntryKind.UNKNOWN, 0)

    def _end(self, kind: EntryKind, number: int) -> None:
        at_ns = monotonic_ns()
        self._book.enter(
            kind,
            scope=self._scope,
            number=number,
            key=self.key,
            at_ns=at_ns,
            start_us=(at_ns - self._start_ns) // 1000,
            intended_us=(at_ns - self._intended_ns) // 1000,
        )


class LedgerBook(OperationBook):
    """The ledger as one user writes it (see `journeys.interface.Ledger`)."""

    __slots__ = ("_deliveries", "_sequence")

    def __init__(self, actor: Actor, deliveries: Deliveries) -> None:
        super().__init__(actor)
        self._deliveries = deliveries
        self._sequence = 0

    def sent(self, scope: int, text: str) -> Message:
        """Announce a message before it is sent."""
        actor = self._actor
        self._sequence += 1
        key = make_key(actor.scope.tape.worker, actor.id, self._sequence)
        at_ns = monotonic_ns()
        intended_ns = actor.intended_ns
        self.enter(EntryKind.INVOKE, scope=scope, key=key, digest=digest_of(text), at_ns=at_ns)
        body = write_body(key, intended_ns, text)
        return Message(self, scope, key, body, intended_ns, at_ns)

    def received(self, body: object, scope: object, number: object) -> None:
        """Take a message that arrived; one that is not whole is flagged, whatever it holds."""
        at_ns = monotonic_ns()
        stamped = read_body(body) if isinstance(body, str) else None
        if stamped is None or not 0 <= stamped[0].key <= _U64_MAX:
            self._received(_number(scope) or 0, _number(number) or 0, 0, 0, at_ns, whole=False)
            return
        stamp, text = stamped
        digest = digest_of(text)
        where, which = _number(scope), _number(number)
        whole = digest == stamp.digest and where is not None and which is not None
        self._received(where or 0, which or 0, stamp.key, digest, at_ns, whole=whole)
        if whole and 0 <= at_ns - stamp.intended_ns <= DELIVERY_NS_MAX:
            scenario = self._actor.scope
            scenario.row(scenario.delivery, False, stamp.intended_ns, stamp.intended_ns, at_ns)

    def joined(self, scope: int, after: int) -> None:
        """Write down that this user is owed every message of `scope` above the number `after`."""
        self.enter(EntryKind.JOINED, scope=scope, number=after, at_ns=monotonic_ns())
        members = self._deliveries.received.setdefault(scope, {})
        members[self._actor.id] = max(members.get(self._actor.id, 0), after)

    def left(self, scope: int) -> None:
        """Write down that the membership's connection ended; the next `joined` resumes it."""
        self.enter(EntryKind.LEFT, scope=scope, at_ns=monotonic_ns())

    def warn_of_number(self) -> None:
        """Tell that a message is owed to members that its number would name."""
        scope = self._actor.scope
        text = f"scenario {scope.scenario}: a message was acknowledged under what is no number"
        scope.tape.warn("odd-number", text)

    def acknowledge(self, scope: int, number: int) -> None:
        """Remember the highest number that the service has acknowledged in `scope`."""
        highest = self._deliveries.acknowledged
        highest[scope] = max(highest.get(scope, 0), number)

    def enter(
        self,
        kind: EntryKind,
        *,
        scope: int,
        at_ns: int,
        number: int = 0,
        key: int = 0,
        digest: int = 0,
        flags: int = 0,
        start_us: int = 0,
        intended_us: int = 0,
    ) -> None:
        """Append one entry."""
        actor = self._actor
        tape = actor.scope.tape
        tape.ledger += ENTRY.pack(
            kind,
            flags,
            tape.worker,
            actor.id,
            scope,
            number,
            key,
            digest,
            at_ns,
            min(max(start_us, 0), _U32_MAX),
            min(max(intended_us, 0), _U32_MAX),
        )

    def _received(
        self, scope: int, number: int, key: int, digest: int, at_ns: int, *, whole: bool
    ) -> None:
        flags = 0 if whole else FLAG_CORRUPTED
        self.enter(
            EntryKind.RECEIVED,
            scope=scope,
            number=number,
            key=key,
            digest=digest,
            flags=flags,
            at_ns=at_ns,
        )
        members = self._deliveries.received.get(scope)
        if members is not None and self._actor.id in members:
            members[self._actor.id] = max(members[self._actor.id], number)


def _number(value: object) -> int | None:
    """Return a number that an entry can hold; None of what the target made up."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _U32_MAX:
        return value
    return None
