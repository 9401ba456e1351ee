"""Paths that somebody typed, or a file named."""

from __future__ import annotations

from pathlib import Path


def is_file(path: Path) -> bool:
    """Return whether there is a file at `path`; a name that no file can have names none."""
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False
