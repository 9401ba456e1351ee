"""Take secrets out of what is kept of a failed operation's body."""

from __future__ import annotations

import re

MASK = "***"
_NAMES = (
    r"[\w-]*(?:pass(?:word|wd)?|secret|token|ticket|credential|api[_-]?key|cookie|session)[\w-]*"
)
_PATTERNS = (
    # "name": "value" and name=value, where the name says that the value is a secret
    re.compile(rf'("(?:{_NAMES})"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE),
    re.compile(rf"(\b(?:{_NAMES})=)[^\s&;,\"]+", re.IGNORECASE),
    re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]+", re.IGNORECASE),
    # a line of a message's head
    re.compile(r"^((?:Set-Cookie|Cookie|Authorization):\s*)[^\r\n]+", re.IGNORECASE | re.MULTILINE),
    # a JSON web token gives itself away
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"),
)


def mask_secrets(text: str) -> str:
    """Replace the values of secrets by `***`; their names stay readable."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{MASK}", text)
    return text
