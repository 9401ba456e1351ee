"""Programs: which trials they name, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stormproof.kernel.errors import BadInput
from stormproof.model.program import Entry
from stormproof.planning.programs import known_programs, only_of, read_program

SHIPPED = Path("load/programs")


def written(folder: Path, **document: object) -> Path:
    path = folder / "night.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("name", sorted(known_programs([SHIPPED])))
def test_every_shipped_program_names_trials_and_profiles_that_there_are(name: str) -> None:
    """Each entry's trial and profile exist."""
    trials = {file.stem for file in Path("trials").rglob("*.py")}
    profiles = {file.stem for file in Path("load/profiles").glob("*.json")}
    entries = read_program(SHIPPED / f"{name}.json").entries
    assert {one.trial for one in entries} <= trials
    assert {one.profile for one in entries} <= profiles


def test_a_trial_has_its_own_profile_unless_it_names_another(tmp_path: Path) -> None:
    """The profile's default is the trial's name."""
    trials = {"C1": {"trial": "soak"}, "C2": {"trial": "soak", "profile": "moderate"}}
    program = read_program(written(tmp_path, title="N", trials=trials))
    assert program.entries == (
        Entry(id="C1", trial="soak", profile="soak"),
        Entry(id="C2", trial="soak", profile="moderate"),
    )
    assert program.coverage_min is None


def test_everything_wrong_with_a_program_is_told_at_once(tmp_path: Path) -> None:
    """Ids, trials, marks and unknown words are all named with what would be right."""
    trials = {"../x": {"trial": "soak"}, "C1": {"tral": "soak"}, "C2": {"trial": "a", "mayFail": 1}}
    with pytest.raises(BadInput) as caught:
        read_program(written(tmp_path, strict=True, coverage=2, trials=trials, tittle="N"))
    told = str(caught.value)
    for what in ("../x: is no id", "C1 trial: is missing", "did you mean 'trial'?",
                 "mayFail: must be true or false", "coverage: must be a number from 0 to 1",
                 "did you mean 'title'?"):  # fmt: skip
        assert what in told, (what, told)


def test_a_strict_program_refuses_trials_that_may_fail(tmp_path: Path) -> None:
    """In `hardening` nothing may fail."""
    trials = {"C1": {"trial": "soak", "mayFail": True}}
    with pytest.raises(BadInput, match="in a strict program nothing may fail"):
        read_program(written(tmp_path, strict=True, trials=trials))
    assert read_program(written(tmp_path, trials=trials)).entries[0].may_fail
    assert read_program(SHIPPED / "hardening.json").entries


def test_only_names_trials_of_the_program_in_its_order(tmp_path: Path) -> None:
    """Ids may come in any order; one that is unknown is told with the nearest."""
    trials = {"C1": {"trial": "soak"}, "C4": {"trial": "soak"}, "C8": {"trial": "soak"}}
    program = read_program(written(tmp_path, trials=trials))
    assert only_of(program, "C8, C1") == ("C1", "C8")
    assert only_of(program, "") == ()
    with pytest.raises(BadInput, match=r"--only C9.*did you mean 'C8'|--only C9"):
        only_of(program, "C1,C9")
