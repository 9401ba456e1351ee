"""A target that says 999 series of itself: `python -m bench.scraping_target text|native`.

Half of them are counters, some are gauges, the rest are histograms, classic ones in text or native
ones in protobuf; all grow from one answer to the next. It prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import uvloop
from tests.families import COUNTER, GAUGE, HISTOGRAM, double, family, metric, native

from stormproof.model.native import NativeBuckets

ROUTES = 50
STATUSES = ("200", "201", "204", "400", "401", "404", "429", "500", "502", "503")
POOLS = 49  # with the count of unread lines that we add, a thousand
BOUNDS = ("1", "2.5", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "+Inf")
HISTOGRAMS = 30  # of 13 buckets, a sum and a count each
NATIVE_HISTOGRAMS = 150  # of a sum, a count and the buckets each
NATIVE_BUCKETS = 60
TEXT = "text/plain; version=0.0.4"
PROTOBUF = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)


def text_of(turn: int) -> bytes:
    """Return them in the text format: 500 counters, 49 gauges, 450 parts of histograms."""
    lines = ["# TYPE requests_total counter"]
    lines += [
        f'requests_total{{route="/api/{route}/items",status="{status}"}} {turn * (route + 1)}'
        for route in range(ROUTES)
        for status in STATUSES
    ]
    lines += ["# TYPE pool_size gauge"]
    lines += [f'pool_size{{pool="{pool}"}} {turn % 7 + pool}' for pool in range(POOLS)]
    lines += ["# TYPE request_latency_ms histogram"]
    for route in range(HISTOGRAMS):
        tag = f'route="/api/{route}/items"'
        for place, bound in enumerate(BOUNDS, 1):
            lines.append(f'request_latency_ms_bucket{{{tag},le="{bound}"}} {turn * place * 11}')
        lines.append(f"request_latency_ms_sum{{{tag}}} {turn * 1234.5}")
        lines.append(f"request_latency_ms_count{{{tag}}} {turn * len(BOUNDS) * 11}")
    return ("\n".join(lines) + "\n").encode()


def families_of(turn: int) -> bytes:
    """Return them in protobuf: 500 counters, 49 gauges, 450 parts of native histograms."""
    count = NATIVE_BUCKETS * turn
    buckets = NativeBuckets(3, 2.0**-128, 0, dict.fromkeys(range(-20, NATIVE_BUCKETS - 20), turn))
    value = native(buckets, turn * 1234.5, count)
    return b"".join(
        [
            family("requests_total", COUNTER, *_counters(turn)),
            family(
                "pool_size",
                GAUGE,
                *(metric(GAUGE, double(1, turn % 7), {"pool": str(i)}) for i in range(POOLS)),
            ),
            *(
                family(f"latency_{kind}_ms", HISTOGRAM, *_each_route(value))
                for kind in range(NATIVE_HISTOGRAMS // ROUTES)
            ),
        ]
    )


def _counters(turn: int) -> Iterator[bytes]:
    for route in range(ROUTES):
        for status in STATUSES:
            tags = {"route": f"/api/{route}/items", "status": status}
            yield metric(COUNTER, double(1, turn * (route + 1)), tags)


def _each_route(value: bytes) -> Iterator[bytes]:
    return (metric(HISTOGRAM, value, {"route": f"/api/{i}/items"}) for i in range(ROUTES))


async def _serve(is_native: bool) -> None:
    turn = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal turn
        await reader.readuntil(b"\r\n\r\n")
        turn += 1
        body, kind = (families_of(turn), PROTOBUF) if is_native else (text_of(turn), TEXT)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1] == "native"))
