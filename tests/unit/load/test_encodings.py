"""Content codings undone, bounded, and what is wrong with them told apart."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard

from stormproof.clients.encodings import BROKEN, TOO_LARGE, UNKNOWN, DecodeFailure, decode

TEXT = b"the same again and again, " * 400


def raw_deflate(data: bytes) -> bytes:
    """Compress without zlib's header, as some servers do."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("codings", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("GZip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("br", brotli.compress(TEXT)),
        ("zstd", zstandard.compress(TEXT)),
        ("identity", TEXT),
        ("", TEXT),
        ("gzip, br", brotli.compress(gzip.compress(TEXT))),
    ],
)
def test_codings_are_undone(codings: str, body: bytes) -> None:
    """Each coding, also one over the other, gives back what was sent."""
    assert decode(body, codings) == TEXT


@pytest.mark.parametrize(
    ("codings", "body", "kind"),
    [
        ("gzip", b"", ""),
        ("gzip", b"\x1f\x8b", BROKEN),
        ("deflate", b"\xff\xff", BROKEN),
        ("br", brotli.compress(TEXT)[:10], BROKEN),
        ("zstd", b"x", BROKEN),
        ("compress", b"x", UNKNOWN),
        ("gzip, gzip, gzip, gzip", b"x", UNKNOWN),
    ],
)
def test_what_cannot_be_undone_has_a_kind(codings: str, body: bytes, kind: str) -> None:
    """A broken body and an unknown coding are failures of their own kinds."""
    if not kind:
        assert decode(body, codings) == b""
        return
    with pytest.raises(DecodeFailure, match=kind):
        decode(body, codings)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("br", brotli.compress(TEXT)),
        ("zstd", zstandard.compress(TEXT)),
    ],
)
def test_no_more_than_is_kept(coding: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of exactly the limit is whole, one byte more is too large."""
    monkeypatch.setattr("stormproof.clients.encodings.DECODED_BYTES_MAX", len(TEXT))
    assert decode(body, coding) == TEXT
    monkeypatch.setattr("stormproof.clients.encodings.DECODED_BYTES_MAX", len(TEXT) - 1)
    with pytest.raises(DecodeFailure, match=TOO_LARGE):
        decode(body, coding)
