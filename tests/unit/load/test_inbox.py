"""What waits on a socket until its journey receives it."""

from __future__ import annotations

import asyncio

from stormproof.clients.inbox import Inbox
from stormproof.kernel.limits import WS_INBOX_BYTES_MAX, WS_INBOX_MESSAGES_MAX


def test_messages_come_in_turn() -> None:
    """Messages leave in the order they came in, each with its arrival."""
    inbox = Inbox()
    inbox.put("a", 1)
    inbox.put(b"b", 2)
    assert [inbox.pop(), inbox.pop(), inbox.pop()] == [("a", 1), (b"b", 2), None]


def test_inbox_is_full_by_number_or_bytes() -> None:
    """Many small messages fill it, and so does one large one; taking one out makes room."""
    many, large = Inbox(), Inbox()
    states = []
    for number in range(WS_INBOX_MESSAGES_MAX):
        states.append(many.is_full)
        many.put("", number)
    large.put("x" * WS_INBOX_BYTES_MAX, 0)
    assert [any(states), many.is_full, large.is_full] == [False, True, True]
    many.pop()
    large.pop()
    assert [many.is_full, large.is_full] == [False, False]


async def test_whoever_waits_is_woken_once() -> None:
    """A message wakes whoever waits; what happens afterwards wakes nobody a second time."""
    inbox = Inbox()
    waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    inbox.wait(waiter, deadline_ns=50)
    inbox.expire(49)
    assert not waiter.done()
    inbox.put("a", 1)
    inbox.wake("closed")
    inbox.expire(100)
    assert waiter.result() == ""
    assert inbox.deadline_ns == 0


async def test_waiting_too_long_is_a_timeout() -> None:
    """Whoever has waited until the deadline is told so."""
    inbox = Inbox()
    waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    inbox.wait(waiter, deadline_ns=50)
    inbox.expire(50)
    assert waiter.result() == "timeout"
