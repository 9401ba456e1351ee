"""Be a controller that can be killed: start a stack, inject faults, say so, wait.

The order comes on standard input as JSON; each event of the keeper goes to standard output.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from stormproof.model.event import Event
from stormproof.model.part import StackPlan
from stormproof.model.plan import PlannedFault
from stormproof.stack.kept import KeptStack


class Order(msgspec.Struct, kw_only=True):
    """What the controller does before it waits."""

    keeper_argv: list[str]
    plan: StackPlan
    faults: list[PlannedFault]
    index_dir: str


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def _ignore(event: Event) -> None:
    """Take an event."""


async def _control(order: Order) -> None:
    stack = KeptStack(order.keeper_argv, order.plan, order.faults, _ignore, Path(order.index_dir))
    await stack.start()
    for fault in order.faults:
        await stack.inject(fault)
    _say("waiting")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_control(msgspec.json.decode(sys.stdin.buffer.read(), type=Order)))
