"""Make text that came from a target harmless to look at, on a terminal as in a page.

Control characters steer terminals and break XML; bidirectional controls make text read as
something else; lone surrogates cannot be encoded. All of them are shown as escapes instead.
"""

from __future__ import annotations

import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_STEERING = re.compile(f"[\x00-\x1f\x7f-\x9f{_BIDI}\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_STEERING_BUT_LAYOUT = re.compile(_STEERING.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
_PIECE = re.compile(r"[^,:;{}/=&?_-]*[,:;{}/=&?_-]*")
_PLAIN = str.maketrans(
    {
        "—": "-",
        "\N{EN DASH}": "-",
        "·": ";",
        "\N{MULTIPLICATION SIGN}": "x",
        "≤": "<=",
        "≥": ">=",
        "…": "...",
        "∞": "inf",
        "±": "+-",
    }
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def printable(text: str, *, layout: bool = False) -> str:
    """Return `text` with everything that steers a display escaped; `layout` keeps line ends."""
    pattern = _STEERING_BUT_LAYOUT if layout else _STEERING
    return pattern.sub(_escape, text)


def shortened(text: str, length: int) -> str:
    """Return `text`, printable and cut to `length` characters with an ellipsis."""
    clean = printable(text[: length + 1])
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def ascii_only(text: str) -> str:
    """Return `text` in ASCII: our own signs spelt out, everything else escaped."""
    return (
        text.replace(" · ", "; ")
        .translate(_PLAIN)
        .encode("ascii", "backslashreplace")
        .decode("ascii")
    )


def breakable(text: str) -> list[str]:
    """Return `text` in pieces between which a line may break, such as after commas and slashes."""
    return [piece for piece in _PIECE.findall(text) if piece]
