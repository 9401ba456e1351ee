"""Run a keeper, wired as the command line wires it."""

import sys
from pathlib import Path

from stormproof.faults.keeper import main
from stormproof.store.segment import SegmentRecorder


def _record_at(path: Path, writer: str) -> SegmentRecorder:
    return SegmentRecorder(path, writer=writer)


def _free_reserve(run_dir: Path) -> None:
    (run_dir / ".reserve").unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(_record_at, _free_reserve))
