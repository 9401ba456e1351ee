"""`stormproof ctl` on a run that goes on, on one that is over, and on none."""

from __future__ import annotations

import json
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.cli.conftest import Project

from stormproof.cli.main import run_commands
from stormproof.model.event import ControlEvent, EndEvent
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

PATIENCE_S = 40.0


def until(work: Callable[[], bool]) -> None:
    """Try again until it works, or time is up."""
    deadline = time.monotonic() + PATIENCE_S
    while not work() and time.monotonic() < deadline:
        time.sleep(0.05)


def certify_and(project: Project, out: Path, work: Callable[[Path], None]) -> int:
    """Certify for up to ten minutes, and do something with the run from beside it."""
    project.change(lambda profile: profile.update(duration="600s", workers=2))

    def beside() -> None:
        until(lambda: any(out.glob("*/control.sock")))
        work(next(out.glob("*/control.sock")).parent)

    helper = threading.Thread(target=beside)
    helper.start()
    code = run_commands([*project.certify(), "--out", str(out)])
    helper.join()
    return code


def test_a_run_is_steered_and_says_so(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pause, resume, scale and stop are carried out, recorded, told, and keep it from passing."""
    out = tmp_path / ("deep-" * 16) / ("deeper-" * 16)  # no socket address is that long
    modes: list[int] = []

    def steer(run: Path) -> None:
        modes.append(stat.S_IMODE((run / "control.sock").stat().st_mode))
        until(lambda: run_commands(["ctl", str(run), "pause", "--scenario", "visit"]) == 0)
        assert run_commands(["ctl", str(run), "scale", "2.5"]) == 0
        assert run_commands(["ctl", str(run), "resume"]) == 0
        assert run_commands(["ctl", str(run), "pause", "--scenario", "vsit"]) == 64
        assert run_commands(["ctl", str(run), "stop"]) == 0

    assert certify_and(project, out, steer) == 2
    (folder,) = out.iterdir()
    record = load_record(RunDirectory.open(folder))
    orders = [str(one.order) for one in record.events if isinstance(one, ControlEvent)]
    assert orders == [
        "pause visit",
        "scale 2.5 all scenarios",
        "resume all scenarios",
        "stop all scenarios",
    ]
    assert [one.how for one in record.events if isinstance(one, EndEvent)] == ["stopped"]
    verdict = json.loads((folder / "verdict.json").read_bytes())
    (finding,) = [one for one in verdict["findings"] if one["kind"] == "steered"]
    assert (verdict["verdict"], finding["count"]) == ("inconclusive", 4)
    told = capsys.readouterr()
    assert "the load was steered: pause visit at " in told.out
    assert "done: scale 2.5 all scenarios" in told.out
    assert "load steered: resume all scenarios" in told.err
    assert "the scenario 'vsit' is unknown (known: visit)" in told.err
    assert modes == [0o600]
    assert not (folder / "control.sock").exists()
    assert run_commands(["ctl", str(folder), "pause"]) == 64
    assert "is over: its record is sealed" in capsys.readouterr().err


def test_orders_to_nobody_get_one_clear_message(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No run, a run that is not going on, and an order that makes no sense are told apart."""
    assert run_commands(["ctl", str(tmp_path / "none"), "pause"]) == 64
    (tmp_path / "plan.json").write_text("{}")
    assert run_commands(["ctl", str(tmp_path), "pause"]) == 64
    assert run_commands(["ctl", str(tmp_path), "scale"]) == 64
    assert run_commands(["ctl", str(tmp_path), "stop", "2"]) == 64
    told = capsys.readouterr().err
    assert "is no run directory" in told
    assert "is not running (orders are taken from its start to its seal)" in told
    assert "ctl scale: needs a factor" in told
    assert "ctl stop: takes no factor" in told


def test_a_dead_controllers_socket_is_known_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A socket that nobody listens at any more points to `heal`."""
    (tmp_path / "plan.json").write_text("{}")
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "control.sock"))
    left.close()
    assert run_commands(["ctl", str(tmp_path), "pause"]) == 64
    assert "nobody listens (stormproof heal" in capsys.readouterr().err
