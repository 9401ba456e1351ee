"""Independent random streams from one seed."""

from __future__ import annotations

import hashlib


def derive(seed: int, *labels: str | int) -> int:
    """Derive a 64-bit seed for the stream that `labels` name; equal inputs give equal streams."""
    text = "\x1f".join([str(seed), *(str(label) for label in labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
