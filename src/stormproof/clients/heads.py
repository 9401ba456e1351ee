"""Heads that were parsed before: an answer that begins with the same bytes is framed the same way.

Theory of operation. A busy target answers an operation with the same head many times a second; only
its date changes. So the head of the last plain answer of each operation is kept, and an answer of
the same length that begins with it, byte for byte, needs no parser. Everything else is parsed, and
becomes the head that is known. Where hardly any head comes twice (a request id in each), that is
noticed within a second and remembering is given up.

Plain: one piece, a body that is simply what follows the head, no cookie in it, a connection that
stays open, a success. The parser saw all that; the memory only spares it doing so again.
"""

from __future__ import annotations

from typing import NamedTuple

from stormproof.kernel.units import SECOND_NS

MISSES_A_SECOND_MAX = 20  # a date changes once
_END = b"\r\n\r\n"


class KnownHead(NamedTuple):
    """A head, and what the parser made of it."""

    length: int  # of the whole answer; 0 where remembering was given up
    size: int  # of the head
    head: bytes
    status: int
    second: int  # in which it was parsed
    misses: int  # of that second


UNKNOWN = KnownHead(length=0, size=0, head=b"", status=0, second=-1, misses=0)


def remember(
    known: dict[int, KnownHead], series: int, answer: bytes, body: bytes, status: int, end_ns: int
) -> None:
    """Remember the head of a plain answer, unless its operation has too many of them.

    Args:
        known: by series.
        series: of the operation.
        answer: as it came, whole and in one piece.
        body: what the parser found in it.
        status: of the answer.
        end_ns: when it had come.
    """
    last, second = known.get(series, UNKNOWN), end_ns // SECOND_NS
    misses = last.misses + 1 if second == last.second else 1
    if last.misses > MISSES_A_SECOND_MAX:
        return
    size = len(answer) - len(body)
    if misses > MISSES_A_SECOND_MAX or answer.find(_END) != size - len(_END):
        known[series] = UNKNOWN._replace(second=second, misses=misses)
    else:
        known[series] = KnownHead(len(answer), size, answer[:size], status, second, misses)
