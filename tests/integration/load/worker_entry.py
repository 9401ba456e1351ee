"""A worker process for tests: the real one, or with a disk that is full after some writes."""

from __future__ import annotations

import sys
from pathlib import Path

from stormproof.load.worker import SegmentWriter, main
from stormproof.store.segment import SegmentRecorder
from stormproof.testing import ScriptedRecorder


def open_recorder(path: Path, writer: str) -> SegmentWriter:
    """Open a segment, or a disk with room for as many writes as the command line says."""
    if len(sys.argv) > 1:
        return ScriptedRecorder(writes_max=int(sys.argv[1]))
    return SegmentRecorder(path, writer=writer)


if __name__ == "__main__":
    sys.exit(main(open_recorder))
