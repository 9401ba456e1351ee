"""Take secrets out of what is kept, by what gives them away: their names and their looks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "***"
# One look ahead and no way back: text of a target's choosing must not take its time on us.
TELLING_NAMES: Final = (
    r"(?=[\w-]*?(?:pass|secret|token|ticket|credential|api[_-]?key|cookie|session))[\w-]++"
)
_PATTERNS = (
    # "name": "value" and name=value, where the name says that the value is a secret
    re.compile(rf'("(?:{TELLING_NAMES})"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE),
    re.compile(rf"((?<![\w-])(?:{TELLING_NAMES})=)[^\s&;,\"]+", re.IGNORECASE),
    re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]+", re.IGNORECASE),
    # a line of a message's head
    re.compile(r"^((?:Set-Cookie|Cookie|Authorization):\s*)[^\r\n]+", re.IGNORECASE | re.MULTILINE),
    # a JSON web token gives itself away
    re.compile(r"()\beyJ[\w-]{8,}+\.[\w-]+(?:\.[\w-]*)?"),
    # the password of a URL
    re.compile(r"(://[^:/@\s]*:)[^@/\s]+(?=@)"),
)


def mask_secrets(text: str) -> str:
    """Replace the values of what is called a secret by `***`; their names stay readable."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{MASK}", text)
    return text


def hide(text: str, values: Iterable[str]) -> str:
    """Replace values that are known to be secret by `***`, as they are written."""
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text
