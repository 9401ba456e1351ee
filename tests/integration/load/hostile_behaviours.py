"""What the hostile server does over HTTP, and the kind of failure that each must count as."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import brotli
import zstandard
from tests.integration.load.hostile import GOOD, Drip, Flood, Script, Step

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CODED = {"headers": {"Accept-Encoding": "gzip, deflate, br, zstd"}}
LIMIT = 1 << 20  # of bytes kept, while these are tested
BOMB = b"\0" * (8 * LIMIT)
IMPATIENT_S = 0.4
PATIENT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One thing that a server may do.

    `kinds`: the failures that it may count as, the empty one being none.
    """

    name: str
    script: Script
    kinds: tuple[str, ...]
    timeout: float = PATIENT_S
    options: Mapping[str, Any] = field(default_factory=dict)
    at_once: bool = False


def sends(name: str, data: bytes, *kinds: str, **options: Any) -> Behaviour:
    """Describe a server that sends bytes and closes."""
    return Behaviour(name=name, script=[data, Step.CLOSE], kinds=kinds, options=options)


def plays(name: str, script: Script, *kinds: str, timeout: float = PATIENT_S) -> Behaviour:
    """Describe a server that plays a script."""
    return Behaviour(name=name, script=script, kinds=kinds, timeout=timeout)


def coded(name: str, coding: str, body: bytes, kind: str) -> Behaviour:
    """Describe a server whose body is not what its coding says."""
    head = OK + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return Behaviour(name=name, script=[head + body], kinds=(kind,), options=CODED)


def redirects(name: str, location: str, kind: str) -> Behaviour:
    """Describe a server that sends its users elsewhere."""
    answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return Behaviour(name=name, script=[answer.encode()], kinds=(kind,), options={"follow": 3})


def head(line: bytes) -> bytes:
    """Return a response with one more header line."""
    return OK + line + b"\r\nContent-Length: 2\r\n\r\nok"


NO_HTTP = [
    sends("garbage", b"this is no HTTP at all\r\n\r\n", "protocol"),
    sends("binary noise", bytes(range(256)), "protocol"),
    sends("an alert of TLS", b"\x15\x03\x03\x00\x02\x02\x28", "protocol"),
    sends("a frame of HTTP/2", b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18, "protocol"),
    sends("a version that is none", b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", "protocol"),
    sends("a status of words", b"HTTP/1.1 fine OK\r\nContent-Length: 0\r\n\r\n", "protocol"),
    sends("a status of five digits", b"HTTP/1.1 99999 X\r\nContent-Length: 0\r\n\r\n", "protocol"),
    sends("a status below all", b"HTTP/1.1 7 X\r\nContent-Length: 0\r\n\r\n", "protocol"),
    sends("empty lines", b"\r\n" * 50, "closed", "protocol"),
    sends("a request", b"GET / HTTP/1.1\r\nHost: you\r\n\r\n", "protocol"),
]
HEADS = [
    plays("a head without end", [OK, Flood(data=b"X-Pad: " + b"y" * 90 + b"\r\n")], "protocol"),
    plays("a header without end", [OK + b"X-Pad: ", Flood(data=b"y" * 100)], "protocol"),
    sends("a header of 2 MB", head(b"X-Pad: " + b"y" * 2_000_000), "protocol"),
    sends("400,000 headers", head(b"X: y\r\n" * 400_000 + b"Z: z"), "protocol"),
    sends("NUL in a value", head(b"X-Seen: a\0b"), "protocol"),
    sends("NUL in a name", head(b"X-\0Seen: ab"), "protocol"),
    sends("a header without colon", head(b"X-Seen"), "protocol"),
    sends("a blank before the colon", head(b"X-Seen : ab"), "protocol"),
    sends("a negative length", OK + b"Content-Length: -2\r\n\r\nok", "protocol"),
    sends("a length of words", OK + b"Content-Length: two\r\n\r\nok", "protocol"),
    sends(
        "a length beyond 64 bits", OK + b"Content-Length: %b\r\n\r\nok" % (b"9" * 25), "protocol"
    ),
    sends("two lengths", OK + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\nok", "protocol"),
    sends(
        "a length and chunks",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "protocol",
    ),
    sends(
        "a protocol nobody asked for",
        b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "protocol",
    ),
    plays(
        "interim answers without end", [Flood(data=b"HTTP/1.1 100 Continue\r\n\r\n")], "protocol"
    ),
    sends("an interim answer and no other", b"HTTP/1.1 103 Hints\r\n\r\n", "closed"),
]
CHUNKS = [
    sends("a chunk of a size in words", CHUNKED + b"xyz\r\nok\r\n0\r\n\r\n", "protocol"),
    sends("a chunk of a negative size", CHUNKED + b"-2\r\nok\r\n0\r\n\r\n", "protocol"),
    sends("a chunk beyond 64 bits", CHUNKED + b"f" * 20 + b"\r\nok", "protocol"),
    sends("a chunk longer than it says", CHUNKED + b"2\r\nokay\r\n0\r\n\r\n", "protocol"),
    sends("a chunk cut off", CHUNKED + b"ff\r\nonly this", "closed"),
    sends("chunks without a last one", CHUNKED + b"2\r\nok\r\n", "closed"),
    plays(
        "chunks without end",
        [CHUNKED, Flood(data=b"400\r\n" + b"x" * 1024 + b"\r\n")],
        "response too large",
    ),
    plays(
        "a chunk extension without end",
        [CHUNKED + b"2;", Flood(data=b"x" * 100)],
        "response too large",
        "protocol",
    ),
    plays(
        "trailers without end",
        [CHUNKED + b"2\r\nok\r\n0\r\n", Flood(data=b"X-T: y\r\n")],
        "response too large",
        "protocol",
    ),
]
BODIES = [
    sends("no answer", b"", "closed"),
    sends("half a status line", b"HTTP/1.1 2", "closed"),
    sends("half a head", OK + b"Content-Len", "closed"),
    sends("half a body", OK + b"Content-Length: 100\r\n\r\nonly this", "closed"),
    sends("a body of a petabyte", OK + b"Content-Length: 1000000000000000\r\n\r\nx", "closed"),
    plays("a body without end", [OK + b"\r\n", Flood(data=b"x" * 1000)], "response too large"),
    plays("two answers", [GOOD * 2], ""),
    plays("more than the length", [GOOD + b"and this"], ""),
    plays("a body where none may be", [b"HTTP/1.1 204 No Content\r\n\r\nbody"], ""),
    Behaviour(
        name="an answer before the request",
        script=[GOOD, Step.CLOSE],
        kinds=("closed", "reset", "connect reset", ""),
        at_once=True,
    ),
]
RESETS = [
    Behaviour(
        name="reset at once", script=[Step.RESET], kinds=("reset", "connect reset"), at_once=True
    ),
    plays("reset before the answer", [Step.RESET], "reset"),
    plays("reset in the head", [OK + b"Content-", Step.RESET], "reset"),
    plays("reset in the body", [OK + b"Content-Length: 100\r\n\r\nonly", Step.RESET], "reset"),
    plays("reset in a chunk", [CHUNKED + b"ff\r\nonly", Step.RESET], "reset"),
    plays("reset after an interim answer", [b"HTTP/1.1 100 Continue\r\n\r\n", Step.RESET], "reset"),
]
SILENCE = [
    plays("silence", [Step.HOLD], "timeout", timeout=IMPATIENT_S),
    plays("silence in the head", [OK, Step.HOLD], "timeout body", timeout=IMPATIENT_S),
    plays(
        "silence in the body",
        [OK + b"Content-Length: 9\r\n\r\nx", Step.HOLD],
        "timeout body",
        timeout=IMPATIENT_S,
    ),
    plays("a head drop by drop", [OK, Drip(data=b"X: y\r\n")], "timeout body", timeout=IMPATIENT_S),
    plays(
        "a body drop by drop",
        [OK + b"Content-Length: 99999\r\n\r\n", Drip(data=b"x")],
        "timeout body",
        timeout=IMPATIENT_S,
    ),
    Behaviour(
        name="a late first byte",
        script=[Step.HOLD],
        kinds=("timeout first byte",),
        options={"first_byte_timeout": IMPATIENT_S},
    ),
]
CODINGS = [
    coded("gzip that is none", "gzip", b"not gzip at all", "decode broken"),
    coded("gzip cut off", "gzip", gzip.compress(b"x" * 1000)[:-9], "decode broken"),
    coded(
        "gzip with a wrong checksum",
        "gzip",
        gzip.compress(b"x" * 99)[:-8] + b"\0" * 8,
        "decode broken",
    ),
    coded("gzip with garbage behind it", "gzip", gzip.compress(b"x") + b"garbage", "decode broken"),
    coded("a bomb of gzip", "gzip", gzip.compress(BOMB), "decode too large"),
    coded(
        "a bomb of many gzip members", "gzip", gzip.compress(b"\0" * LIMIT) * 3, "decode too large"
    ),
    coded("a bomb of deflate", "deflate", zlib.compress(BOMB), "decode too large"),
    coded("a bomb of br", "br", brotli.compress(BOMB), "decode too large"),
    coded("br that is none", "br", b"not brotli at all", "decode broken"),
    coded("br cut off", "br", brotli.compress(bytes(range(256)) * 9)[:-5], "decode broken"),
    coded("a bomb of zstd", "zstd", zstandard.compress(BOMB), "decode too large"),
    coded("zstd that is none", "zstd", b"not zstd at all", "decode broken"),
    coded("a coding nobody knows", "rot13", b"uryyb", "decode unknown"),
    coded("gzip in gzip in gzip in gzip", "gzip, gzip, gzip, gzip", b"x", "decode unknown"),
]
REDIRECTS = [
    redirects("a redirect to itself", "/", "redirect limit"),
    redirects("a redirect to another host", "http://other.invalid/", "redirect refused"),
    redirects("a redirect to another host by //", "//other.invalid/", "redirect refused"),
    redirects("a redirect to another port", "http://127.0.0.1:1/", "redirect refused"),
    redirects("a redirect to another scheme", "https://127.0.0.1/", "redirect refused"),
    redirects("a redirect to a file", "file:///etc/passwd", "redirect refused"),
    redirects("a redirect with a user", "http://127.0.0.1:80@other.invalid/", "redirect refused"),
    redirects("a redirect to no URL", "http://[::1", "redirect refused"),
]
BEHAVIOURS = [
    *NO_HTTP,
    *HEADS,
    *CHUNKS,
    *BODIES,
    *RESETS,
    *SILENCE,
    *CODINGS,
    *REDIRECTS,
]
