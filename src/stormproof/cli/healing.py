"""Undo what dead runs left behind."""

from __future__ import annotations

from pathlib import Path

import click

from stormproof.cli.locations import index_folder
from stormproof.faults.heal import heal
from stormproof.store.segment import SegmentRecorder


def heal_runs(run: Path | None) -> int:
    """Heal one run, or every open run of this user; say what was done."""
    report = heal(index_folder(), run, lambda path, writer: SegmentRecorder(path, writer=writer))
    for line in report.lines:
        click.echo(line)
    return 0
