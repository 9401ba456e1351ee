"""Export a record: as lines of JSON, a table, or a HdrHistogram log."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem
from stormproof.kernel.units import SECOND_NS, parse_duration_ns
from stormproof.model.record import Record
from stormproof.report.export_csv import csv_rows
from stormproof.report.export_hdr import hdr_log
from stormproof.report.export_json import json_lines
from stormproof.report.exported import Wanted, names_in
from stormproof.rules.questions import suggestion
from stormproof.rules.tags import parse_metric
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

NOT_WHOLE: Final = 2  # what there is was exported, and it is not all: as evidence, INCONCLUSIVE
STEP_S_MAX: Final = 24 * 3_600

Exporter = Callable[[Record, Wanted], Iterator[bytes]]
FORMATS: Mapping[str, Exporter] = {
    "json": json_lines,
    "csv": csv_rows,
    "hdr": hdr_log,
}


def export_run(run: Path, kind: str, out: Path | None, metric: str, every: str) -> int:
    """Export the record of `run`; return 0, or 2 where the record is not whole.

    Raises:
        BadInput: there is no such run, metric or step.
        EnvironmentFailure: the file cannot be written, or a library is missing.
    """
    record = load_record(RunDirectory.open(run))
    lines = FORMATS[kind](record, _wanted(record, metric, every))
    if out is None:
        stream = sys.stdout.buffer
        for line in lines:
            stream.write(line)
        stream.flush()
    else:
        _write(out, lines)
    return _tell_problems(record)


def _tell_problems(record: Record) -> int:
    """Say on standard error what is missing from an export because the record lacks it."""
    problems = [*record.problems, *([] if record.sealed else ["the record was never sealed"])]
    if not problems:
        return 0
    click.echo("stormproof: exported what there is; the record is not whole", err=True)
    for problem in problems:
        click.echo(f"  {problem}", err=True)
    return NOT_WHOLE


def _wanted(record: Record, metric: str, every: str) -> Wanted:
    problems: list[Problem] = []
    name, tags = "", dict[str, str]()
    if metric:
        try:
            name, tags = parse_metric(metric)
        except ValueError as error:
            problems.append(Problem(where="--metric", what=str(error)))
        known = names_in(record)
        bases = {one.rpartition("_")[0] for one in known if one.endswith("_service")}
        if name and name not in known | bases:
            what = f"the record has no metric {name!r}"
            problems.append(Problem(where="--metric", what=what, fix=suggestion(name, known)))
    step_s = _step_s(every, problems)
    if problems:
        raise BadInput(problems)
    return Wanted(metric=name, tags=tags, step_s=step_s)


def _step_s(every: str, problems: list[Problem]) -> int:
    try:
        span_ns = parse_duration_ns(every)
    except ValueError as error:
        problems.append(Problem(where="--every", what=str(error)))
        return 1
    if span_ns % SECOND_NS or not 0 < span_ns <= STEP_S_MAX * SECOND_NS:
        fix = "whole seconds, 1s to 24h"
        problems.append(Problem(where="--every", what=f"{every} is no step", fix=fix))
    return max(1, span_ns // SECOND_NS)


def _write(out: Path, lines: Iterator[bytes]) -> None:
    """Write a file whole: beside its place first, so that no reader takes half for all."""
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with draft.open("wb") as stream:
            stream.writelines(lines)
        draft.replace(out)
    except OSError as error:
        what = f"{out} cannot be written: {error.strerror}"
        raise EnvironmentFailure(what, "choose another --out") from error
    finally:
        draft.unlink(missing_ok=True)
