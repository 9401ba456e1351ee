"""Parts of a stack that a test holds in its hand, and what a source says of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.sanctum.servers import DEADLINE_S, LOOPBACK, Valkey

from stormproof.model.event import PartEvent
from stormproof.model.observed import Observed
from stormproof.observe.parts import PartsInSight
from stormproof.seams import Source
from stormproof.servers.resp import RespConnection

OBEDIENT = Path(__file__).with_name("obedient.py")


class Obedient:
    """A real process, in a session of its own, that takes orders."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(OBEDIENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.do("open", 0)  # it has started up

    @property
    def pid(self) -> int:
        return self.process.pid

    def do(self, *words: object) -> None:
        """Give an order, and return once it is carried out."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> None:
        """Kill it with all that its session holds; safe to call twice."""
        if self.process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def tell(parts: PartsInSight, part: str, step: str, pid: int = 0) -> None:
    """Tell what a keeper would."""
    parts.note(PartEvent(at_ns=0, part=part, step=step, pid=pid))


def value_of(given: Sequence[Observed], name: str, **tags: str) -> float:
    """Return the value of the one figure that has this name and these tags among its own."""
    (found,) = [one for one in given if one.name == name and one.tags.items() >= tags.items()]
    return found.value


async def read_value(source: Source, name: str, **tags: str) -> float:
    return value_of(await source.read(), name, **tags)


async def connected(server: Valkey) -> RespConnection:
    """Connect to a Valkey as soon as it is up."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await RespConnection.open(LOOPBACK, server.port)
            except OSError:
                await asyncio.sleep(0.01)
