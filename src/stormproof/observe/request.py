"""One HTTP request for a probe or a scrape, on a connection of its own; what goes wrong is data."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from stormproof.kernel.limits import ANSWER_CHUNKS_MAX
from stormproof.observe.door import Door

ANSWER_BYTES_MAX = 64 << 10
STATUS_DIGITS = 3
PIECE_BYTES = 64 << 10
HEAD_BYTES_MAX = 64 << 10
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `status` 0 and an `error` when there was no answer.

    `is_marked`: its end was to be marked; `is_whole`: and the mark was seen. Else nobody knows.
    """

    status: int = 0
    body: bytes = b""
    error: str = ""
    is_marked: bool = False
    is_whole: bool = False
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Framing:
    """What the head says of a body: its type, where it begins, and how its end is marked: by a
    length, by a last chunk, or not at all."""

    body_at: int
    length: int | None
    is_chunked: bool
    content_type: str

    def is_whole(self, data: bytearray) -> bool:
        if self.is_chunked:
            return data.endswith(_LAST_CHUNK)
        return self.length is not None and len(data) - self.body_at >= self.length


async def ask(
    door: Door,
    *,
    method: str = "GET",
    path: str,
    body: str = "",
    token: str = "",
    accept: str = "application/json",
    headers: Mapping[str, str] | None = None,
    bytes_max: int = ANSWER_BYTES_MAX,
    timeout_s: float,
) -> Answer:
    """Send one request and read its whole answer, at most `bytes_max`, within `timeout_s`."""
    writer: asyncio.StreamWriter | None = None
    told = {"Connection": "close", "Accept": accept, **(headers or {})}
    if token:
        told["Authorization"] = f"Bearer {token}"
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await door.open()
            writer.write(_request(door.authority, method, path, body, told))
            data = await _read_all(reader, bytes_max)
        if len(data) <= ANSWER_BYTES_MAX:
            return _parse(data)
        return await asyncio.to_thread(_parse, data)  # many small chunks must not hold up the loop
    except TimeoutError:
        return Answer(error="timeout")
    except OSError as error:
        return Answer(error=_reason(error))
    except ValueError as error:
        return Answer(error=f"protocol: {error}")
    finally:
        if writer is not None:
            writer.close()


def _request(
    authority: str, method: str, path: str, body: str, headers: Mapping[str, str]
) -> bytes:
    data = body.encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if data:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def _read_all(reader: asyncio.StreamReader, bytes_max: int) -> bytearray:
    """Read until the answer is whole by its own mark, or else until the peer closes."""
    data = bytearray()
    framing: _Framing | None = None
    while len(data) <= (framing.body_at + bytes_max if framing else HEAD_BYTES_MAX):
        piece = await reader.read(PIECE_BYTES)
        if not piece:
            return data
        data += piece
        framing = framing or _framing_of(data)
        if framing is not None and framing.is_whole(data):
            return data
    raise ValueError(f"the answer is over {_size_text(bytes_max)}")


def _size_text(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def _framing_of(data: bytearray) -> _Framing | None:
    """Return how a body is framed; None while its head is not whole."""
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    length: int | None = None
    is_chunked, content_type = False, ""
    for line in bytes(data[:end]).split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        match name.strip().lower():
            case b"content-length" if value.strip().isdigit():
                length = int(value)
            case b"content-type":
                content_type = value.strip().lower().decode("latin-1")
            case b"transfer-encoding":
                is_chunked = value.strip().lower().endswith(b"chunked")
    return _Framing(
        body_at=end + len(_HEAD_END),
        length=length,
        is_chunked=is_chunked,
        content_type=content_type,
    )


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"tls: {(error.reason or 'failed').lower().replace('_', ' ')}"
    return (error.strerror or type(error).__name__).lower()


def _parse(data: bytearray) -> Answer:
    framing = _framing_of(data)
    words = bytes(data[:HEAD_BYTES_MAX]).split(b"\r\n", 1)[0].split(b" ", 2)
    if framing is None or len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        raise ValueError("no HTTP answer" if data else "closed without an answer")
    if len(words[1]) != STATUS_DIGITS or not words[1].isdigit():
        raise ValueError("no HTTP answer")
    body, is_whole = bytes(data[framing.body_at :]), framing.is_whole(data)
    if framing.is_chunked:
        body, is_whole = _unchunked(body)
    return Answer(
        status=int(words[1]),
        body=body,
        is_marked=framing.is_chunked or framing.length is not None,
        is_whole=is_whole,
        content_type=framing.content_type,
    )


def _unchunked(data: bytes) -> tuple[bytes, bool]:
    """Return a body out of its chunks, and whether the last one came.

    Raises:
        ValueError: these are no chunks, or more than ANSWER_CHUNKS_MAX.
    """
    pieces: list[bytes] = []
    at = 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end].partition(b";")[0], 16)
        if size < 0:
            raise ValueError("a chunk has no size")
        if size == 0:
            return b"".join(pieces), True
        if len(pieces) >= ANSWER_CHUNKS_MAX:
            raise ValueError(f"the answer comes in over {ANSWER_CHUNKS_MAX} chunks")
        pieces.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(pieces), False
