"""Secrets that a part wrote to its log, where the keeper died before it could take them out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from stormproof.faults.part_logs import scrub
from stormproof.journeys.vault import find_secrets
from stormproof.kernel.errors import BadInput
from stormproof.store.directory import RunDirectory


class _Stack(msgspec.Struct):
    secrets: tuple[str, ...] = ()


class _Plan(msgspec.Struct):
    own_stack: _Stack | None = None


def scrub_logs(run: Path, environ: Mapping[str, str]) -> str:
    """Take the secrets of a run's stack out of its logs; say what could not be, empty when all was.

    Args:
        run: its folder; nobody may write to its logs any more.
        environ: where the values are, or the names of files that hold them.
    """
    logs = run / "logs"
    if not any(logs.glob("*.log*")):
        return ""
    try:
        plan = msgspec.json.decode(RunDirectory(run).plan.read_bytes(), type=_Plan)
    except FileNotFoundError:
        return ""  # it came to nothing, or is no run of a plan
    except (OSError, msgspec.DecodeError) as error:
        return f"look for secrets in {logs}: the plan, which names them, cannot be read ({error})"
    names = () if plan.own_stack is None else plan.own_stack.secrets
    try:
        found = find_secrets(names, environ)[0]
        scrub(logs, list(found.values()))
    except BadInput as error:
        return f"look for secrets in {logs}: {error}"
    except OSError as error:
        return f"secrets may be left in {logs}: {error}"
    missing = ", ".join(name for name in names if name not in found)
    if not missing:
        return ""
    return f"look for {missing} in {logs}, or set what is missing and run: stormproof heal {run}"
