"""Ask workers, before they end, to undo what users and the set-up created in the target."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.units import SECOND_NS
from stormproof.load import channel
from stormproof.load.remote import Remote
from stormproof.model.plan import Plan

CLEANUP_NS = 20 * SECOND_NS  # for all clean-ups of users, and again for what comes once
ANSWER_S = 2.0  # from that deadline to the worker's answer
_Report = TypeVar("_Report", bound=channel.Report)
Warn = Callable[[str, str], None]  # (code, text)


async def clean_up(remotes: Sequence[Remote], warn: Warn) -> None:
    """Have users undo what they registered, in every worker that lives and owes something."""
    owing = [remote for remote in remotes if remote.is_alive and remote.owes]
    order = channel.CleanUp(deadline_ns=monotonic_ns() + CLEANUP_NS)
    reports = await _answers(owing, order, channel.CleanedUp, warn)
    failed = sum(report.failed for report in reports)
    if failed:
        reasons = sum((Counter(report.reasons) for report in reports), Counter[str]())
        of = f"{failed} of {sum(report.done for report in reports)} clean-ups of users failed"
        warn("cleanup-failed", f"{of}; most often: {_commonest(reasons)}")


async def tear_down(
    remotes: Sequence[Remote], plan: Plan, once: Remote | None, *, is_set_up: bool, warn: Warn
) -> None:
    """Run the teardown and undo what the set-up registered.

    Args:
        remotes: all workers.
        plan: says whether there is a teardown.
        once: the worker that ran the set-up; another one takes over where it is gone.
        is_set_up: whether the set-up succeeded; after one that failed there is no teardown.
        warn: is told what failed.
    """
    living = [remote for remote in remotes if remote.is_alive]
    run = plan.teardown is not None and (is_set_up or plan.setup is None)
    if not living or not (run or once is not None):
        return
    chosen = once if once in living and once is not None else living[0]
    order = channel.TearDown(run=run, deadline_ns=monotonic_ns() + CLEANUP_NS)
    for torn in await _answers([chosen], order, channel.TornDown, warn):
        if torn.why:
            warn("teardown-failed", f"the teardown {plan.teardown} failed: {torn.why}")
        if torn.failed:
            text = f"{torn.failed} clean-ups of the set-up failed"
            warn("cleanup-failed", f"{text}; most often: {_commonest(torn.reasons)}")


async def _answers(
    remotes: Sequence[Remote], order: channel.Order, answer: type[_Report], warn: Warn
) -> list[_Report]:
    """Ask workers for a last thing; warn of each that dies over it or does not answer."""
    waiting = {remote.expect(answer): remote for remote in remotes}
    for remote in remotes:
        remote.send(order)
    if not waiting:
        return []
    done, pending = await asyncio.wait(waiting, timeout=CLEANUP_NS / SECOND_NS + ANSWER_S)
    for one in pending:
        one.cancel()
    silent = sorted(waiting[one].number for one in waiting if one in pending or one.exception())
    for number in silent:
        warn("cleanup-failed", f"worker {number} did not say what it cleaned up")
    return [one.result() for one in done if one.exception() is None]


def _commonest(reasons: Mapping[str, int]) -> str:
    reason = max(reasons, key=reasons.__getitem__)
    return f"{reason} ({reasons[reason]})"
