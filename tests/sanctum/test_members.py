"""Members and audiences on their own: whatever is offered, lost or repeated, delivery is exact."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Counter

from sanctum.backing.errors import DatabaseUnavailable
from sanctum.gateway.members import Member, Page, QueueLimits, SlowReader
from sanctum.gateway.topics import PAGES_AT_ONCE, Audience, Place, Topic, TopicMetrics

PAGE = 3


class Log:
    """A key's stored frames, read in small pages."""

    def __init__(self) -> None:
        self.last = 0
        self.reads: list[int] = []
        self.failures = 0

    async def read(self, after: int) -> Page:
        """Read a page, or fail as often as asked to."""
        self.reads.append(after)
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable("asked to fail")
        numbers = range(after + 1, min(self.last, after + PAGE) + 1)
        frames = [(number, str(number).encode()) for number in numbers]
        return Page(frames=frames, last=after + len(frames), full=len(frames) == PAGE)


def _member(
    log: Log, sent: list[int], *, tail: int = 0, queue_max: int = 100
) -> tuple[Member, asyncio.Task[None]]:
    async def send(frame: bytes) -> None:
        await asyncio.sleep(0)
        sent.append(int(frame))

    limits = QueueLimits(frames=queue_max, size_bytes=10**6)
    member = Member(tail=tail, send=send, read_page=log.read, limits=limits)
    return member, asyncio.ensure_future(member.deliver())


async def _settle() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


FATES = st.sampled_from(["published", "lost", "late", "twice"])


@given(st.lists(st.tuples(FATES, st.integers(0, 3)), max_size=40), st.integers(0, 5))
def test_delivery_is_exact_whatever_pub_sub_does(fates: list[tuple[str, int]], before: int) -> None:
    """Messages published, lost, late or repeated reach a member once each and in order."""

    async def scenario() -> list[int]:
        log, sent = Log(), list[int]()
        log.last = before
        member, delivery = _member(log, sent)
        late: list[int] = []
        for fate, pause in fates:
            log.last += 1
            if fate == "late":
                late.append(log.last)
            elif fate != "lost":
                for _ in range(1 + (fate == "twice")):
                    member.offer(log.last, str(log.last).encode())
            for _ in range(pause):
                await asyncio.sleep(0)
        for number in late:
            member.offer(number, str(number).encode())
        member.fall_behind()
        await _settle()
        delivery.cancel()
        return sent

    assert asyncio.run(scenario()) == list(range(1, before + len(fates) + 1))


async def test_member_in_step_reads_no_page() -> None:
    """Messages that come in order, repeated or not, are delivered without asking the database."""
    log, sent = Log(), list[int]()
    member, delivery = _member(log, sent)
    await _settle()
    reads = len(log.reads)
    for number in range(1, 10):
        log.last = number
        for _ in range(2):
            member.offer(number, str(number).encode())
    await _settle()
    assert sent == list(range(1, 10))
    assert len(log.reads) == reads
    delivery.cancel()


async def test_gap_is_read_from_the_database() -> None:
    """A number beyond the next one makes the member read what is between."""
    log, sent = Log(), list[int]()
    member, delivery = _member(log, sent)
    await _settle()
    log.last = 5
    member.offer(5, b"5")
    await _settle()
    assert sent == [1, 2, 3, 4, 5]
    delivery.cancel()


async def test_full_queue_is_a_slow_reader() -> None:
    """A member in step whose queue is full is reported instead of growing."""
    log, sent = Log(), list[int]()
    never = asyncio.Event()

    async def stuck(_frame: bytes) -> None:
        await never.wait()

    limits = QueueLimits(frames=2, size_bytes=100)
    member = Member(tail=0, send=stuck, read_page=log.read, limits=limits)
    delivery = asyncio.ensure_future(member.deliver())
    await _settle()
    for number in (1, 2):
        member.offer(number, b"x")
    with pytest.raises(SlowReader):
        member.offer(3, b"x")
    assert sent == []
    delivery.cancel()


async def test_full_queue_is_one_of_too_many_bytes_too() -> None:
    """A large frame is taken when nothing waits, and what does not fit beside it is refused."""
    log, never = Log(), asyncio.Event()

    async def stuck(_frame: bytes) -> None:
        await never.wait()

    limits = QueueLimits(frames=100, size_bytes=10)
    member = Member(tail=0, send=stuck, read_page=log.read, limits=limits)
    delivery = asyncio.ensure_future(member.deliver())
    await _settle()
    member.offer(1, b"x" * 1000)
    await _settle()  # the first one is on its way
    member.offer(2, b"x" * 1000)
    with pytest.raises(SlowReader):
        member.offer(3, b"x")
    delivery.cancel()


async def test_failed_page_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member stays behind through a database outage and catches up after it."""
    monkeypatch.setattr("sanctum.gateway.members.RETRY_AFTER_S", 0)
    log, sent = Log(), list[int]()
    log.last, log.failures = 4, 3
    _, delivery = _member(log, sent)
    await _settle()
    assert sent == [1, 2, 3, 4]
    delivery.cancel()


async def test_members_that_fall_behind_together_share_a_read() -> None:
    """Members at the same number that are woken together cost one statement."""
    loads: list[int] = []

    async def load(_key: int, after: int) -> Page:
        loads.append(after)
        await asyncio.sleep(0)
        return Page(frames=[], last=after, full=False)

    audience = Audience(1, load, asyncio.Semaphore(4))
    pages = await asyncio.gather(*(audience.read_page(7) for _ in range(10)), audience.read_page(8))
    assert len(pages) == 11
    assert loads == [7, 8]


async def test_reads_of_all_members_at_once_are_bounded() -> None:
    """When everybody falls behind, a few pages are read at a time, and all are read."""
    at_once: list[int] = []

    class Busy:
        reading = 0

        async def after(self, key: int, number: int) -> Page:
            self.reading += 1
            at_once.append(self.reading)
            await asyncio.sleep(0)
            self.reading -= 1
            return Page(frames=[(number + 1, b"%d" % key)], last=number + 1, full=False)

        async def last_numbers(self, keys: Collection[int]) -> Mapping[int, int]:
            return dict.fromkeys(keys, 1)

    counter = Counter("frames_total", "Frames", registry=None)
    topic = Topic(
        "topic",
        Busy(),
        lambda _: Place(key=0, number=0),
        TopicMetrics(published=counter, unpublished=counter, delivered=counter, pages=counter),
    )
    pages = await asyncio.gather(*(topic.audience(key).read_page(0) for key in range(100)))
    assert [page.frames for page in pages] == [[(1, b"%d" % key)] for key in range(100)]
    assert max(at_once) == PAGES_AT_ONCE


async def test_read_that_has_begun_is_not_shared() -> None:
    """A member that asks after a read has begun gets a new one, which sees what is newer."""
    started = asyncio.Event()
    finish = asyncio.Event()
    loads = 0

    async def load(_key: int, after: int) -> Page:
        nonlocal loads
        loads += 1
        started.set()
        await finish.wait()
        return Page(frames=[], last=after, full=False)

    audience = Audience(1, load, asyncio.Semaphore(4))
    first = asyncio.ensure_future(audience.read_page(7))
    await started.wait()
    second = asyncio.ensure_future(audience.read_page(7))
    await asyncio.sleep(0)
    finish.set()
    await asyncio.gather(first, second)
    assert loads == 2


async def test_failed_read_nobody_waits_for_is_silent() -> None:
    """A page that fails after its readers have gone leaves no unretrieved error behind."""
    finish = asyncio.Event()

    async def load(_key: int, _after: int) -> Page:
        await finish.wait()
        raise DatabaseUnavailable("gone")

    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: problems.append(what))
    audience = Audience(1, load, asyncio.Semaphore(4))
    reader = asyncio.ensure_future(audience.read_page(1))
    await asyncio.sleep(0)
    reader.cancel()
    finish.set()
    await _settle()
    assert problems == []


def _expelling(expelled: list[int], name: int) -> Callable[[], None]:
    return lambda: expelled.append(name)


async def test_audience_expels_only_the_slow_member() -> None:
    """One member's full queue closes that member and delays no other."""
    log, sent = Log(), list[int]()
    expelled: list[int] = []
    never = asyncio.Event()

    async def stuck(_frame: bytes) -> None:
        await never.wait()

    def load(_key: int, after: int) -> Awaitable[Page]:
        return log.read(after)

    audience = Audience(1, load, asyncio.Semaphore(4))
    quick, delivery = _member(log, sent)
    limits = QueueLimits(frames=1, size_bytes=100)
    slow = Member(tail=0, send=stuck, read_page=log.read, limits=limits)
    slow_delivery = asyncio.ensure_future(slow.deliver())
    audience.members = {slow: _expelling(expelled, 1), quick: _expelling(expelled, 2)}
    await _settle()
    for number in (1, 2, 3):
        log.last = number
        audience.offer(number, str(number).encode())
        await _settle()
    assert sent == [1, 2, 3]
    assert set(expelled) == {1}
    delivery.cancel()
    slow_delivery.cancel()
