"""The run directory: saved before, sealed after, and changes show."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from stormproof.kernel.canonical import canonical_json, readable_json, sha256_hex
from stormproof.kernel.errors import BadInput, EnvironmentFailure
from stormproof.model.event import EndEvent
from stormproof.model.plan import Plan, Population, ProfileRef, Scenario, Source
from stormproof.model.record import Manifest
from stormproof.store.directory import RunDirectory, new_run_id
from stormproof.store.reader import load_record
from stormproof.store.segment import SegmentRecorder

JOURNEY = b"async def go(user): ...\n"
BESIDE = b"X = 1\n"


def a_plan() -> Plan:
    source = Source(file="t.py", function="go", sha256=sha256_hex(JOURNEY))
    scenario = Scenario(
        name="feed",
        journey=source,
        executor="constant-vus",
        duration_ns=10**10,
        vus=1,
        max_vus=1,
    )
    return Plan(
        trial="t",
        title="t",
        profile=ProfileRef(name="p", sha256=""),
        scope="full",
        scale=1.0,
        seed=1,
        stack="none",
        population=Population(users=1, channels=1, posts=0),
        workers=1,
        warmup_ns=10**9,
        duration_ns=10**10,
        ready_deadline_ns=10**9,
        drain_deadline_ns=10**9,
        recovery_bar_ns=10**9,
        scenarios=(scenario,),
        modules={"beside/x.py": sha256_hex(BESIDE)},
        faults=(),
        probes=(),
        checkers=(),
        gate=(),
        objectives=(),
    )


def a_manifest(plan: Plan) -> Manifest:
    return Manifest(
        run_id="r",
        stormproof="0",
        python="3",
        machine="m",
        cores=2,
        memory_bytes=1,
        kernel="k",
        boot_id="b",
        started_monotonic_ns=0,
        started_wall_ns=0,
        plan_sha256=plan.digest(),
    )


def a_sealed_run(path: Path) -> RunDirectory:
    plan = a_plan()
    run = RunDirectory.create(
        path,
        plan=plan,
        manifest=a_manifest(plan),
        journeys={"t.py": JOURNEY, "beside/x.py": BESIDE},
    )
    for name in ("controller", "worker-0"):
        recorder = SegmentRecorder(run.record / f"{name}.seg", writer=name)
        recorder.events([EndEvent(at_ns=1, how="completed")])
        recorder.close("completed")
    run.seal(run_id="r", how="completed")
    return run


def loosen(run: RunDirectory) -> None:
    """Change plan and manifest so that they agree with each other."""
    plan = msgspec.structs.replace(a_plan(), seed=2)
    run.plan.write_bytes(msgspec.json.encode(plan))
    run.manifest.write_bytes(msgspec.json.encode(a_manifest(plan)))


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def test_a_sealed_run_reads_back_without_a_problem(tmp_path: Path) -> None:
    """A run that was sealed and not touched has no problem."""
    record = load_record(a_sealed_run(tmp_path / "r"))
    assert record.sealed
    assert record.problems == ()
    assert record.plan == a_plan()


def test_the_reserve_is_held_until_the_seal(tmp_path: Path) -> None:
    """Bytes are set aside while a run lasts and are given back when it is sealed."""
    plan = a_plan()
    run = RunDirectory.create(
        tmp_path / "r",
        plan=plan,
        manifest=a_manifest(plan),
        journeys={"t.py": JOURNEY, "beside/x.py": BESIDE},
    )
    assert (run.path / ".reserve").stat().st_size == 4 << 20
    run.seal(run_id="r", how="completed")
    assert not (run.path / ".reserve").exists()


def test_a_run_directory_is_private(tmp_path: Path) -> None:
    """Nobody but its owner can look into a run directory."""
    run = a_sealed_run(tmp_path / "r")
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda run: (run.record / "worker-0.seg").unlink(), "worker-0.seg is missing"),
        (
            lambda run: append(run.record / "worker-0.seg"),
            "worker-0.seg was changed after the seal",
        ),
        (
            lambda run: SegmentRecorder(run.record / "worker-9.seg", writer="x").close("x"),
            "worker-9.seg was added after the seal",
        ),
        (lambda run: run.seal_file.write_bytes(b"{"), "seal.json cannot be read"),
        (
            lambda run: (run.record / "worker-x.seg").write_bytes(b"x"),
            "worker-x.seg is no segment of a run",
        ),
        (lambda run: (run.record / "heal.seg").mkdir(), "heal.seg is no segment of a run"),
        (
            lambda run: run.plan.write_bytes(
                msgspec.json.encode(msgspec.structs.replace(a_plan(), seed=2))
            ),
            "plan.json was changed after the run began",
        ),
        (loosen, "plan.json was changed after the seal"),
        (
            lambda run: run.manifest.write_bytes(
                run.manifest.read_bytes().replace(b'"cores": 2', b'"cores": 9')
            ),
            "manifest.json was changed after the seal",
        ),
        (
            lambda run: (run.journeys / "t.py").write_bytes(b"other"),
            "journeys/t.py is not what the plan names",
        ),
        (
            lambda run: (run.journeys / "beside" / "x.py").write_bytes(b"other"),
            "journeys/beside/x.py is not what the plan names",
        ),
    ],
)
def test_a_change_after_the_seal_is_named(tmp_path: Path, change: object, problem: str) -> None:
    """Whatever is changed in a sealed record shows as a problem that names it."""
    run = a_sealed_run(tmp_path / "r")
    assert callable(change)
    change(run)
    assert problem in load_record(run).problems


def test_what_was_changed_is_no_evidence(tmp_path: Path) -> None:
    """A segment that is not what was sealed neither clears nor accuses anybody."""
    run = a_sealed_run(tmp_path / "r")
    assert load_record(run).events != ()
    for name in ("controller", "worker-0"):
        append(run.record / f"{name}.seg")
    assert load_record(run).events == ()


def test_a_plan_of_an_older_version_is_not_called_changed(tmp_path: Path) -> None:
    """Fields that a later version adds to the plan do not make an old record a forged one."""
    run = a_sealed_run(tmp_path / "r")
    older = msgspec.json.decode(run.plan.read_bytes())
    del older["not_judged"]
    run.plan.write_bytes(readable_json(older))
    manifest = msgspec.structs.replace(
        a_manifest(a_plan()), plan_sha256=sha256_hex(canonical_json(older))
    )
    run.manifest.write_bytes(readable_json(manifest))
    run.seal(run_id="r", how="completed")
    assert load_record(run).problems == ()


def test_an_unsealed_run_is_known_as_such(tmp_path: Path) -> None:
    """A run without its seal reads back and says so."""
    run = a_sealed_run(tmp_path / "r")
    run.seal_file.unlink()
    assert not load_record(run).sealed


def test_a_run_that_was_healed_twice_reads_back(tmp_path: Path) -> None:
    """Each healing may leave a segment of its own, and all of them belong to the run."""
    run = a_sealed_run(tmp_path / "r")
    run.seal_file.unlink()
    for name in ("heal", "heal-2"):
        SegmentRecorder(run.record / f"{name}.seg", writer="heal").close("healed")
    assert load_record(run).problems == ()


def test_what_is_no_run_directory_is_bad_input(tmp_path: Path) -> None:
    """A folder that is no run directory is refused with a hint."""
    with pytest.raises(BadInput, match="no run directory"):
        RunDirectory.open(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"trial": "\xff"}', b'{"a": ' * 5_000])
def test_a_plan_that_cannot_be_read_is_bad_input(tmp_path: Path, damage: bytes) -> None:
    """A damaged plan is named with its path, whatever is wrong with its bytes."""
    run = a_sealed_run(tmp_path / "r")
    run.plan.write_bytes(damage)
    with pytest.raises(BadInput, match=r"plan.json: cannot be read"):
        load_record(run)


def test_a_directory_that_cannot_be_made_is_the_environments(tmp_path: Path) -> None:
    """A path below a file cannot become a run directory, and the message says which."""
    (tmp_path / "file").write_text("")
    plan = a_plan()
    with pytest.raises(EnvironmentFailure, match="cannot be made"):
        RunDirectory.create(
            tmp_path / "file" / "r", plan=plan, manifest=a_manifest(plan), journeys={}
        )


def test_run_ids_name_their_trial_and_differ() -> None:
    """Two runs of one trial in the same second get different ids."""
    first, second = new_run_id("demo"), new_run_id("demo")
    assert "-demo-" in first
    assert first != second
