"""Heads that were parsed before: what is remembered, and when that is given up."""

from __future__ import annotations

import pytest

from stormproof.clients.heads import MISSES_A_SECOND_MAX, KnownHead, remember
from stormproof.kernel.units import SECOND_NS

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def test_a_plain_answer_is_remembered() -> None:
    """Its length, its head and its status are all that the next one is compared with."""
    known: dict[int, KnownHead] = {}
    remember(known, 7, HEAD + b"ok", b"ok", 200, 3 * SECOND_NS)
    assert known[7][:4] == (len(HEAD) + 2, len(HEAD), HEAD, 200)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok"),
    ],
)
def test_a_body_that_does_not_simply_follow_is_not_remembered(answer: bytes, body: bytes) -> None:
    """Chunks, and heads that end in another way than all do, are for the parser."""
    known: dict[int, KnownHead] = {}
    remember(known, 7, answer, body, 200, 0)
    assert known[7].length == 0


def test_an_operation_with_ever_new_heads_is_given_up() -> None:
    """More new heads in a second than a date can explain: from then on nothing is remembered."""
    known: dict[int, KnownHead] = {}
    for number in range(MISSES_A_SECOND_MAX + 1):
        remember(known, 7, b"X-Id: %d\r\n" % number + HEAD + b"ok", b"ok", 200, number)
    assert known[7].length == 0
    remember(known, 7, HEAD + b"ok", b"ok", 200, 9 * SECOND_NS)
    assert known[7].length == 0


def test_a_date_that_changes_is_no_reason_to_give_up() -> None:
    """One new head a second goes on for as long as it likes."""
    known: dict[int, KnownHead] = {}
    for second in range(5 * MISSES_A_SECOND_MAX):
        remember(known, 7, b"Date: %d\r\n" % second + HEAD + b"ok", b"ok", 200, second * SECOND_NS)
    assert known[7].length > 0
