"""Tags of series: which keys a plan or a journey may set, and which are stormproof's own."""

from __future__ import annotations

import re
from typing import Final

GROUP: Final = "group"  # set by `user.group` alone
GROUP_MARK: Final = "::"  # before each group's name, as k6 writes it
_OWN = frozenset(
    "check error every exchange fault for group metric name over probe scenario status window"
    " worker".split()
)
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def tag_problem(key: str) -> str:
    """Say why `key` can be no tag of a plan or a journey; empty when it can."""
    if not _KEY.fullmatch(key):
        return f"{key!r} is no tag: write letters, digits and _, at most 64, a letter first"
    if key in _OWN:
        return f"the tag {key!r} is set by stormproof itself: choose another"
    return ""
