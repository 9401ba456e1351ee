"""What came from a target cannot steer what shows it."""

from __future__ import annotations

from tests.unit.report.hostile import STEERING

from stormproof.report.printable import ascii_only, breakable, printable, shortened


def test_steering_characters_are_spelt_out() -> None:
    """Escape sequences, line ends, bidirectional controls and surrogates become visible text."""
    assert printable("a\x1b[31mb\nc\u202ed\ud800") == r"a\x1b[31mb\x0ac\u202ed\ud800"


def test_layout_keeps_line_ends() -> None:
    """Line ends and tabs of a kept body stay where layout is wanted; nothing else does."""
    assert printable("a\n\tb\rc", layout=True) == "a\n\tb\\x0dc"


def test_ordinary_text_is_untouched() -> None:
    """Accents, other scripts and symbols are no danger and stay as they are."""
    text = "naïve 東京 … ✓ — ±"
    assert printable(text) == text


def test_ascii_only() -> None:
    """Our own signs have ASCII spellings, everything else is escaped, and nothing is left."""
    assert ascii_only("1 · 2 \N{EN DASH} 3 ± é") == "1; 2 - 3 +- \\xe9"
    assert ascii_only(printable(STEERING)).isascii()


def test_shortened() -> None:
    """A text is cut to its length with an ellipsis, and a short one stays."""
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"


def test_breakable_loses_nothing() -> None:
    """The pieces of a name make up the name again."""
    name = "http_req_duration{name:GET /api/posts/{id},window:calm}: p(95)<300"
    pieces = breakable(name)
    assert "".join(pieces) == name
    assert len(pieces) > 5
