"""One small HTTP request for a probe, on a connection of its own; what goes wrong is data."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from stormproof.observe.door import Door

ANSWER_BYTES_MAX = 64 << 10
STATUS_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `status` 0 and an `error` when there was no answer."""

    status: int = 0
    body: bytes = b""
    error: str = ""


async def ask(
    door: Door,
    *,
    method: str = "GET",
    path: str,
    body: str = "",
    token: str = "",
    timeout_s: float,
) -> Answer:
    """Send one request and read its whole answer, at most 64 KiB, within `timeout_s`."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await door.open()
            writer.write(_request(door.authority, method, path, body, token))
            data = await _read_all(reader)
        return _parse(data)
    except TimeoutError:
        return Answer(error="timeout")
    except OSError as error:
        return Answer(error=_reason(error))
    except ValueError as error:
        return Answer(error=f"protocol: {error}")
    finally:
        if writer is not None:
            writer.close()


def _request(authority: str, method: str, path: str, body: str, token: str) -> bytes:
    data = body.encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {authority}",
        "Connection: close",
        "Accept: application/json",
    ]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if data:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    """Read until the answer is whole by its Content-Length, or else until the peer closes."""
    data = b""
    while len(data) <= ANSWER_BYTES_MAX:
        piece = await reader.read(ANSWER_BYTES_MAX)
        if not piece:
            return data
        data += piece
        if _is_whole(data):
            return data
    raise ValueError("the answer is over 64 KiB")


def _is_whole(data: bytes) -> bool:
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"tls: {(error.reason or 'failed').lower().replace('_', ' ')}"
    return (error.strerror or type(error).__name__).lower()


def _parse(data: bytes) -> Answer:
    head, mark, body = data.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if not mark or len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        raise ValueError("no HTTP answer" if data else "closed without an answer")
    if len(words[1]) != STATUS_DIGITS or not words[1].isdigit():
        raise ValueError("no HTTP answer")
    return Answer(status=int(words[1]), body=body)
