"""Content codings undone: gzip, deflate, br, zstd; never more than so much of it.

A body of a few kilobytes can claim to hold gigabytes: each decoder gives at most what is kept, and
one that has more to give is a failure.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from stormproof.kernel.limits import DECODED_BYTES_MAX

CODINGS_MAX = 3  # one over the other
BROKEN, TOO_LARGE, UNKNOWN = "decode broken", "decode too large", "decode unknown"
_ZSTD_WINDOW_BYTES_MAX = 8 << 20  # RFC 9659
_GZIP_OR_ZLIB, _RAW = 47, -15  # zlib's `wbits`


class DecodeFailure(Exception):
    """The body cannot be decoded; the text is the kind of failure."""


def decode(body: bytes, codings: str) -> bytes:
    """Undo the codings of a Content-Encoding header, the last one first.

    Raises:
        DecodeFailure: the body is broken, or larger than is kept, or a coding is unknown.
    """
    named = [coding.strip().lower() for coding in codings.split(",")]
    if len(named) > CODINGS_MAX:
        raise DecodeFailure(UNKNOWN)
    for coding in reversed(named):
        if coding in ("", "identity"):
            continue
        undo = _DECODERS.get(coding)
        if undo is None:
            raise DecodeFailure(UNKNOWN)
        body = undo(body)
    return body


def _gunzip(body: bytes) -> bytes:
    """Undo gzip, of one or more members one after the other."""
    pieces: list[bytes] = []
    left = DECODED_BYTES_MAX
    while body:
        piece, body = _inflate(body, _GZIP_OR_ZLIB, left)
        left -= len(piece)
        pieces.append(piece)
    return b"".join(pieces)


def _deflate(body: bytes) -> bytes:
    """Undo deflate: with zlib's header, as the standard says, or without, as some servers do."""
    try:
        return _inflate(body, _GZIP_OR_ZLIB, DECODED_BYTES_MAX)[0]
    except DecodeFailure as problem:
        if str(problem) == TOO_LARGE:
            raise
        return _inflate(body, _RAW, DECODED_BYTES_MAX)[0]


def _inflate(body: bytes, window_bits: int, bytes_max: int) -> tuple[bytes, bytes]:
    """Return one stream undone, and what follows it."""
    decoder = zlib.decompressobj(window_bits)
    try:
        data = decoder.decompress(body, bytes_max + 1)
    except zlib.error:
        raise DecodeFailure(BROKEN) from None
    if len(data) > bytes_max:
        raise DecodeFailure(TOO_LARGE)
    if not decoder.eof:
        raise DecodeFailure(BROKEN)
    return data, decoder.unused_data


def _unbrotli(body: bytes) -> bytes:
    import brotli

    decoder = brotli.Decompressor()
    pieces: list[bytes] = []
    left = DECODED_BYTES_MAX
    try:
        while not decoder.is_finished():
            piece = decoder.process(body, output_buffer_limit=left + 1)
            body = b""
            left -= len(piece)
            pieces.append(piece)
            if left < 0:
                raise DecodeFailure(TOO_LARGE)
            if not piece and decoder.can_accept_more_data():
                raise DecodeFailure(BROKEN)  # it ends before it says so
    except brotli.error:
        raise DecodeFailure(BROKEN) from None
    return b"".join(pieces)


def _unzstd(body: bytes) -> bytes:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX).stream_reader(
        body, read_across_frames=True
    )
    try:
        data = reader.read(DECODED_BYTES_MAX + 1)
    except zstandard.ZstdError:
        raise DecodeFailure(BROKEN) from None
    if len(data) > DECODED_BYTES_MAX:
        raise DecodeFailure(TOO_LARGE)
    return data


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _deflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
