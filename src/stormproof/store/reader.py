"""Read a run directory back into a Record; what is broken is named, what is whole is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stormproof.kernel.canonical import Digesting, canonical_json, sha256_hex
from stormproof.kernel.errors import BadInput
from stormproof.model.ledger import NUMPY_FIELDS
from stormproof.model.plan import Plan
from stormproof.model.record import Manifest, Record, Seal
from stormproof.model.series import Series
from stormproof.store.consistency import contradictions_of, impostor_problem, worker_of
from stormproof.store.directory import RunDirectory, read_json
from stormproof.store.segment import SegmentContent, read_segment

OBSERVER = "observer.seg"
KNOWN_SEGMENT = re.compile(
    r"(controller|observer|keeper|heal(-[0-9]{1,4})?|worker-[0-9]{1,4})\.seg"
)

BUFFER_BYTES: Final = 1 << 20


def load_record(run: RunDirectory) -> Record:
    """Read everything observed in a run.

    Raises:
        BadInput: the plan or the manifest, without which there is no record, cannot be read.
    """
    plan = read_json(run.plan, Plan)
    manifest = read_json(run.manifest, Manifest)
    problems: list[str] = []
    if _digest_of(run.plan) != manifest.plan_sha256:
        problems.append("plan.json was changed after the run began")
    problems += changed_journeys(run, plan)
    stored = {}
    for file in sorted(run.record.glob("*.seg")):
        if file.is_file() and KNOWN_SEGMENT.fullmatch(file.name):
            stored[file.name] = read_stored(file)
        else:
            problems.append(f"{file.name} is no segment of a run")
    sealed = run.seal_file.is_file()
    broken = _broken_seals(run, stored) if sealed else {}
    problems += [f"{name} {what}" for name, what in broken.items()]
    contents = {}
    for name in sorted(stored.keys() - broken.keys()):  # what was changed is no evidence
        contents[name], found = _own(name, stored[name].content, plan.workers)
        problems += [f"{name} {what}" for what in found]
    problems += _missing_segments(plan, {*contents, *broken})
    return _join(plan, manifest, contents, sealed=sealed, problems=problems)


class StoredSegment(NamedTuple):
    """What a file holds, with the size and digest of all that was read of it."""

    content: SegmentContent
    size: int
    sha256: str


def read_stored(file: Path) -> StoredSegment:
    """Read a segment as it is stored, once, a frame at a time.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb", buffering=BUFFER_BYTES) as stream:
        digesting = Digesting(stream)
        content = read_segment(digesting)
        return StoredSegment(content, *digesting.finish())


def ledger_of(contents: Iterable[SegmentContent]) -> tuple[NDArray[np.void], ...]:
    """Return the ledger of each segment that has one, in the bytes that were read: no copy."""
    return tuple(
        np.frombuffer(one.ledger, dtype=np.dtype(NUMPY_FIELDS)) for one in contents if one.ledger
    )


def _digest_of(document: Path) -> str:
    """Return the digest of a JSON document as it was written, whatever this version makes of it."""
    return sha256_hex(canonical_json(msgspec.json.decode(document.read_bytes())))


def _own(name: str, content: SegmentContent, workers: int) -> tuple[SegmentContent, list[str]]:
    """Return a segment with all that is wrong with it; of one that is another's nothing is kept."""
    problems = [content.problem] if content.problem else []
    if impostor := impostor_problem(name, content, workers):
        return SegmentContent(), [*problems, impostor]
    return content, [*problems, *contradictions_of(name, content)]


def changed_journeys(run: RunDirectory, plan: Plan) -> list[str]:
    """Name the copies of user code that are not what the plan says."""
    changed = []
    for name, digest in _code_of(plan):
        file = run.journeys / name
        if not _is_below(file, run.journeys):
            changed.append(f"{name} is not in journeys/")
        elif not file.is_file() or sha256_hex(file.read_bytes()) != digest:
            changed.append(f"journeys/{name} is not what the plan names")
    return sorted(set(changed))


def _is_below(file: Path, folder: Path) -> bool:
    """Return whether a path leads into a folder, and not elsewhere by links or upwards."""
    try:
        return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a name that no file can have
        return False


def _code_of(plan: Plan) -> list[tuple[str, str]]:
    """Return every file of user code that a plan names, with its digest."""
    sources = [one.journey for one in plan.scenarios] + [one.source for one in plan.own_checkers]
    return [*((one.file, one.sha256) for one in sources), *plan.modules.items()]


def strange_files(run: RunDirectory, plan: Plan) -> list[str]:
    """Name the code that lies among the copies of user code and that the plan does not know: it may
    stand in for a module that they import."""
    known = {name for name, _ in _code_of(plan)}
    return sorted(
        f"journeys/{name} is not named by the plan"
        for file in run.journeys.rglob("*")
        if (name := file.relative_to(run.journeys).as_posix()) not in known
        and (name.endswith(tuple(all_suffixes())) or (file.is_symlink() and file.is_dir()))
        and file.parent.name != "__pycache__"  # never read: see `cli.own_checking`
    )


def _broken_seals(run: RunDirectory, stored: dict[str, StoredSegment]) -> dict[str, str]:
    """Say of each file what its seal shows to be wrong with it."""
    try:
        seal = read_json(run.seal_file, Seal)
    except BadInput:
        return {run.seal_file.name: "cannot be read"}
    broken = dict.fromkeys(sorted(set(seal.segments) - set(stored)), "is missing")
    for name, found in stored.items():
        if name not in seal.segments:
            broken[name] = "was added after the seal"
        elif seal.segments[name] != (found.size, found.sha256):
            broken[name] = "was changed after the seal"
    for name, digest in seal.documents.items():
        file = run.path / name
        if not file.is_file() or sha256_hex(file.read_bytes()) != digest:
            broken[name] = "was changed after the seal"
    return broken


def _missing_segments(plan: Plan, told: set[str]) -> list[str]:
    wanted = ["controller.seg", *(f"worker-{index}.seg" for index in range(plan.workers))]
    if plan.sources:
        wanted.append(OBSERVER)
    if plan.stack != "none":
        wanted.append("keeper.seg")
    return [f"{name} is missing" for name in wanted if name not in told]


def _join(
    plan: Plan,
    manifest: Manifest,
    contents: dict[str, SegmentContent],
    *,
    sealed: bool,
    problems: list[str],
) -> Record:
    series: dict[int, dict[int, Series]] = {}
    for name, content in contents.items():
        if (worker := worker_of(name)) is not None:
            series[worker] = {one.id: one for one in content.series}
    every, observer = list(contents.values()), contents.get(OBSERVER, SegmentContent())
    return Record(
        plan=plan,
        manifest=manifest,
        series=series,
        frames=tuple(
            sorted((f for one in every for f in one.frames), key=lambda f: (f.second, f.worker))
        ),
        events=tuple(sorted((e for one in every for e in one.events), key=lambda e: e.at_ns)),
        probes=tuple(sorted((p for one in every for p in one.probes), key=lambda p: p.start_ns)),
        failures=tuple(f for one in every for f in one.failures),
        ledger=ledger_of(every),
        observed={one.id: one for one in observer.observed},
        readings=tuple(sorted(observer.readings, key=lambda one: (one.start_ns, one.source))),
        sealed=sealed,
        problems=tuple(problems),
    )
