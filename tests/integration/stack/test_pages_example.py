"""The example `pages`, from the command that a person types: a stack of one's own is broken and
healed under load, and leaves nothing."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from stormproof.cli.main import run_commands
from stormproof.model.event import FaultEvent, FaultStep
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "pages"
KEY = "key-of-the-pages"
SAY = """["{python}", "-c", "import os; print(os.environ['KEY'])"]
env = { KEY = "{secrets.PAGES_KEY}" }"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the example, shortened, with a temporary folder of its own and a secret for a part that
    says it aloud."""
    shutil.copytree(EXAMPLE, tmp_path / "pages", ignore=shutil.ignore_patterns("__pycache__"))
    profile = tmp_path / "pages" / "pages.json"
    value = json.loads(profile.read_bytes())
    value |= {"warmup": "500ms", "duration": "4s"}
    value["faults"] = {
        "cache-restart": {"at": "1s", "for": "300ms"},
        "cache-cut": {"at": "2500ms", "for": "700ms"},
    }
    profile.write_text(json.dumps(value))
    stack = tmp_path / "pages" / "stack.toml"
    stack.write_text(stack.read_text().replace('["{python}", "-c", "import valkey"]', SAY))
    monkeypatch.setenv("PAGES_KEY", KEY)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path


def certify(folder: Path, *more: str) -> int:
    example = folder / "pages"
    return run_commands([
        "certify", str(example / "pages.py"), "--profile", str(example / "pages.json"),
        "--out", str(folder / "runs"), *more,
    ])  # fmt: skip


def steps_of(events: tuple[object, ...], fault: str) -> list[FaultStep]:
    return [one.step for one in events if isinstance(one, FaultEvent) and one.fault == fault]


def test_the_example_is_broken_and_healed_under_load(folder: Path) -> None:
    """A restart of the cache and a cut of its link are seen to bite and leave no residue; every
    page was right; nothing is left, and a secret is in no file of the record."""
    assert certify(folder) in (0, 2)  # the machine may be too busy to time it
    (path,) = (folder / "runs").iterdir()
    verdict: dict[str, Any] = json.loads((path / "verdict.json").read_bytes())
    exact = {one["name"]: one["status"] for one in verdict["objectives"] if "fault_" in one["name"]}
    assert set(exact.values()) == {"pass"}, exact
    record = load_record(RunDirectory.open(path))
    assert record.problems == ()
    for fault in ("cache-restart", "cache-cut"):
        assert steps_of(record.events, fault)[2:] == [
            FaultStep.WITNESSED,
            FaultStep.UNDOING,
            FaultStep.UNDONE,
            FaultStep.CLEAN,
        ]
    assert not [one for one in record.failures if one.kind == "check"]
    assert list((folder / "tmp").iterdir()) == []
    assert (path / "logs" / "check.log").read_text() == "***\n"
    assert not [
        file for file in path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()
    ]


def test_a_fixed_port_that_is_taken_ends_the_run_with_69(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What another run, or anybody, holds is named with its number and its holder."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = folder / "pages" / "stack.toml"
        stack.write_text(stack.read_text().replace('web = "any"', f"web = {port}"))
        assert certify(folder) == 69
    assert f"port {port}, wanted for web, is in use by process" in capsys.readouterr().err
    assert list((folder / "tmp").iterdir()) == []


def test_a_part_that_does_not_come_up_ends_the_run_with_69(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end of its log is quoted without the secret in it, and all is taken back."""
    stack = folder / "pages" / "stack.toml"
    stack.write_text(stack.read_text().replace("os.environ['KEY'])", "os.environ['KEY']); 1/0"))
    assert certify(folder) == 69
    told = capsys.readouterr().err
    assert "check failed (exit 1); the end of" in told
    assert "ZeroDivisionError" in told
    assert "\n***\n" in told
    assert KEY not in told
    assert list((folder / "tmp").iterdir()) == []
