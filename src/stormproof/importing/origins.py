"""Where a value of a request came from: which earlier answer held it, and how it is read there."""

from __future__ import annotations

import json

from stormproof.importing.draft import Code
from stormproof.importing.naming import refers

DEPTH_MAX = 8
VALUES_MAX = 5_000  # an answer
BODY_BYTES_MAX = 1 << 20


class Origins:
    """Remember the values of JSON answers under the expression that reads each."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}  # value -> expression

    def learn(self, expression: str, text: str) -> None:
        """Take an answer's body, whose JSON `expression` is; what is no JSON teaches nothing."""
        if len(text) > BODY_BYTES_MAX:
            return
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return
        found: dict[str, str] = {}
        _collect(value, "", "", found, DEPTH_MAX)
        self._known |= {one: expression + path for one, path in found.items()}

    def of(self, value: str) -> Code | None:
        """Return the expression that reads a value from the latest answer that held it."""
        known = self._known.get(value)
        return None if known is None else Code(known)


def _collect(value: object, name: str, path: str, found: dict[str, str], depth: int) -> None:
    """Note identifying scalars by their text: ids, tokens and their like; the first place wins."""
    if len(found) >= VALUES_MAX or depth == 0:
        return
    if isinstance(value, dict):
        for key, one in value.items():
            _collect(one, key, f"{path}[{json.dumps(key, ensure_ascii=False)}]", found, depth - 1)
    elif isinstance(value, list):
        for position, one in enumerate(value):
            _collect(one, name, f"{path}[{position}]", found, depth - 1)
    elif isinstance(value, str | int) and not isinstance(value, bool) and refers(name):
        text = str(value)
        found.setdefault(text, path)
