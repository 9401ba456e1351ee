"""A run against a target that keeps its latencies in a native histogram, served in protobuf."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.families import HISTOGRAM, family, metric, native, observing
from tests.integration.cli.conftest import Project
from tests.integration.cli.test_running import JOURNEYS

from stormproof.cli.main import run_commands
from stormproof.rules import validity
from stormproof.rules.fold import merge_cells, per_second
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

NAME = "target:request_latency_ms"
FAST_MS, SLOW_MS = 40.0, 200.0  # every answer is said to have taken one of them, in turn
HELD, BROKEN = f"{NAME}: p(95)<300", f"{NAME}: p(95)<100"
SCHEMA = 3  # eight buckets a power of two: each 9 % wide


@pytest.fixture
def native_target(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Have the project's target say of itself what it says in protobuf only, and take the machine
    for quiet: whether it is one is not what is tested here."""
    monkeypatch.setattr(validity, "causes_in", lambda _frames, _workers: set())
    monkeypatch.chdir(project.folder)
    for name in ("BASE_URL", "REGION", "TEST_PROFILE", "STORMPROOF_ENV"):
        monkeypatch.delenv(name, raising=False)

    def families() -> bytes:
        number = project.handler.answered
        slow, fast = number // 2, number - number // 2
        buckets = observing([FAST_MS] * fast + [SLOW_MS] * slow, SCHEMA)
        value = native(buckets, FAST_MS * fast + SLOW_MS * slow, number)
        return family("request_latency_ms", HISTOGRAM, metric(HISTOGRAM, value))

    project.handler.families = families
    return project


def profile(folder: Path) -> str:
    path = folder / "native.json"
    path.write_text(
        json.dumps(
            {
                "duration": "3s",
                "warmup": "0s",
                "scenarios": {"default": {"executor": "constant-vus", "vus": 2}},
                "sources": {"target": {"interval": "1s"}},
                "thresholds": {NAME: ["p(95)<300", "p(95)<100", "avg<1000", "count>=1"]},
            }
        )
    )
    return str(path)


def test_an_objective_on_a_native_histogram_is_decided_and_explained(
    native_target: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its quantile is right to the width of a bucket and its count to the request; a bar that is
    missed fails the run, and `explain` tells from which figures."""
    (native_target.folder / "shop.py").write_text(JOURNEYS)
    order = ["run", "shop.py", "--target", native_target.target]
    assert run_commands([*order, "--profile", profile(native_target.folder)]) == 1
    run = native_target.run_directory()
    verdict = json.loads((run / "verdict.json").read_bytes())
    answers = {one["name"]: one for one in verdict["objectives"]}
    assert answers[HELD]["status"] == "pass"
    assert answers[BROKEN]["status"] == "fail"
    assert SLOW_MS / 1.1 < answers[BROKEN]["value"] < SLOW_MS * 1.1
    assert answers[f"{NAME}: avg<1000"]["value"] == pytest.approx((FAST_MS + SLOW_MS) / 2, rel=0.1)
    record = load_record(RunDirectory.open(run))
    requests = merge_cells(per_second(record, "http_req", {}).values()).count
    assert answers[f"{NAME}: count>=1"]["value"] == requests > 0
    capsys.readouterr()
    assert run_commands(["explain", str(run), BROKEN]) == 0
    told = capsys.readouterr().out
    assert f"objective {BROKEN}" in told
    assert "FAIL: 213" in told
    assert "95 % interval: 197.4" in told  # the bucket's ends
    assert re.search(r"target was read [4-9] times in the window", told)
    assert re.search(
        r"worst between two readings: \d\.\d+ to \d\.\d+ s, 21\d\.\d of \d+ samples", told
    )
