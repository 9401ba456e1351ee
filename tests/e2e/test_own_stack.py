"""A stack of one's own: whatever dies, or is interrupted, nothing of it is left."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import ROOT, Run


class PagesRun(Run):
    """The example `pages` under certify, with a long cut of its cache in the middle."""

    def start(self, *more: str) -> None:
        example = self.folder / "pages"
        shutil.copytree(ROOT / "examples" / "pages", example)
        value = json.loads((example / "pages.json").read_bytes())
        value["faults"] = {
            "cache-cut": {"at": "3s", "for": "10s"},
            "cache-restart": {"at": "15s", "for": "1s"},
        }
        (example / "pages.json").write_text(json.dumps(value))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stormproof", "certify", str(example / "pages.py"),
                 "--profile", str(example / "pages.json"), "--out", str(self.out), *more],
                env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip


@pytest.fixture
def pages(folder: Path) -> Iterator[PagesRun]:
    one = PagesRun(folder)
    try:
        yield one
    finally:
        one.end()


def test_nothing_is_left_of_an_own_stack_when_the_controller_is_killed(pages: PagesRun) -> None:
    """Kill -9 of the controller while the link is cut: all ends, and the record can be judged."""
    pages.start()
    pages.wait_for("fault cache-cut seen to bite")
    assert pages.process is not None
    pages.process.send_signal(signal.SIGKILL)
    pages.process.wait()
    pages.assert_nothing_left()
    pages.command("judge", str(pages.directory()))
    verdict = json.loads((pages.directory() / "verdict.json").read_bytes())
    assert verdict["verdict"] == "inconclusive"


def test_ctrl_c_ends_an_own_stack_in_order(pages: PagesRun) -> None:
    """Ctrl-C during a fault: it is undone, everything ends, exit 130."""
    pages.start()
    pages.wait_for("fault cache-cut seen to bite")
    assert pages.process is not None
    pages.process.send_signal(signal.SIGINT)
    assert pages.wait() == 130
    assert "fault cache-cut undone" in pages.progress()
    pages.assert_nothing_left()


def test_heal_ends_an_own_stack_when_the_keeper_is_killed_too(pages: PagesRun) -> None:
    """Kill -9 of controller and keeper: heal ends what is left and removes its folder."""
    pages.start()
    pages.wait_for("fault cache-cut seen to bite")
    keeper = next(one for one in pages.ours() if "_keeper" in one.cmdline())
    keeper.send_signal(signal.SIGKILL)
    assert pages.process is not None
    pages.process.send_signal(signal.SIGKILL)
    pages.process.wait()
    healed = pages.command("heal")
    assert healed.returncode == 0, healed.stderr
    pages.assert_nothing_left()
