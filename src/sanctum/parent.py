"""Several processes on one port: a parent starts them, replaces the dead, sums their metrics.

All accept on the listening socket of the parent, so that what waits there survives any of them. The
parent serves nobody: each process asks it for the sum when it is asked for metrics.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from sanctum.telemetry.siblings import PARENT, address_of, ask
from sanctum.telemetry.sums import Sums, encode_families

logger = logging.getLogger(__name__)

TOLD_WITHIN_S = 0.5
ENDED_WITHIN_S = 5.0
REPLACE_AFTER_S = 0.2
# A process that lived this long has started well; one that fails so often in a row never will.
SETTLED_AFTER_S = 10.0
FAILURES_MAX = 5
OWN = 0


class Parent:
    """Keep a number of processes alive until a signal.

    Attributes:
        failed: whether it gave up because processes ended as soon as they were started.
    """

    def __init__(self, listener: socket.socket, count: int) -> None:
        self._listener = listener
        self._count = count
        self._folder = Path(tempfile.mkdtemp(prefix="sanctum-workers-"))
        self._sums = Sums()
        self._numbers = OWN
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._ending = asyncio.Event()
        self._telling = asyncio.Lock()
        self.failed = False
        self._registry = CollectorRegistry()
        alive = Gauge("sanctum_workers", "Processes that serve", registry=self._registry)
        alive.set_function(lambda: len(self._children))
        self._replaced = Counter(
            "sanctum_workers_replaced_total", "Processes that died", registry=self._registry
        )

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or until it gives up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        address = str(address_of(self._folder, PARENT))
        try:
            server = await asyncio.start_unix_server(self._tell_sum, address)
            async with server, asyncio.TaskGroup() as keepers:
                for _ in range(self._count):
                    keepers.create_task(self._keep())
        finally:
            shutil.rmtree(self._folder)

    async def _keep(self) -> None:
        """Keep one process alive."""
        failures = 0
        while not self._ending.is_set():
            started = time.monotonic()
            died = await self._run_one()
            if self._ending.is_set():
                return
            failures = failures + 1 if time.monotonic() - started < SETTLED_AFTER_S else 1
            self._replaced.inc(died)
            # Where the machine lets no process be started, those that serve go on.
            if failures >= FAILURES_MAX and (died or not self._children):
                logger.critical("workers do not stay alive")
                self.failed = True
                self._ending.set()
                return
            await asyncio.sleep(REPLACE_AFTER_S * min(failures, FAILURES_MAX))

    async def _run_one(self) -> bool:
        """Run a process until its end; tell whether it could be started at all."""
        try:
            code = await self._start_one()
        except OSError as error:
            logger.error("no worker can be started", extra={"fields": {"reason": str(error)}})
            return False
        if not self._ending.is_set():
            logger.error("a worker died", extra={"fields": {"code": code}})
        return True

    async def _start_one(self) -> int:
        """Start a process and wait for its end, which comes soon once the parent is ending."""
        self._numbers += 1
        number = self._numbers
        listener = self._listener.fileno()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "sanctum", "serve", "api"),
            *("--worker", str(self._folder), str(number), str(listener)),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(listener,),
            start_new_session=True,  # an interrupt from a terminal comes from here, once
        )
        self._children[number] = child
        try:
            return await self._outcome(child)
        finally:
            del self._children[number]
            self._sums.end(number)
            address_of(self._folder, number).unlink(missing_ok=True)

    async def _outcome(self, child: asyncio.subprocess.Process) -> int:
        end, ending = (
            asyncio.ensure_future(child.wait()),
            asyncio.ensure_future(self._ending.wait()),
        )
        await asyncio.wait([end, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not end.done():
            child.terminate()
            await asyncio.wait([end], timeout=ENDED_WITHIN_S)
        if not end.done():
            logger.error("a worker did not end", extra={"fields": {"pid": child.pid}})
            child.kill()
        return await end

    async def _tell_sum(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._telling:  # an older answer must not take the place of a newer one
                await asyncio.gather(*(self._ask(number) for number in list(self._children)))
                self._sums.note(OWN, encode_families(self._registry))
                told = self._sums.render()
            writer.write(told)
            async with asyncio.timeout(TOLD_WITHIN_S):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has gone, and asks again
        finally:
            writer.close()

    async def _ask(self, number: int) -> None:
        """Ask a process what it measures; one that does not answer is known by its last answer."""
        try:
            told = await ask(address_of(self._folder, number), TOLD_WITHIN_S)
            if number in self._children:
                self._sums.note(number, told)
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            reason = f"{type(error).__name__}: {error}"
            logger.info("a worker tells nothing", extra={"fields": {"reason": reason}})
