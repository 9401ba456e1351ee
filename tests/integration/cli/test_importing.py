"""`stormproof import`, by the command a user types, and what the file is good for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.importing.chat_har import chat
from tests.unit.importing.shop_har import shop

from stormproof.cli.main import run_commands

EXAMPLES = Path(__file__).resolve().parents[2] / "unit" / "importing"
SECRETS = (
    *("API_KEY", "BEARER_TOKEN", "CSRF_TOKEN", "PASSWORD", "X_API_KEY"),
    *("CLERK_AUTHORIZATION", "DEPOT_AUTH_TOKEN", "LINK_KEY"),
)


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the recording of a shop, and set the secrets that its journey will want."""
    path = tmp_path / "shop.har"
    path.write_text(json.dumps(shop()))
    path.with_name("chat.har").write_text(json.dumps(chat()))
    for name in SECRETS:
        monkeypatch.setenv(name, "synthetic")
    return path


@pytest.mark.parametrize("kind", ["shop.har", "chat.har", "petshop.yaml", "depot.yaml"])
def test_an_imported_file_is_formatted_and_valid(
    recording: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The formatter has nothing to change at any usual width, and validate takes the file."""
    out = tmp_path / "made.py"
    source = recording.with_name(kind) if kind.endswith(".har") else EXAMPLES / kind
    assert run_commands(["import", str(source), "--out", str(out)]) == 0
    for width in ("88", "100", "120"):
        check = [sys.executable, "-m", "ruff", "format", "--isolated", "--check"]
        done = subprocess.run([*check, "--line-length", width, str(out)], check=False)
        assert done.returncode == 0
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(out)]
    assert subprocess.run(lint, check=False).returncode == 0
    assert run_commands(["validate", str(out)]) == 0
    assert "valid; plan" in capsys.readouterr().out


def test_a_file_that_is_there_is_not_written_over(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An import never destroys what a person has worked on; without --out it prints."""
    out = tmp_path / "made.py"
    out.write_text("mine")
    assert run_commands(["import", str(recording), "--out", str(out)]) == 64
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run_commands(["import", str(recording)]) == 0
    assert capsys.readouterr().out.startswith('"""Recorded: Shop.')


def test_what_is_no_such_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Garbage ends in exit 64 with its place."""
    path = tmp_path / "garbage.har"
    path.write_bytes(b'{"log": [}')
    assert run_commands(["import", str(path)]) == 64
    assert "garbage.har:1:10: is not JSON" in capsys.readouterr().err
