"""What the reference service carries: its stack on one core, the generator on the other."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.processes import BenchFailure
from bench.results import Row, Section, at_least, at_most, figure

PROFILES = Path(__file__).parents[1] / "load" / "profiles"
PATIENCE_S = 400
CARRIED_OUT = (0, 1, 2)
MESSAGES_A_SECOND, FEEDS_A_SECOND, SOCKETS = 300, 1_000, 1_000


def measure_sanctum(_pairs: int) -> Section:
    """Measure messages end to end, reads of the feed, and held sockets; once each."""
    return Section(
        title="The reference service",
        about=(
            "All of its processes, PostgreSQL and Valkey share one core; a run each. What the"
            " verdict finds undecided is no figure."
        ),
        rows=[*_messages(), *_feed(), *_sockets()],
    )


def _messages() -> list[Row]:
    rate = {"rate": MESSAGES_A_SECOND}
    verdict = _certify("message_throughput", "exchange", rate, {"duration": "60s"})
    accepted, delivered = (
        _value(verdict, metric) for metric in ("http_req_duration{", "message_delivery{")
    )
    return [
        figure(f"{MESSAGES_A_SECOND} messages/s: accepted, p95", [accepted], "ms"),
        at_most(f"{MESSAGES_A_SECOND} messages/s: delivered, p95", [delivered], 500, "ms"),
        at_most("messages lost", [_value(verdict, "delivery_lost")], 0),
        at_most("messages twice", [_value(verdict, "delivery_duplicated")], 0),
    ]


def _feed() -> list[Row]:
    arrivals = {
        "executor": "constant-arrival-rate",
        "rate": FEEDS_A_SECOND,
        "preAllocatedVUs": 150,
        "maxVUs": 150,
        "env": {"pace_s": "0"},
    }
    whole = {"duration": "40s", "population": {"users": 200, "channels": 5, "posts": 500}}
    verdict = _certify("feed_load", "read", arrivals, whole, fresh=True)
    return [
        at_most(f"{FEEDS_A_SECOND:,} reads of the feed a second: p95",
                [_value(verdict, "http_req_duration")], 100, "ms"),
        figure("reads that failed", [100 * _value(verdict, "http_req_failed")], "%"),
    ]  # fmt: skip


def _sockets() -> list[Row]:
    growing = {"stages": [{"duration": "40s", "target": SOCKETS},
                          {"duration": "20s", "target": SOCKETS}]}  # fmt: skip
    whole = {"duration": "60s", "population": {"users": 1_100, "channels": 30, "posts": 10}}
    verdict = _certify("websocket_stress", "hold", growing, whole)
    return [
        figure(f"{SOCKETS:,} held sockets: ping, p95", [_value(verdict, "ws_ping{")], "ms"),
        at_least("of them, pings answered",
                 [100 * (1 - _value(verdict, "ws_ping_failed{"))], 99, "%"),
        at_most("of them, closed by the service", [_value(verdict, "ws_disconnects{")], 0),
    ]  # fmt: skip


def _certify(
    trial: str,
    scenario: str,
    changes: Mapping[str, object],
    whole: Mapping[str, object],
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Run a shipped trial under other numbers; return its verdict.

    Args:
        trial: with the profile of its name.
        scenario: the one whose options are changed, or replaced where `fresh`.
        changes: options of the scenario.
        whole: options of the profile.
        fresh: nothing of the scenario is kept.
    """
    profile = json.loads((PROFILES / f"{trial}.json").read_text(encoding="utf-8"))
    kept = {} if fresh else profile["scenarios"][scenario]
    profile["scenarios"][scenario] = {**kept, **changes}
    profile |= whole
    with tempfile.TemporaryDirectory(prefix="stormproof-bench-") as folder:
        out = Path(folder)
        numbers = out / f"{trial}.json"
        numbers.write_text(json.dumps(profile), encoding="utf-8")
        argv = [sys.executable, "-m", "stormproof", "certify", trial,
                "--profile", str(numbers), "--out", str(out / "runs")]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        verdicts = list((out / "runs").glob("*/verdict.json"))
        if done.returncode not in CARRIED_OUT or not verdicts:
            said = (done.stderr + done.stdout).strip()[-600:]
            raise BenchFailure(f"{trial} ended with {done.returncode}: {said}")
        verdict: dict[str, Any] = json.loads(verdicts[0].read_text(encoding="utf-8"))
    if not verdict["generator"]["valid"]:
        raise BenchFailure(f"{trial}: {verdict['generator']['why']}")
    return verdict


def _value(verdict: Mapping[str, Any], beginning: str) -> float:
    """Return the value of the objective whose name begins so."""
    found = [one for one in verdict["objectives"] if one["name"].startswith(beginning)]
    if not found or found[0]["value"] is None:
        raise BenchFailure(f"{beginning} has no value: {[one['why'] for one in found]}")
    return float(found[0]["value"])
