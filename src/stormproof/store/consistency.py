"""Is a segment its writer's own, and does it agree with itself?

Checksums show what the disk did to a segment. What is asked here is what they cannot show: a file
under another's name, a second told twice, samples of a series that was never named. Each would
count what did not happen, or drop what did.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from stormproof.store.segment import SegmentContent

WORKER = "worker-"
HEALER = "heal"


def impostor_problem(name: str, content: SegmentContent, workers: int) -> str:
    """Say that a segment is not what its file's name says; empty when it is, or cannot tell.

    Args:
        name: of the file.
        content: what was read of it.
        workers: how many the plan has.
    """
    stem, worker = Path(name).stem, worker_of(name)
    if worker is not None and worker >= workers:
        return f"is of no worker: the plan has {workers}"
    if content.meta is None:
        return "" if content.problem else "does not say who wrote it"
    writer = HEALER if stem.startswith(HEALER) else stem
    return "" if content.meta.writer == writer else f"was written by {content.meta.writer}"


def worker_of(name: str) -> int | None:
    """Return the number of the worker whose segment `name` is; None of another writer's."""
    stem = Path(name).stem
    return int(stem.removeprefix(WORKER)) if stem.startswith(WORKER) else None


def contradictions_of(name: str, content: SegmentContent) -> list[str]:
    """Name what the frames of a segment say that cannot be."""
    worker, problems = worker_of(name), []
    if any(frame.worker != worker for frame in content.frames):
        problems.append("holds frames of another worker")
    seconds = Counter(frame.second for frame in content.frames)
    problems += [f"tells second {one} {times} times" for one, times in seconds.items() if times > 1]
    ids = Counter(one.id for one in content.series)
    problems += [f"names series {one} {times} times" for one, times in ids.items() if times > 1]
    counted = {one for frame in content.frames for one in frame.series_ids()}
    problems += [f"counts series {one}, which it never named" for one in sorted(counted - set(ids))]
    problems += _odd_figures(content)
    return problems[:1]  # one is enough to take it from a verdict, and thousands say no more


def _odd_figures(content: SegmentContent) -> list[str]:
    """Name what a segment of readings says that cannot be."""
    ids = Counter(one.id for one in content.observed)
    told = {found for reading in content.readings for found in reading.ids}
    problems = [f"names figure {one} {times} times" for one, times in ids.items() if times > 1]
    return problems + [
        f"reads figure {one}, which it never named" for one in sorted(told - set(ids))
    ]
