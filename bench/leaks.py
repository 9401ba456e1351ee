"""Count what the judge of leaks misses and accuses wrongly: `python -m bench.leaks [SEEDS]`."""

from __future__ import annotations

import sys

from stormproof.checks.leaks import Answer
from stormproof.testing.shapes import SHAPES, Score, score

SEEDS = 200


def main() -> int:
    """Print a line a shape; return 1 when a shape misses or accuses more than is allowed."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    scores = [score(shape, seeds) for shape in SHAPES.values()]
    sys.stdout.write(f"{'shape':<22}{'leak':>8}{'no leak':>9}{'too short':>11}  right\n")
    for one in scores:
        sys.stdout.write(_line(one))
    leaking = [one for one in scores if one.shape.leaks]
    innocent = [one for one in scores if not one.shape.leaks]
    accused, judged = sum(one.false_alarms for one in innocent), seeds * len(innocent)
    missed, leaks = sum(one.misses for one in leaking), seeds * len(leaking)
    sys.stdout.write(f"\n{accused} of {judged} series without a leak accused,")
    sys.stdout.write(f" {missed} of {leaks} leaks not found\n")
    return int(any(one.false_alarms > seeds / 100 or one.misses > seeds / 20 for one in scores))


def _line(one: Score) -> str:
    answers = one.answers
    right = " or ".join(sorted(one.shape.right))
    return (
        f"{one.shape.name:<22}{answers[Answer.LEAK]:>8}{answers[Answer.NO_LEAK]:>9}"
        f"{answers[Answer.TOO_SHORT]:>11}  {right}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
