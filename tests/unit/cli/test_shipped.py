"""What is shipped: every trial and every profile is valid, whole, and says what it is for."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from stormproof.cli.jobs import BUILT_IN
from stormproof.cli.load_commands import MODES
from stormproof.cli.main import run_commands
from stormproof.cli.plans import Order, compile_order
from stormproof.kernel.canonical import canonical_json
from stormproof.kernel.units import parse_duration_ns
from stormproof.model.plan import Plan

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "load" / "profiles").glob("*.json"))
TRIALS = sorted(
    file
    for file in (ROOT / "trials").rglob("*.py")
    if "\nTRIAL = " in file.read_text(encoding="utf-8")
)
SMALL = 0.05


def trial_of(profile: Path) -> str:
    """Return the trial that a profile is for; empty for those of `run` and `quick`."""
    name: str = json.loads(profile.read_bytes()).get("trial", "")
    return name


PROFILES = [file for file in FILES if trial_of(file)]


def name_of(path: Path) -> str:
    """Name a file in the test's id."""
    return path.stem


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find trials and profiles from wherever the tests were started."""
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("profile", PROFILES, ids=name_of)
def test_profile_is_valid_with_its_trial(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`stormproof validate` finds nothing wrong with the profile, nor anything it cannot judge."""
    assert run_commands(["validate", str(profile)]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "\nvalid; plan " in out
    assert "not judged" not in out
    assert "rehearsal" not in out


@pytest.mark.parametrize("trial", TRIALS, ids=name_of)
def test_trial_runs_by_its_name_alone(trial: Path) -> None:
    """Each trial has a profile of its own name, and is called like its file."""
    plan, loaded = compile_order(Order(plan=trial.stem))
    assert loaded.path.resolve() == trial
    assert (plan.trial, plan.profile.name, plan.scope) == (trial.stem, trial.stem, "full")


@pytest.mark.parametrize("profile", PROFILES, ids=name_of)
def test_rehearsal_keeps_the_floors(profile: Path) -> None:
    """At a twentieth of its size a plan is valid, above its floors, and still judges something."""
    trial = compile_order(Order(plan=trial_of(profile), profile=str(profile)))[1].trial
    plan, _ = compile_order(Order(plan=trial.name, profile=str(profile), scale=SMALL))
    full, _ = compile_order(Order(plan=trial.name, profile=str(profile)))
    assert plan.scope == "reduced"
    floor_ns = parse_duration_ns(trial.floors.duration)
    assert min(full.duration_ns, floor_ns) <= plan.duration_ns <= full.duration_ns
    for scenario, whole in zip(plan.scenarios, full.scenarios, strict=True):
        floor = trial.floors.vus.get(scenario.name, 1)
        assert min(whole.max_vus, floor) <= scenario.max_vus <= whole.max_vus
    assert any(not one.exact for one in plan.objectives)
    assert msgspec.json.decode(canonical_json(plan), type=Plan).digest() == plan.digest()


@pytest.mark.parametrize("trial", TRIALS, ids=name_of)
def test_trial_says_what_it_proves_and_why(trial: Path) -> None:
    """The first lines of each trial say what a PASS of it proves and why that matters."""
    told = ast.get_docstring(ast.parse(trial.read_text(encoding="utf-8"))) or ""
    lines = told.splitlines()
    assert any(line.startswith("What it proves: ") for line in lines)
    assert any(line.startswith("Why it matters: ") for line in lines)


def test_every_profile_belongs_to_something_shipped() -> None:
    """No profile is left over from a trial or a mode that is gone."""
    assert {trial_of(profile) for profile in PROFILES} == {trial.stem for trial in TRIALS}
    own = {file.stem for file in FILES} - {file.stem for file in PROFILES}
    assert own == {BUILT_IN, *(f"quick-{mode}" for mode in MODES)}


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("test-load", "certify feed_load"),
        ("test-stress-http", "certify http_stress"),
        ("test-stress-ws", "certify websocket_stress"),
        ("test-soak", "certify soak --profile moderate"),
    ],
)
def test_make_target_is_a_thin_call(target: str, command: str) -> None:
    """`make` passes its options on and adds nothing; what it calls is valid."""
    make = shutil.which("make")
    assert make is not None
    options = ["TARGET=http://127.0.0.1:8000", "ARGS=--seed 7"]
    told = subprocess.run(
        [make, "--dry-run", "--silent", target, *options],
        capture_output=True,
        text=True,
        check=True,
    )
    called = f"stormproof {command} --target http://127.0.0.1:8000 --seed 7"
    assert told.stdout.splitlines()[-1].endswith(called)
    assert run_commands(["validate", *command.split()[1:]]) == 0
