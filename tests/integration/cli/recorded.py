"""A hand-made record written to disk, as a run would have left it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from tests.builders import healthy_record, plan

from stormproof.kernel.canonical import sha256_hex
from stormproof.model.plan import Plan
from stormproof.model.record import Record
from stormproof.store.directory import RunDirectory
from stormproof.store.segment import SegmentRecorder

JOURNEY = b"async def visit(user): ...\n"


def demo_plan(*, journey: bytes = JOURNEY, **changes: Any) -> Plan:
    """Return the builders' plan with a journey that is really in the record."""
    base = plan(**changes)
    scenarios = tuple(
        msgspec.structs.replace(
            one, journey=msgspec.structs.replace(one.journey, sha256=sha256_hex(journey))
        )
        for one in base.scenarios
    )
    return msgspec.structs.replace(base, scenarios=scenarios)


def write_run(
    path: Path, record: Record | None = None, *, journey: bytes = JOURNEY, **changes: Any
) -> Path:
    """Write a record (a healthy one, with `changes`) into a sealed run directory."""
    given = replace(record or healthy_record(demo_plan()), **changes)
    run = RunDirectory.create(
        path, plan=given.plan, manifest=given.manifest, journeys={"demo.py": journey}
    )
    controller = SegmentRecorder(run.record / "controller.seg", writer="controller")
    controller.events(given.events)
    controller.probes(given.probes)
    controller.close("completed")
    SegmentRecorder(run.record / "keeper.seg", writer="keeper").close("completed")
    for worker, series in given.series.items():
        segment = SegmentRecorder(run.record / f"worker-{worker}.seg", writer=f"worker-{worker}")
        known = list(series.values())
        failures = [one for one in given.failures if one.worker == worker]
        for frame in given.frames:
            if frame.worker == worker:
                segment.frame(frame.unpacked(), known, failures)
                known, failures = [], []
        if worker == 0:
            for entries in given.ledger:
                segment.ledger(entries.tobytes())
        segment.close("completed")
    run.seal(run_id=given.manifest.run_id, how="completed")
    return path
