"""Logs, metrics, health and the cache's breaker on their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.sanctum.conftest import OpenLink
from tests.sanctum.servers import DEADLINE_S, LOOPBACK, Valkey

from sanctum.backing.cache import Cache
from sanctum.backing.errors import CacheUnavailable
from sanctum.defects import Defects
from sanctum.operations.health import Dependency, Health, Status
from sanctum.telemetry.logs import QUEUE_RECORDS_MAX, Logs
from sanctum.telemetry.metrics import ROUTE_SERIES_MAX, Metrics


async def _works() -> None:
    return


def _dependency(name: str, *, healthy: bool, essential: bool, age_s: float = 0) -> Dependency:
    dependency = Dependency(name=name, probe=_works, healthy=lambda: healthy, essential=essential)
    dependency.note_check(age_s)
    return dependency


@pytest.mark.parametrize(
    ("database", "cache", "status", "unready"),
    [
        (True, True, Status.UP, []),
        (True, False, Status.DEGRADED, ["cache"]),
        (False, True, Status.DOWN, ["database"]),
        (False, False, Status.DOWN, ["database", "cache"]),
    ],
)
def test_health_sums_up_its_dependencies(
    database: bool, cache: bool, status: Status, unready: list[str]
) -> None:
    """Without the database the service is DOWN, without the cache DEGRADED, and never ready."""
    health = Health(
        [
            _dependency("database", healthy=database, essential=True),
            _dependency("cache", healthy=cache, essential=False),
        ],
        interval_s=1,
        defects=Defects(),
    )
    assert (health.status, health.unready) == (status, unready)
    health.draining = True
    assert health.unready == [*unready, "draining"]


def test_stale_check_is_no_evidence_of_health() -> None:
    """A dependency that was not checked lately, or never, is not called UP."""
    assert _dependency("x", healthy=True, essential=True, age_s=5).status is Status.DOWN
    never = Dependency(name="x", probe=_works, healthy=lambda: True, essential=True)
    assert (never.status, never.checked_ms_ago) == (Status.DOWN, None)


def _cache(port: int) -> Cache:
    return Cache(
        f"redis://{LOOPBACK}:{port}/0",
        pool_max=2,
        timeout_s=0.2,
        defects=Defects(),
        metrics=Metrics(),
    )


async def _first_probe(cache: Cache) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not cache.healthy:
            with contextlib.suppress(CacheUnavailable):
                await cache.probe()


async def test_breaker_opens_on_failure_and_closes_on_a_probe(
    valkey: Valkey, open_link: OpenLink
) -> None:
    """A held operation fails, the next ones fail at once, and only a probe ends that."""
    link = await open_link(valkey.port)
    cache = _cache(link.port)
    with pytest.raises(CacheUnavailable):
        await cache.put("k", b"v", 5)
    await _first_probe(cache)
    await cache.put("k", b"v", 5)
    link.hold()
    with pytest.raises(CacheUnavailable):
        await cache.take("k")
    states = [cache.healthy]
    link.release()
    with pytest.raises(CacheUnavailable, match="does not answer"):
        await cache.take("k")
    await cache.probe()
    states.append(cache.healthy)
    assert states == [False, True]
    await cache.put("k", b"v2", 5)
    assert await cache.take("k") == b"v2"
    assert await cache.take("k") is None
    await cache.close()


async def test_more_operations_than_connections_wait_their_turn(valkey: Valkey) -> None:
    """Operations beyond the pool's size queue for a connection and do not open the breaker."""
    cache = _cache(valkey.port)
    await _first_probe(cache)
    await asyncio.gather(*(cache.put(f"k{i}", b"v", 5) for i in range(50)))
    assert cache.healthy
    await cache.close()


def test_logs_are_json_lines_with_their_fields() -> None:
    """A record becomes one line of JSON with its fields and its exception."""
    read_end, write_end = os.pipe()
    logger = logging.getLogger("sanctum.test")
    with Logs("info", write_end):
        logger.info("hello %s", "world", extra={"fields": {"channel": 7}})
        logger.debug("too fine")
        logger.error("failed", exc_info=ValueError("broken"))
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        lines = [json.loads(line) for line in stream]
    assert [line["message"] for line in lines] == ["hello world", "failed"]
    assert lines[0]["channel"] == 7
    assert "ValueError: broken" in lines[1]["exception"]


def test_record_that_cannot_be_rendered_fails_nobody() -> None:
    """A record whose arguments do not fit it, or hold what JSON cannot, is told as such."""
    read_end, write_end = os.pipe()
    endless: list[object] = []
    endless.append(endless)
    records: list[dict[str, object]] = [
        {"msg": "%d of them", "args": ("many",)},
        {"msg": "endless", "fields": {"of": endless}},
        {"msg": "half \ud800"},
    ]
    with Logs("info", write_end) as logs:
        for record in records:
            logs.emit(logging.makeLogRecord(record))
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        messages = [json.loads(line)["message"] for line in stream]
    assert [message[:13] for message in messages] == ["no log record"] * 2 + ["half \ud800"]


async def test_connection_that_the_event_loop_has_closed_is_a_lost_one(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was reset before it is written to is told as the cache being away: uvloop
    raises another error than a socket does, which ended the whole process."""

    def closed(pieces: object) -> None:
        raise RuntimeError("the handler is closed")

    cache = Cache(valkey.url, pool_max=2, timeout_s=0.2, defects=Defects(), metrics=Metrics())
    await _first_probe(cache)
    for connection in cache._pool._available_connections:
        monkeypatch.setattr(connection._writer, "writelines", closed)
    with pytest.raises(CacheUnavailable):
        await cache.get("there")
    await _first_probe(cache)
    await cache.close()


async def test_share_of_nothing_is_no_number(valkey: Valkey) -> None:
    """Before anything was looked up or anybody logged in, no share is told that meets a bar."""
    metrics = Metrics()
    cache = Cache(valkey.url, pool_max=2, timeout_s=0.2, defects=Defects(), metrics=metrics)
    await _first_probe(cache)
    names = ("storage_cache_hit_ratio", "auth_login_success_rate")
    assert all(f"\n{name} NaN\n" in metrics.render().decode() for name in names)
    await cache.put("there", b"v", 5)
    assert [await cache.get(key) for key in ("there", "there", "not", "there")].count(b"v") == 3
    metrics.observe_login(success=True)
    text = metrics.render().decode()
    assert "\nstorage_cache_hit_ratio 0.75\n" in text
    assert "\nauth_login_success_rate 1.0\n" in text
    await cache.close()


def test_logs_drop_and_count_when_nobody_reads() -> None:
    """A stuck reader costs records, which are counted, and never the caller's time."""
    read_end, write_end = os.pipe()
    logger = logging.getLogger("sanctum.test")
    text = "x" * 1000
    with Logs("info", write_end) as logs:
        for _ in range(QUEUE_RECORDS_MAX * 3):
            logger.info(text)
        assert logs.dropped > 0
        assert logs.waiting <= QUEUE_RECORDS_MAX
        os.close(read_end)
    os.close(write_end)


def test_metrics_are_in_the_text_format() -> None:
    """What is rendered parses, and the breaker's counts have exactly the required name."""
    metrics = Metrics()
    metrics.storage.breaker("cache", lambda: True)["open"] += 1
    families = list(text_string_to_metric_families(metrics.render().decode()))
    samples = {
        (sample.name, sample.labels.get("dependency"), sample.labels.get("state")): sample.value
        for family in families
        for sample in family.samples
    }
    assert samples["storage_circuit_breaker_transitions", "cache", "open"] == 1
    assert samples["storage_circuit_breaker_transitions", "cache", "closed"] == 0


def test_request_series_are_bounded() -> None:
    """Whatever clients ask for, the number of series stays within its bound, and what is past it is
    counted all the same: an outage is never told as nothing."""
    metrics = Metrics()
    for i in range(ROUTE_SERIES_MAX):
        metrics.observe_request(f"METHOD{i}", "unmatched", 405, 0.001)
        metrics.observe_request("GET", f"/route/{i}", 200, 0.001)
    for _ in range(3):
        metrics.observe_request("GET", "/route/late", 503, 0.001)
    rendered = metrics.render()
    assert rendered.count(b"\nrequests_total{") == ROUTE_SERIES_MAX + 2
    assert b'requests_total{method="OTHER",route="unmatched",status="405"} 600.0' in rendered
    assert b'requests_total{method="OTHER",route="other",status="503"} 3.0' in rendered
