"""Requests and answers as a person sees them: bounded, and without a secret."""

from __future__ import annotations

from stormproof.clients.masking import Masking
from stormproof.clients.response import Response
from stormproof.clients.tape import Scope, Tape
from stormproof.clients.tracing import Tracer
from stormproof.kernel.limits import TRACE_BODY_BYTES_MAX, TRACED_EXCHANGES_MAX

REQUEST = (
    b"POST /login HTTP/1.1\r\nHost: a\r\nX-Api-Key: k-1234\r\nCookie: sid=1\r\n"
    b"Authorization: Bearer abc.def\r\nX-Place: eu-s3cret\r\n\r\n"
    b'{"name": "ada", "password": "hush hush"}'
)


def answer(body: bytes, head: bytes = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=2\r\n\r\n") -> Response:
    return Response(200, "", True, body, head, 3_500_000, Scope(Tape(0), "s"))


def test_no_secret_is_shown() -> None:
    """Headers and fields whose names say secret are masked, and known secrets wherever they are."""
    told: list[str] = []
    tracer = Tracer(told.append, Masking(["s3cret"]))
    number = tracer.sent(7, REQUEST)
    tracer.answered(number, 1_000_000, answer(b'{"token": "t-99", "place": "s3cret"}'))
    assert told[0].splitlines() == [
        "> 1 user 7",
        "  POST /login HTTP/1.1",
        "  Host: a",
        "  X-Api-Key: ***",
        "  Cookie: ***",
        "  Authorization: ***",
        "  X-Place: eu-***",
        "",
        '  {"name": "ada", "password": "***"}',
    ]
    assert told[1].splitlines() == [
        "< 1 2.5 ms 36 bytes",
        "  HTTP/1.1 200 OK",
        "  Set-Cookie: ***",
        "",
        '  {"token": "***", "place": "***"}',
    ]


def test_a_long_body_is_cut() -> None:
    """Of a body only the beginning is shown, with how much is left."""
    told: list[str] = []
    Tracer(told.append, Masking()).answered(1, 0, answer(b"x" * (TRACE_BODY_BYTES_MAX + 1_500)))
    assert told[0].endswith("x ... and 1,500 bytes")
    assert len(told[0]) < TRACE_BODY_BYTES_MAX + 200


def test_only_the_first_exchanges_are_told() -> None:
    """A load with --verbose shows a bounded number of requests, and says where it stops."""
    told: list[str] = []
    tracer = Tracer(told.append, Masking())
    numbers = [tracer.sent(1, REQUEST) for _ in range(TRACED_EXCHANGES_MAX + 5)]
    assert numbers[-5:] == [0] * 5
    assert len(told) == TRACED_EXCHANGES_MAX
    assert "the rest is not shown" in told[-1].splitlines()[0]


def test_what_got_no_answer_says_why() -> None:
    """A failure has no head, only its kind."""
    told: list[str] = []
    failed = Response(0, "timeout", False, b"", b"", 9_000_000, Scope(Tape(0), "s"))
    Tracer(told.append, Masking()).answered(1, 0, failed)
    assert told == ["< 1 9 ms timeout"]
