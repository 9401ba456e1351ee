"""The time of a message from its sender's intention to a member, across workers and reconnects."""

from __future__ import annotations

from pathlib import Path

from tests.integration.load.fleets import Observed, drive, make_plan, observe, scenario, stopping
from tests.integration.load.target import TargetServer

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.units import SECOND_NS
from stormproof.model.ledger import ENTRY, EntryKind, split_key

Entry = tuple[int, ...]  # as ENTRY packs it
KIND, USER, KEY, AT_NS, INTENDED_US = 0, 3, 6, 8, 10


def entries_of(observed: Observed, worker: int) -> list[Entry]:
    """Read the ledger of a worker."""
    return list(ENTRY.iter_unpack(bytes(observed.segment(worker).ledger)))


def only(entries: list[Entry], kind: EntryKind) -> list[Entry]:
    """Return the entries of a kind."""
    return [entry for entry in entries if entry[KIND] == kind]


def delivery_us(observed: Observed, worker: int) -> tuple[int, int]:
    """Return how many deliveries a worker has timed, and their sum in microseconds."""
    count = total_us = 0
    for frame in observed.segment(worker).frames:
        for one in frame.counts:
            if observed.series[worker][one.series].metric == "message_delivery":
                count += one.count
                total_us += one.response_sum_us
    return count, total_us


async def test_delivery_is_timed_across_workers_and_reconnects(
    tmp_path: Path, target: TargetServer
) -> None:
    """What one worker sent is timed in another from the sender's intended instant, caught-up
    messages of a member who was away included, and nobody misses one or gets one twice."""
    plan = make_plan(scenario("come_and_go", executor="constant-vus", vus=4, seconds=1), workers=2)
    observed = observe(tmp_path, plan)
    outcome: list[tuple[bool, str]] = []

    async def work() -> None:
        await drive(observed, target.url)
        outcome.append(await observed.fleet.drain(monotonic_ns() + 10 * SECOND_NS))

    await stopping(observed, work)
    assert outcome == [(True, "")]
    senders, members = entries_of(observed, 0), entries_of(observed, 1)
    acknowledged = {entry[KEY]: entry for entry in only(senders, EntryKind.OK)}
    assert acknowledged
    assert not only(members, EntryKind.OK)
    for heard in (only(senders, EntryKind.RECEIVED), only(members, EntryKind.RECEIVED)):
        assert len(heard) == 2 * len(acknowledged)
        assert len({(entry[USER], entry[KEY]) for entry in heard}) == len(heard)
        assert {split_key(entry[KEY])[0] for entry in heard} == {0}

    received = only(members, EntryKind.RECEIVED)
    intended_ns = {
        key: entry[AT_NS] - entry[INTENDED_US] * 1_000 for key, entry in acknowledged.items()
    }
    exact_us = sum(entry[AT_NS] - intended_ns[entry[KEY]] for entry in received) / 1_000
    count, timed_us = delivery_us(observed, 1)
    assert count == len(received)
    assert abs(timed_us - exact_us) <= 2 * count  # each is kept in whole microseconds, twice

    joined = only(members, EntryKind.JOINED)
    caught_up = [
        entry
        for entry in received
        if any(
            one[USER] == entry[USER] and intended_ns[entry[KEY]] < one[AT_NS] < entry[AT_NS]
            for one in joined
        )
    ]
    assert len(joined) > 2
    assert caught_up
