"""What WebSocket servers do wrong, as scripts: during the handshake, and once they are open."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.integration.load.websocket_peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    Peer,
    Script,
    close_frame,
    frame,
)

RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10
FLOOD_BYTES = 8 << 20  # if they are kept as they come
KEPT_BYTES = 50  # that a small object takes at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """A server, the kind of failure that it must be counted as, and the code of the close."""

    script: Script
    error: str
    code: int = 0


def _answering(data: bytes, *, then: str = "finish") -> Script:
    """Read the request, say `data`, and then finish, reset or stay."""

    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(data)
        await _end(peer, then)

    return script


def _answering_own(make: Callable[[Peer], bytes]) -> Script:
    """Read the request and say what `make` makes of it."""

    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(make(peer))
        await peer.rest()

    return script


def _saying(data: bytes, *, then: str = "stay") -> Script:
    """Open, read one message, say `data`, and then finish, reset or stay."""

    async def script(peer: Peer) -> None:
        await peer.open()
        await peer.read()
        await peer.send(data)
        await _end(peer, then)

    return script


async def _end(peer: Peer, how: str) -> None:
    if how == "finish":
        peer.finish()
    elif how == "reset":
        peer.reset()
    else:
        await peer.rest()


async def _leave_at_once(peer: Peer) -> None:
    peer.finish()


async def _drip(peer: Peer) -> None:
    """Send the answer's bytes so slowly that it never comes to an end."""
    await peer.read_head()
    for byte in peer.answer(*[b"X-Pad: %d" % number for number in range(1_000)]):
        await peer.send(bytes([byte]))
        await asyncio.sleep(0.002)


async def _endless_head(peer: Peer) -> None:
    await peer.read_head()
    await peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await peer.send(b"X-Pad: " + b"y" * 1_000 + b"\r\n")


def _in_one_piece(data: bytes) -> Script:
    """Send `data` together with the answer to the handshake."""
    return _answering_own(lambda peer: peer.answer() + data)


def _status(code: int, extra: bytes = b"") -> Script:
    return _answering(b"HTTP/1.1 %d X\r\n%bContent-Length: 0\r\n\r\n" % (code, extra), then="stay")


HANDSHAKES: dict[str, Behaviour] = {
    "leaves at once": Behaviour(script=_leave_at_once, error="closed"),
    "says nothing": Behaviour(script=Peer.rest, error="timeout"),
    "reads and leaves": Behaviour(script=_answering(b""), error="closed"),
    "reads and resets": Behaviour(script=_answering(b"", then="reset"), error="closed"),
    "half a head, then the end": Behaviour(script=_answering(b"HTTP/1.1 101 Sw"), error="closed"),
    "half a head, then a reset": Behaviour(
        script=_answering(b"HTTP/1.1 101 Sw", then="reset"), error="closed"
    ),
    "half a head, then silence": Behaviour(
        script=_answering(b"HTTP/1.1 101 Sw", then="stay"), error="timeout"
    ),
    "drips": Behaviour(script=_drip, error="timeout"),
    "garbage": Behaviour(script=_answering(b"\x00\x01\x02 what?\r\n\r\n"), error="protocol"),
    "no status": Behaviour(script=_answering(b"HTTP/1.1 abc X\r\n\r\n"), error="protocol"),
    "unknown status": Behaviour(script=_status(799), error="protocol"),
    "another version": Behaviour(
        script=_answering_own(lambda peer: peer.answer().replace(b"HTTP/1.1", b"HTTP/1.0")),
        error="protocol",
    ),
    "200": Behaviour(script=_status(200), error="http 200"),
    "403": Behaviour(script=_status(403), error="http 403"),
    "503": Behaviour(script=_status(503), error="http 503"),
    "redirect elsewhere": Behaviour(
        script=_status(302, b"Location: ws://example.invalid/\r\n"), error="http 302"
    ),
    "wrong accept": Behaviour(
        script=_answering_own(lambda peer: peer.answer(key=b"another")), error="protocol"
    ),
    "no accept": Behaviour(
        script=_answering(
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", then="stay"
        ),
        error="protocol",
    ),
    "101 without upgrade": Behaviour(
        script=_answering(b"HTTP/1.1 101 X\r\n\r\n", then="stay"), error="protocol"
    ),
    "101 with a body": Behaviour(
        script=_answering_own(lambda peer: peer.answer(b"Content-Length: 5")), error="protocol"
    ),
    "head without end": Behaviour(script=_endless_head, error="protocol"),
    "too many headers": Behaviour(
        script=_answering_own(lambda peer: peer.answer(*[b"X: y"] * 500)), error="protocol"
    ),
    "header that is none": Behaviour(
        script=_answering_own(lambda peer: peer.answer(b"no colon")), error="protocol"
    ),
    "subprotocol that nobody offered": Behaviour(
        script=_answering_own(lambda peer: peer.answer(b"Sec-WebSocket-Protocol: other")),
        error="protocol",
    ),
    "extension that nobody offered": Behaviour(
        script=_answering_own(
            lambda peer: peer.answer(b"Sec-WebSocket-Extensions: permessage-deflate")
        ),
        error="protocol",
    ),
}

_BREACHES = {
    "masked frame": frame(TEXT, b"masked", masked=True),
    "first reserved bit": frame(TEXT, b"x", first=FIN | RSV1 | TEXT),
    "second reserved bit": frame(TEXT, b"x", first=FIN | RSV2 | TEXT),
    "third reserved bit on a ping": frame(PING, b"x", first=FIN | RSV3 | PING),
    "reserved opcode": frame(3, b"x"),
    "reserved control opcode": frame(11, b"x"),
    "ping in fragments": frame(PING, b"x", first=PING),
    "close in fragments": frame(CLOSE, b"\x03\xe8", first=CLOSE),
    "ping that is too long": frame(PING, b"x" * 126),
    "length with its first bit set": b"\x81\x7f" + struct.pack(">Q", 1 << 63),
    "length in more bytes than needed": b"\x81\x7e" + struct.pack(">H", 5) + b"hello",
    "continuation of nothing": frame(CONTINUATION, b"x"),
    "message within a message": frame(TEXT, b"a", first=TEXT) + frame(TEXT, b"b"),
    "binary within a text": frame(TEXT, b"a", first=TEXT) + frame(BINARY, b"b"),
    "close of one byte": frame(CLOSE, b"\x03"),
    "close 1005 on the wire": close_frame(1005),
    "close 999": close_frame(999),
}


async def _endless_fragments(peer: Peer) -> None:
    """Begin a message and never end it."""
    await peer.open()
    await peer.read()
    await peer.send(frame(TEXT, b"", first=TEXT))
    while True:
        await peer.send(frame(CONTINUATION, b"x" * 1_000, first=CONTINUATION) * 10)


OPEN: dict[str, Behaviour] = {
    **{
        name: Behaviour(script=_saying(data), error="protocol", code=1002)
        for name, data in _BREACHES.items()
    },
    "breach with the handshake": Behaviour(
        script=_in_one_piece(frame(3)), error="protocol", code=1002
    ),
    "no UTF-8": Behaviour(script=_saying(frame(TEXT, b"\xff\xfe")), error="protocol", code=1007),
    "no UTF-8 in fragments": Behaviour(
        script=_saying(frame(TEXT, b"\xe2\x82", first=TEXT) + frame(CONTINUATION, b"x")),
        error="protocol",
        code=1007,
    ),
    "no UTF-8 in a reason": Behaviour(
        script=_saying(close_frame(1000, b"\xff")), error="protocol", code=1007
    ),
    "message that is too long": Behaviour(
        script=_saying(frame(TEXT, b"x" * 70_000)), error="message too large", code=1009
    ),
    "length beyond everything": Behaviour(
        script=_saying(b"\x82\x7f" + struct.pack(">Q", 1 << 40)),
        error="message too large",
        code=1009,
    ),
    "fragments that are too long together": Behaviour(
        script=_saying(frame(TEXT, b"x" * 40_000, first=TEXT) + frame(CONTINUATION, b"x" * 40_000)),
        error="message too large",
        code=1009,
    ),
    "fragments without end": Behaviour(
        script=_endless_fragments, error="message too large", code=1009
    ),
    "close 1006 on the wire": Behaviour(
        script=_saying(close_frame(1006)), error="protocol", code=1006
    ),
    "close 5000": Behaviour(script=_saying(close_frame(5000)), error="protocol", code=5000),
    "close without a code": Behaviour(script=_saying(frame(CLOSE)), error="closed", code=1005),
    "close 1013": Behaviour(script=_saying(close_frame(1013)), error="closed", code=1013),
    "close 4999": Behaviour(script=_saying(close_frame(4999)), error="closed", code=4999),
    "close, and then more": Behaviour(
        script=_saying(close_frame(4000) + frame(TEXT, b"late") + frame(PING)),
        error="closed",
        code=4000,
    ),
    "end": Behaviour(script=_saying(b"", then="finish"), error="closed", code=1006),
    "reset": Behaviour(script=_saying(b"", then="reset"), error="closed", code=1006),
    "half a frame, then the end": Behaviour(
        script=_saying(frame(TEXT, b"hello")[:4], then="finish"), error="closed", code=1006
    ),
    "half a frame, then a reset": Behaviour(
        script=_saying(frame(TEXT, b"hello")[:1], then="reset"), error="closed", code=1006
    ),
}


async def silent(peer: Peer) -> None:
    """Open, and say nothing more."""
    await peer.open()
    await peer.rest()


async def half_a_frame(peer: Peer) -> None:
    """Open, answer by half a frame, and stay."""
    await peer.open()
    await peer.read()
    await peer.send(frame(TEXT, b"hello")[:4])
    await peer.rest()


async def dripping(peer: Peer) -> None:
    """Answer byte by byte, pongs that nobody asked for in between."""
    await peer.open()
    _, payload = await peer.read()
    for byte in frame(PONG, b"what?") + frame(TEXT, payload):
        await peer.send(bytes([byte]))
        await asyncio.sleep(0)
    await peer.rest()


def flooding(one: bytes, *, reads: bool, before: bytes = b"") -> Callable[[Peer], Awaitable[None]]:
    """Return a server that floods with a frame before it answers, reading what comes or not."""

    async def script(peer: Peer) -> None:
        await peer.open()
        _, payload = await peer.read()
        await peer.send(before)
        reading = asyncio.ensure_future(_read_all(peer)) if reads else None
        try:
            for _ in range(FLOOD_BYTES // max(len(one), KEPT_BYTES) // 1_000):
                await peer.send(one * 1_000)
            await peer.send(frame(CONTINUATION if before else TEXT, payload))
            await asyncio.Event().wait()
        finally:
            if reading is not None:
                reading.cancel()

    return script


async def _read_all(peer: Peer) -> None:
    await peer.rest()
