"""The lines of a dry run."""

from __future__ import annotations

import msgspec
from tests.builders import plan

from stormproof.cli.outlook import outlook_lines
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Stage


def test_a_dry_run_reads_like_a_plan() -> None:
    """Every scenario has its span, users, stages and first starts; the last line adds them up."""
    feed, chat = plan().scenarios
    stages = (
        Stage(duration_ns=60 * SECOND_NS, target=20),
        Stage(duration_ns=60 * SECOND_NS, target=0),
    )
    ramp = msgspec.structs.replace(
        feed,
        executor="ramping-arrival-rate",
        stages=stages,
        start_rate=10.0,
        duration_ns=120 * SECOND_NS,
        vus=5,
        max_vus=9,
        graceful_stop_ns=30 * SECOND_NS,
    )
    loop = msgspec.structs.replace(
        chat, start_ns=500_000_000, duration_ns=60 * SECOND_NS, vus=2, max_vus=2
    )
    lines = outlook_lines(msgspec.structs.replace(plan(), scenarios=(ramp, loop)))
    assert lines[:4] == [
        f"feed: ramping-arrival-rate, {feed.journey}",
        "  from 0s to 2m, cut at 150s; users 5 to 9; iterations 1,500",
        "  stage 1: 0s to 1m, 10 to 20 starts a second, 900 iterations",
        "  stage 2: 1m to 2m, 20 to 0 starts a second, 600 iterations",
    ]
    assert lines[4].startswith("  first starts: 0.1s 0.2s 0.299s ")
    assert lines[5].startswith("chat: constant-vus, ")
    assert lines[6].startswith("  from 0.5s to 60.5s")
    assert lines[6].endswith("users 2; iterations as many as the users manage")
    assert lines[8] == "  first starts: 0.5s 0.5s"
    assert lines[9].startswith(f"fault {plan().faults[0].name}: ")
    assert lines[-1] == ("in all: 1,500 iterations and what the closed loops manage, 7 to 11 users")
