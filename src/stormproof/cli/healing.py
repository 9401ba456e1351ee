"""Undo what dead runs left behind."""

from __future__ import annotations

import os
from pathlib import Path

import click

from stormproof.cli.auditing import enter_healed
from stormproof.cli.log_secrets import scrub_logs
from stormproof.faults.heal import heal
from stormproof.faults.index import default_index_dir
from stormproof.store.directory import RunDirectory
from stormproof.store.segment import SegmentRecorder

LEFT_BEHIND = 69


def heal_runs(run: Path | None) -> int:
    """Heal one run, or every open run of this user; say what was done.

    Raises:
        BadInput: the folder is of no run that had a stack.
    """
    named = None if run is None else run.absolute()
    report = heal(default_index_dir(), named, _open_segment, os.environ)
    for line in report.lines:
        click.echo(line)
    enter_healed(report.undone)
    unclean = [told for one in report.ended if (told := scrub_logs(one, os.environ))]
    for line in unclean:
        click.echo(line)
    return 0 if report.is_clean and not unclean else LEFT_BEHIND


def _open_segment(path: Path, writer: str) -> SegmentRecorder:
    """Open a segment in a run directory whose disk may be full: its reserve is given back first."""
    RunDirectory(path.parent.parent).release_reserve()
    return SegmentRecorder(path, writer=writer)
