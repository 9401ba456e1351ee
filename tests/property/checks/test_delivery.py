"""The delivery checker against a brute-force oracle, on whole and truncated histories."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.builders import LedgerWriter

from stormproof.checks.tally import tally_deliveries
from stormproof.model.ledger import FLAG_CORRUPTED, EntryKind

USERS, SCOPES, WORKERS = 6, 2, 2
Ledger = tuple[NDArray[np.void], ...]
Counts = tuple[int, int, int, int, int]

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "unanswered", "refused", "leave", "resume"]),
        st.integers(0, USERS - 1),
    ),
    min_size=8,
    max_size=40,
)
DEFECTS = ["drop", "double", "leak", "misfile", "alter", "invent"]
PLANTS = st.dictionaries(st.integers(0, 30), st.sampled_from(DEFECTS), min_size=1, max_size=8)


@dataclass
class Service:
    """A chat in memory that keeps its promises but for what is planted, by count of deliveries."""

    plants: dict[int, str]
    writers: list[LedgerWriter] = field(
        default_factory=lambda: [LedgerWriter(worker=one) for one in range(WORKERS)]
    )
    log: dict[int, list[int]] = field(default_factory=lambda: {one: [] for one in range(SCOPES)})
    online: dict[int, bool] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    sequence: int = 0
    deliveries: int = 0

    def writer(self, user: int) -> LedgerWriter:
        """Return the ledger of a user's worker; members of a scope are spread over workers."""
        return self.writers[user // SCOPES % WORKERS]

    def act(self, action: str, user: int) -> None:
        """Do one thing a user can do."""
        if action == "leave" and self.online.get(user):
            self.online[user] = False
            self.writer(user).leave(user, user % SCOPES)
        elif action == "resume" and not self.online.get(user):
            self.resume(user)
        elif self.online.get(user):
            self.send(action, user)

    def resume(self, user: int) -> None:
        """Join, or resume after the last number seen and catch up."""
        scope = user % SCOPES
        after = self.seen.setdefault(user, len(self.log[scope]))
        self.online[user] = True
        self.writer(user).join(user, scope, after)
        for number in range(after + 1, len(self.log[scope]) + 1):
            self.deliver(user, scope, number)

    def send(self, action: str, user: int) -> None:
        """Send a message and have it delivered, unless it is refused."""
        scope, writer = user % SCOPES, self.writer(user)
        self.sequence += 1
        number = len(self.log[scope]) + 1
        key = writer.send(user, scope, self.sequence, number if action == "send" else None)
        if action == "refused":
            writer.add(EntryKind.FAIL, user, scope, key=key)
            return
        if action == "unanswered":
            writer.add(EntryKind.UNKNOWN, user, scope, key=key)
        self.log[scope].append(key)
        for member in range(USERS):
            if member % SCOPES == scope and self.online.get(member):
                self.deliver(member, scope, number)

    def deliver(self, user: int, scope: int, number: int) -> None:
        """Deliver one message to one user, with whatever is planted for it."""
        plant = self.plants.get(self.deliveries, "")
        self.deliveries += 1
        writer, key = self.writer(user), self.log[scope][number - 1]
        if plant == "drop":
            return
        self.seen[user] = number
        writer.receive(user, scope, key, number, **({"digest": 1} if plant == "alter" else {}))
        if plant == "double":
            writer.receive(user, scope, key, number)
        elif plant == "leak":
            other = (user + 1) % USERS
            self.writer(other).receive(other, scope, key, number)
        elif plant == "misfile":
            writer.receive(user, (scope + 1) % SCOPES, key, number)
        elif plant == "invent":
            writer.receive(user, scope, key + (1 << 40), number)


def _history(actions: list[tuple[str, int]], plants: dict[int, str]) -> Ledger:
    """Play a whole run: everybody joins at some time, and resumes at the drain."""
    service = Service(plants=plants)
    for user in range(0, USERS, 2):
        service.resume(user)
    for action, user in actions:
        service.act(action, user)
    for user in range(USERS):
        service.act("resume", user)
    return tuple(writer.array for writer in service.writers)


def _rows(ledger: Ledger) -> list[dict[str, int]]:
    names = ("kind", "flags", "user", "scope", "number", "key", "digest")
    return [{name: int(row[name]) for name in names} for part in ledger for row in part]


def _oracle(ledger: Ledger) -> tuple[Counts, set[int]]:
    """Say what is wrong with a drained history, by its definitions; and which keys are lost."""
    rows = _rows(ledger)
    sent = {row["key"]: row for row in rows if row["kind"] == EntryKind.INVOKE}
    number = {row["key"]: row["number"] for row in rows if row["kind"] == EntryKind.OK}
    after: dict[tuple[int, int], int] = {}
    for row in rows:
        if row["kind"] == EntryKind.JOINED:
            after.setdefault((row["user"], row["scope"]), row["number"])
    got: Counter[tuple[int, int]] = Counter()
    foreign = corrupted = unexpected = 0
    for row in rows:
        if row["kind"] != EntryKind.RECEIVED:
            continue
        message = sent.get(row["key"])
        if message is None:
            unexpected += 1
            corrupted += bool(row["flags"] & FLAG_CORRUPTED)
            continue
        corrupted += row["digest"] != message["digest"]
        if message["scope"] == row["scope"] and (row["user"], row["scope"]) in after:
            got[row["user"], row["key"]] += 1
        else:
            foreign += 1
    lost = {
        key
        for key, at in number.items()
        for (user, scope), base in after.items()
        if scope == sent[key]["scope"] and at > base and not got[user, key]
    }
    doubled = sum(times - 1 for times in got.values())
    return (len(lost), doubled, foreign, corrupted, unexpected), lost


def _count(ledger: Ledger, *, drained: bool) -> tuple[Counts, set[int]]:
    counted = tally_deliveries(ledger, drained=drained, whole=drained)
    receipts = counted.receipts
    lost = {int(key) for key in counted.ledger.messages.key[counted.lost.astype(np.int64)]}
    suspects = (receipts.foreign, receipts.corrupted, receipts.unexpected)
    foreign, corrupted, unexpected = (one.count for one in suspects)
    return (len(lost), len(counted.doubled), foreign, corrupted, unexpected), lost


@given(ACTIONS)
def test_a_healthy_history_is_never_accused(actions: list[tuple[str, int]]) -> None:
    """Whatever people do, a service that keeps its promises has no finding, drained or not."""
    ledger = _history(actions, {})
    assert _count(ledger, drained=True)[0] == (0, 0, 0, 0, 0)
    assert _count(ledger, drained=False)[0] == (0, 0, 0, 0, 0)


@given(ACTIONS, PLANTS)
def test_the_count_is_that_of_the_definitions(
    actions: list[tuple[str, int]], plants: dict[int, str]
) -> None:
    """On any drained history, with any defects, all five counts are those of a naive reading."""
    ledger = _history(actions, plants)
    assert _count(ledger, drained=True) == _oracle(ledger)


@given(ACTIONS, PLANTS, st.lists(st.floats(0, 1), min_size=WORKERS, max_size=WORKERS))
def test_a_prefix_claims_only_what_the_whole_proves(
    actions: list[tuple[str, int]], plants: dict[int, str], cuts: list[float]
) -> None:
    """Segments cut off anywhere, each by itself, never accuse beyond what the whole one shows."""
    ledger = _history(actions, plants)
    prefix = tuple(part[: round(len(part) * cut)] for part, cut in zip(ledger, cuts, strict=True))
    found, lost = _count(prefix, drained=False)
    proven, all_lost = _oracle(ledger)
    assert lost <= all_lost
    assert all(a <= b for a, b in zip(found, proven, strict=True))


@given(ACTIONS, PLANTS)
def test_order_proves_a_loss_without_a_drain(
    actions: list[tuple[str, int]], plants: dict[int, str]
) -> None:
    """A dropped message is found undrained as soon as its receiver got a later one."""
    drops = dict.fromkeys(plants, "drop")
    ledger = _history(actions, drops)
    rows = _rows(ledger)
    scope_of = {row["key"]: row["scope"] for row in rows if row["kind"] == EntryKind.INVOKE}
    number = {row["key"]: row["number"] for row in rows if row["kind"] == EntryKind.OK}
    missed: set[int] = set()
    for user in range(USERS):
        base: int | None = None
        got: list[tuple[int, int]] = []
        for row in rows:
            if row["user"] != user:
                continue
            if row["kind"] == EntryKind.JOINED and base is None:
                base = row["number"]
            if row["kind"] == EntryKind.RECEIVED:
                got.append((row["number"], row["key"]))
        highest, keys = max((one[0] for one in got), default=0), {one[1] for one in got}
        missed |= {
            key
            for key, at in number.items()
            if base is not None
            and scope_of[key] == user % SCOPES
            and base < at <= highest
            and key not in keys
        }
    assert _count(ledger, drained=False)[1] == missed
