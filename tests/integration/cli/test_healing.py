"""The command that undoes what dead runs left: what it says, and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.cli.recorded import write_run

from stormproof.cli import healing
from stormproof.cli.main import run_commands
from stormproof.faults.index import OpenRun, OpenRuns
from stormproof.faults.journal import JOURNAL_NAME, FaultIntended, Journal, Opened
from stormproof.faults.processes import ProcessId, pid_namespace
from stormproof.kernel import clock
from stormproof.model.plan import Plan
from stormproof.store.directory import RunDirectory, read_json

DEAD = ProcessId(pid=2**22 - 1, start_ticks=1)


@pytest.fixture
def index_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the command an index of its own."""
    folder = tmp_path / "stormproof-test" / "open"
    monkeypatch.setattr(healing, "default_index_dir", lambda: folder)
    return folder


def enter_dead_run(index_dir: Path, path: Path) -> Path:
    """Make the directory of a run whose keeper has died with a fault in force."""
    run = write_run(path)
    (run / "seal.json").unlink()
    opened = Opened(
        run_id=path.name,
        boot_id=clock.boot_id(),
        pid_namespace=pid_namespace(),
        keeper=DEAD,
        controller=DEAD,
    )
    OpenRuns(index_dir).add(OpenRun.of(opened, run))
    journal = Journal(run / JOURNAL_NAME)
    journal.append(opened)
    journal.append(FaultIntended(fault="cut", kind="link-partition", part="cache-link"))
    journal.close()
    return run


def test_with_nothing_left_behind_heal_ends_well(index_dir: Path) -> None:
    """No open run, no work, exit 0."""
    assert run_commands(["heal"]) == 0
    assert not index_dir.exists()


@pytest.mark.parametrize("named", [True, False])
def test_a_dead_run_is_healed_by_name_or_with_the_rest(
    index_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    """A dead run leaves the index, its reserve is given back, and the report names it."""
    run = enter_dead_run(index_dir, tmp_path / "run-1")
    (run / ".reserve").write_bytes(b"held")
    assert run_commands(["heal", *([str(run)] if named else [])]) == 0
    assert "run-1" in capsys.readouterr().out
    assert not list(index_dir.glob("*.json"))
    assert not (run / ".reserve").exists()
    assert read_json(RunDirectory.open(run).plan, Plan).trial == "demo"


def test_secrets_are_taken_out_of_the_logs_of_a_dead_run(
    index_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is not set is named with its logs (exit 69); set, and healed again, it is gone."""
    run = enter_dead_run(index_dir, tmp_path / "run-1")
    (run / "plan.json").write_text('{"own_stack": {"secrets": ["SHOP_KEY"]}}')
    (run / "logs").mkdir(exist_ok=True)
    (run / "logs" / "web.log").write_text("it said a-word-of-the-shop\n")
    assert run_commands(["heal", str(run)]) == 69
    assert f"look for SHOP_KEY in {run / 'logs'}" in capsys.readouterr().out
    monkeypatch.setenv("SHOP_KEY", "a-word-of-the-shop")
    assert run_commands(["heal", str(run)]) == 0
    assert "a-word" not in (run / "logs" / "web.log").read_text()


@pytest.mark.parametrize("there", [True, False])
def test_what_is_no_run_is_bad_input(
    index_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    """A folder that is not there, or that no stack was ever in: exit 64, with the runs that are
    left open, and none of them touched."""
    open_run = enter_dead_run(index_dir, tmp_path / "run-1")
    named = tmp_path / "nothing"
    if there:
        named.mkdir()
    assert run_commands(["heal", str(named)]) == 64
    told = capsys.readouterr().err
    assert f"{named}: {'has no undo' if there else 'is no folder'}" in told
    assert f"name the folder of a run; left open: {open_run}" in told
    assert len(list(index_dir.glob("*.json"))) == 1


def test_what_cannot_be_healed_ends_in_69(
    index_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal that does not say which run it is of is left alone, and nothing is called clean."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / JOURNAL_NAME).write_bytes(b"garbage\n")
    assert run_commands(["heal", str(tmp_path / "run")]) == 69
    assert "does not say which run it is of" in capsys.readouterr().out
