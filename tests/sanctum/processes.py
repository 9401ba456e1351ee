"""Sanctum's processes as children that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import psutil
from tests.sanctum.clients import Api
from tests.sanctum.pipelines import QUICK
from tests.sanctum.servers import DEADLINE_S, ROLE, ROLE_PASSWORD, Postgres, Valkey, free_port

START_DEADLINE_S = 60  # several that start at once on a busy machine take long


class Worker:
    """One `sanctum serve` of a role, started, killed and started again."""

    def __init__(
        self, role: str, postgres: Postgres, database: str, valkey: Valkey, **overrides: str
    ) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("SANCTUM_")}
        self._environ = {
            **own,
            "SANCTUM_ENV": "test",
            "SANCTUM_DATABASE_URL": postgres.url(database, ROLE, ROLE_PASSWORD),
            "SANCTUM_CACHE_URL": valkey.url,
            **QUICK,
            **overrides,
        }
        self._role = role
        self._process: subprocess.Popen[bytes] | None = None
        self.api = Api(free_port())

    async def start(self, *options: str) -> None:
        """Start it, on a port that is free now, and wait until it is ready."""
        self.api.port = free_port()
        self.launch(*options)
        async with asyncio.timeout(START_DEADLINE_S):
            while not await self._ready():
                assert not self.ended, f"{self._role} ended by itself"
                await asyncio.sleep(0.05)

    def launch(self, *options: str) -> None:
        """Start it."""
        command = [sys.executable, "-m", "sanctum", "serve", self._role, *options]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.api.port)],
            env=self._environ,
            stdout=subprocess.DEVNULL,
        )

    async def _ready(self) -> bool:
        with contextlib.suppress(OSError):
            return await self.api.ready()
        return False

    @property
    def children(self) -> list[psutil.Process]:
        """List the processes that it has started and that run."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children()
        return []

    @property
    def ended(self) -> bool:
        """Tell whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def wait(self) -> int:
        """Wait for its end by itself; give its exit code."""
        assert self._process is not None
        return self._process.wait(DEADLINE_S)

    def kill(self) -> None:
        """End it at once, wherever it is."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; give its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(DEADLINE_S)
        self._process = None
        return code
