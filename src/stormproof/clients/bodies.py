"""Bodies of requests: forms, multipart forms, streams in chunks."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from urllib.parse import urlencode

Scalar = str | int | float | bool
Form = Mapping[str, Scalar | Sequence[Scalar]]
File = bytes | tuple[str, bytes] | tuple[str, bytes, str]  # data; file name, data; content type
Files = Mapping[str, File]
Stream = AsyncIterable[bytes] | Iterable[bytes]

FORM_TYPE = b"application/x-www-form-urlencoded"
FILE_TYPE = "application/octet-stream"


def encode_form(form: Form) -> bytes:
    """Encode a form; a list is the same field several times."""
    return urlencode(form, doseq=True).encode()


def encode_multipart(form: Form, files: Files) -> tuple[bytes, bytes]:
    """Return the content type and the body of a multipart form.

    The boundary comes from what is sent, so that the same form is the same bytes in every run.

    Raises:
        ValueError: a name would break out of its line.
    """
    parts = [_part(name, str(value).encode()) for name, value in _pairs(form)]
    for name, file in files.items():
        file_name, data, content_type = _described(name, file)
        parts.append(_part(name, data, file_name, content_type))
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    mark = f"--{digest}\r\n".encode()
    body = b"".join(mark + part for part in parts) + f"--{digest}--\r\n".encode()
    return f"multipart/form-data; boundary={digest}".encode(), body


def chunk(data: bytes) -> bytes:
    """Frame a piece of a body whose length is not known; an empty one ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def pieces_of(stream: Stream) -> AsyncIterator[bytes]:
    """Yield the pieces of a stream, none of them empty."""
    if isinstance(stream, AsyncIterable):
        async for piece in stream:
            if piece:
                yield piece
    else:
        for piece in stream:
            if piece:
                yield piece


def _pairs(form: Form) -> Iterable[tuple[str, Scalar]]:
    for name, value in form.items():
        if isinstance(value, str | int | float):
            yield name, value
        else:
            for one in value:
                yield name, one


def _described(name: str, file: File) -> tuple[str, bytes, str]:
    if isinstance(file, bytes):
        return name, file, FILE_TYPE
    return (file[0], file[1], FILE_TYPE) if len(file) == 2 else file


def _part(name: str, data: bytes, file_name: str = "", content_type: str = "") -> bytes:
    lines = f'Content-Disposition: form-data; name="{_quoted(name)}"'
    if file_name:
        lines += f'; filename="{_quoted(file_name)}"'
    if content_type:
        lines += f"\r\nContent-Type: {_line(content_type)}"
    return lines.encode() + b"\r\n\r\n" + data + b"\r\n"


def _quoted(text: str) -> str:
    """Quote a name as browsers do."""
    return _line(text).replace('"', "%22")


def _line(text: str) -> str:
    if "\r" in text or "\n" in text:
        raise ValueError(f"{text!r} holds a line break")
    return text
