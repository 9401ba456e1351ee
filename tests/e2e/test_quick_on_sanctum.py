"""A person with a fresh Sanctum and an API key: the two commands together, as they are typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import DEADLINE_S, wait_until
from tests.sanctum.servers import LOOPBACK, ROLE, ROLE_PASSWORD, Postgres, Valkey, free_port

DATABASE = "postgres"


class Sanctum:
    """A Sanctum of its own servers, driven by its command line."""

    def __init__(self, postgres: Postgres, valkey: Valkey) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("SANCTUM_")}
        self._environment = {
            **own,
            "SANCTUM_ENV": "test",
            "SANCTUM_DATABASE_OWNER_URL": postgres.url(DATABASE),
            "SANCTUM_DATABASE_URL": postgres.url(DATABASE, ROLE, ROLE_PASSWORD),
            "SANCTUM_CACHE_URL": valkey.url,
        }
        self.port = free_port()

    def call(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed."""
        command = [sys.executable, "-m", "sanctum", *arguments]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=DEADLINE_S,
            check=True,
        )  # fmt: skip
        return done.stdout

    def serve(self) -> subprocess.Popen[bytes]:
        """Start serving."""
        command = [sys.executable, "-m", "sanctum", "serve", "--port", str(self.port)]
        return subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL)

    @property
    def is_ready(self) -> bool:
        """Whether it answers that it is ready."""
        url = f"http://{LOOPBACK}:{self.port}/health/ready"
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture
def sanctum() -> Iterator[Sanctum]:
    """Serve a migrated and seeded Sanctum."""
    postgres, valkey = Postgres(), Valkey()
    process: subprocess.Popen[bytes] | None = None
    try:
        postgres.start()
        valkey.start()
        service = Sanctum(postgres, valkey)
        wait_until(lambda: postgres.accepts, "PostgreSQL accepts connections")
        service.call("migrate")
        service.call("seed", "--users", "20", "--channels", "2", "--posts", "50")
        process = service.serve()
        wait_until(lambda: service.is_ready, "Sanctum is ready")
        yield service
    finally:
        if process is not None:
            process.terminate()
            process.wait(DEADLINE_S)
        valkey.kill()
        postgres.stop()


def quick(sanctum: Sanctum, folder: Path, *more: str) -> dict[str, float]:
    """Ask for the feed for some seconds and return the figures that were written."""
    url = f"http://{LOOPBACK}:{sanctum.port}/api/feed"
    command = [sys.executable, "-m", "stormproof", "quick", url, "--vus", "5", "--duration", "6s"]
    done = subprocess.run(
        [*command, "--out", str(folder / "runs"), *more],
        cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    results = folder / "load_test_results.json"
    assert results.is_file(), done.stderr
    figures: dict[str, float] = json.loads(results.read_bytes())
    return figures


def test_fresh_key_lets_quick_read_the_feed(sanctum: Sanctum, folder: Path) -> None:
    """With the printed key every request is served; without it none is, and both are counted."""
    key = sanctum.call("api-key", "--user", "user-0002").strip()
    with_key = quick(sanctum, folder, "--api-key", key)
    assert with_key["total_requests"] >= 10
    assert (with_key["error_rate"], with_key["rate_limited"]) == (0, 0)
    (verdict,) = (folder / "runs").glob("*/verdict.json")
    asked = {one["name"]: one for one in json.loads(verdict.read_bytes())["objectives"]}
    assert asked["target:rate_limit_hits_total: count<=5"]["value"] == 0
    assert asked["target:async_logger_queue_size: max<500"]["value"] < 500
    assert quick(sanctum, folder)["error_rate"] == 1
    recorded = [path.read_bytes() for path in (folder / "runs").rglob("*") if path.is_file()]
    assert not any(key.encode() in data for data in recorded)
