"""Forms, multipart forms and chunks, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesParser

import pytest

from stormproof.clients.bodies import File, chunk, encode_form, encode_multipart, pieces_of


def test_forms_repeat_lists() -> None:
    """A list is the same field several times; everything is quoted."""
    form = encode_form({"a": 1, "b": ["x y", "&"], "c": "\u00e9", "d": True})
    assert form == b"a=1&b=x+y&b=%26&c=%C3%A9&d=True"


def parts_of(kind: bytes, body: bytes) -> list[Message]:
    """Take a multipart body apart with somebody else's parser."""
    whole = BytesParser().parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + body)
    parts = whole.get_payload()
    assert isinstance(parts, list)
    return [part for part in parts if isinstance(part, Message)]


def test_multipart_is_read_by_others() -> None:
    """Fields and files arrive with their names, types and bytes."""
    files: dict[str, File] = {
        "plain": b"\x00\r\n--\xff",
        "named": ("a b.bin", b"two"),
        "typed": ('q"uote.png', b"three", "image/png"),
    }
    kind, body = encode_multipart({"n": 7, "list": ["x", "y"]}, files)
    parts = parts_of(kind, body)
    names = [part.get_param("name", header="content-disposition") for part in parts]
    assert names == ["n", "list", "list", "plain", "named", "typed"]
    assert [part.get_payload(decode=True) for part in parts[3:]] == [
        b"\x00\r\n--\xff",
        b"two",
        b"three",
    ]
    assert [part.get_filename() for part in parts[3:]] == ["plain", "a b.bin", "q%22uote.png"]
    assert parts[5].get_content_type() == "image/png"


def test_multipart_is_the_same_every_time() -> None:
    """The same form is the same bytes, and its boundary is not in what it holds."""
    kind, body = encode_multipart({"a": 1}, {"f": b"data"})
    assert encode_multipart({"a": 1}, {"f": b"data"}) == (kind, body)
    boundary = kind.partition(b"boundary=")[2]
    assert encode_multipart({"a": 1}, {"f": boundary})[0] != kind


def test_names_stay_in_their_line() -> None:
    """A line break in a name or type is refused."""
    with pytest.raises(ValueError, match="line break"):
        encode_multipart({}, {"a\r\nX: y": b""})
    with pytest.raises(ValueError, match="line break"):
        encode_multipart({}, {"a": ("f", b"", "text/plain\r\nX: y")})


def test_chunks_end_with_an_empty_one() -> None:
    """Each piece has its length in hexadecimal; an empty piece would end the body early."""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert chunk(b"") == b"0\r\n\r\n"


def test_streams_of_both_kinds_leave_out_empty_pieces() -> None:
    """Pieces come as they are, none of them empty, whether they are awaited or not."""

    async def later() -> AsyncIterator[bytes]:
        for piece in (b"a", b"", b"b"):
            yield piece

    async def all_of(stream: AsyncIterator[bytes]) -> list[bytes]:
        return [piece async for piece in stream]

    assert asyncio.run(all_of(pieces_of(later()))) == [b"a", b"b"]
    assert asyncio.run(all_of(pieces_of([b"", b"a", b"b"]))) == [b"a", b"b"]
