"""Fixtures: one PostgreSQL for all tests, a clean database, cache and Sanctum for each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from tests.sanctum.clients import CHANNELS, PASSWORD, Api
from tests.sanctum.inboxes import Parts
from tests.sanctum.links import Link
from tests.sanctum.pipelines import Talks
from tests.sanctum.servers import (
    DEADLINE_S,
    LOOPBACK,
    ROLE,
    ROLE_PASSWORD,
    Postgres,
    Valkey,
    free_port,
    until,
)

from sanctum.app import Service
from sanctum.migrations.runner import migrate
from sanctum.seeding import SeedSize, seed
from sanctum.server import build_server, listen
from sanctum.settings import Settings, read_settings
from sanctum.telemetry.logs import Logs

DATABASE = "sanctum"
# Every table hangs on these by its foreign keys; the others are named.
EMPTYING = (
    "TRUNCATE users, channels, outbox, outbox_dead, provider_charges RESTART IDENTITY CASCADE"
)
SIZE = SeedSize(users=20, channels=CHANNELS, posts=50)

Serve = Callable[..., Awaitable[Api]]
OpenLink = Callable[[int], Awaitable[Link]]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Serve a cluster with one migrated database."""
    server = Postgres()
    try:
        server.start()
        asyncio.run(server.execute(f"CREATE DATABASE {DATABASE}"))
        migrate(server.url(DATABASE), server.url(DATABASE, ROLE, ROLE_PASSWORD))
        yield server
    finally:
        server.stop()


@pytest.fixture
async def database(postgres: Postgres) -> str:
    """Give the name of the database, holding the seed and nothing else."""
    await postgres.execute(EMPTYING, database=DATABASE)
    await asyncio.to_thread(seed, postgres.url(DATABASE), SIZE, PASSWORD)
    return DATABASE


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """Serve a cache of the test's own."""
    server = Valkey()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def open_link() -> AsyncIterator[OpenLink]:
    """Open links to servers."""
    links: list[Link] = []

    async def open_one(target_port: int) -> Link:
        link = Link(target_port)
        await link.open()
        links.append(link)
        return link

    yield open_one
    for link in links:
        await link.close()


@pytest.fixture
async def serve(postgres: Postgres, database: str, valkey: Valkey) -> AsyncIterator[Serve]:
    """Start Sanctums on the test's database and cache, each on a loop of its own."""
    stops: list[Callable[[], Awaitable[None]]] = []

    async def start(*, ready: bool = True, role: str = "api", **overrides: str) -> Api:
        environ = {
            "SANCTUM_ENV": "test",
            "SANCTUM_DATABASE_URL": postgres.url(database, ROLE, ROLE_PASSWORD),
            "SANCTUM_CACHE_URL": valkey.url,
            "SANCTUM_SWEEP_INTERVAL_S": "0.5",
            **overrides,
        }
        settings = read_settings(environ)
        port = free_port()
        server = build_server(Service(settings, Logs("error"), role), settings)
        thread = threading.Thread(target=server.run, args=([listen(LOOPBACK, port)],), daemon=True)
        thread.start()

        async def stop() -> None:
            server.should_exit = True
            await asyncio.to_thread(thread.join, DEADLINE_S)
            assert not thread.is_alive(), "Sanctum does not stop"

        stops.append(stop)
        await until(lambda: server.started, "Sanctum is started")
        api = Api(port)
        if ready:
            await api.wait_ready()
        return api

    yield start
    for stop in stops:
        await stop()


@pytest.fixture
async def talks(postgres: Postgres, database: str) -> AsyncIterator[Talks]:
    """Give conversations in the database."""
    async with Talks(postgres, database) as made:
        yield made


@pytest.fixture
async def api(serve: Serve) -> Api:
    """Give one ready Sanctum."""
    return await serve()


@pytest.fixture
def settings() -> Settings:
    """Give the default settings."""
    return read_settings({})


@pytest.fixture
async def parts(postgres: Postgres, database: str) -> AsyncIterator[Parts]:
    """Give an inbox whose database is open."""
    made = Parts(postgres.url(database, ROLE, ROLE_PASSWORD))
    await made.database.open()
    yield made
    await made.database.close()
