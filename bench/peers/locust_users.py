"""Measure Locust's FastHttpUser; prints requests a CPU-second between spawning and the end.

Run by Locust itself, in the peers' own environment, with BENCH_JOURNEY=get or post.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from locust import FastHttpUser, constant, events, task  # type: ignore[import-not-found,unused-ignore]

_mark: dict[str, float] = {}


@events.spawning_complete.add_listener  # type: ignore[untyped-decorator,unused-ignore]
def _begin(**_: Any) -> None:
    _mark["cpu_s"] = time.process_time()
    _mark["requests"] = float(_environment["environment"].stats.total.num_requests)


_environment: dict[str, Any] = {}


@events.init.add_listener  # type: ignore[untyped-decorator,unused-ignore]
def _keep(environment: Any, **_: Any) -> None:
    _environment["environment"] = environment


@events.test_stopping.add_listener  # type: ignore[untyped-decorator,unused-ignore]
def _end(environment: Any, **_: Any) -> None:
    total = environment.stats.total
    if total.num_failures:
        sys.exit(f"{total.num_failures} requests failed")
    used_s = time.process_time() - _mark["cpu_s"]
    sys.stdout.write(f"per_cpu_second={(total.num_requests - _mark['requests']) / used_s:.1f}\n")
    sys.stdout.flush()


class Person(FastHttpUser):  # type: ignore[misc,unused-ignore]
    """The same journeys as stormproof's, as Locust has them written."""

    wait_time = constant(0)

    @task  # type: ignore[untyped-decorator,unused-ignore]
    def visit(self) -> None:
        """Read one thing, or create one, and check."""
        if os.environ["BENCH_JOURNEY"] == "get":
            with self.client.get("/items", catch_response=True) as answer:
                if answer.status_code != 200:
                    answer.failure("not served")
            return
        order = {"item": 17, "count": 2, "note": "bench"}
        with self.client.post("/orders", json=order, catch_response=True) as answer:
            if answer.status_code != 201:
                answer.failure("not created")
            elif answer.json()["id"] != 17:
                answer.failure("no id")
