"""The private folder of a run, as whoever finds it later may know it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def reason_to_keep(path: Path, uid: int, run_id: str) -> str:
    """Say why a folder named by a journal is not removed; empty when it may be."""
    status = path.lstat()
    places = {Path(name).resolve() for name in (tempfile.gettempdir(), "/tmp", "/var/tmp")}  # noqa: S108
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if not path.name.startswith(f"stormproof-{run_id}-") or path.parent.resolve() not in places:
        return "it is no private folder in a temporary one"
    if status.st_uid not in (os.geteuid(), uid):
        return "it belongs to another user"
    return ""
