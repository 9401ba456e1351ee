"""Runs that were made by hand, whose file declares two checkers of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from tests.builders import healthy_record
from tests.integration.cli.recorded import demo_plan, write_run

from stormproof.cli.main import run_commands
from stormproof.kernel.canonical import sha256_hex
from stormproof.model.metric import CustomMetric, MetricKind
from stormproof.model.plan import OwnChecker, Source
from stormproof.rules.grammar import objective
from stormproof.rules.questions import declared_by
from stormproof.testing import history

BODY = """from stormproof import Breach, Checked, checker
import os, sys

async def visit(user): ...

@checker(metrics=("odd",), needs=("write",))
def odd(history):
    {body}

@checker(metrics=("even",), needs=("write",))
def even(history):
    return Checked(looked_at=len(history), measured={{"even": 0}})
"""


def checker_run(
    tmp_path: Path, body: str, *, top: str = "", file: str = "demo.py", **modules: str
) -> Path:
    """Write a sealed run whose file declares a checker with a body, and one that is well.

    `top` is how the file begins, `file` where the plan says that the checkers are, `modules`
    what it imports beside it, by name.
    """
    source = f"{top}{BODY.format(body=body)}".encode()
    own = tuple(
        OwnChecker(
            source=Source(file=file, function=name, sha256=sha256_hex(source)),
            metrics=(CustomMetric(name=name, kind=MetricKind.CHECKED),),
        )
        for name in ("odd", "even")
    )
    known = {f"{name}.py": sha256_hex(text.encode()) for name, text in modules.items()}
    base = demo_plan(journey=source, own_checkers=own, modules=known)
    asked = [objective(name, "count==0", declared=declared_by(base)) for name in ("odd", "even")]
    plan = msgspec.structs.replace(base, objectives=(*base.objectives, *asked))
    told = history().write("a", 1, at=1).write("a", 2, at=2)
    ledger = (*healthy_record().ledger, told.segment())
    run = write_run(tmp_path / "run", healthy_record(plan, ledger=ledger), journey=source)
    for name, text in modules.items():
        (run / "journeys" / f"{name}.py").write_text(text)
    return run


def judge_trusting(run: Path) -> tuple[int, dict[str, dict[str, Any]], dict[str, Any]]:
    """Judge a run with its checkers; return the code, the objectives by metric, and the verdict."""
    code = run_commands(["judge", "--trust-checkers", str(run)])
    verdict = json.loads((run / "verdict.json").read_bytes())
    return code, {one["name"].partition(":")[0]: one for one in verdict["objectives"]}, verdict


WELL = 'return Checked(looked_at=1, measured={"odd": 0})'
