"""Traffic for a link that wrk cannot make: bulk, single round trips, thousands of connections."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.processes import BenchFailure

PATIENCE_S = 60.0
_CHUNK_BYTES = 1 << 20
_PAUSE_S = 0.001  # between two round trips: the link is idle, not asleep
_WORD = b"x" * 100
_BACKLOG = 8_192


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Listen on a free loopback port while the block lasts."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as server:
        server.settimeout(PATIENCE_S)
        yield server


def bulk_bytes(port: int, upstream: socket.socket, seconds: float) -> int:
    """Send as fast as it goes for a while through `port`; return the bytes that `upstream` got."""
    taken = [0]

    def sink() -> None:
        connection, _ = upstream.accept()
        buffer = bytearray(_CHUNK_BYTES)
        with connection:
            while count := connection.recv_into(buffer):
                taken[0] += count

    thread = threading.Thread(target=sink)
    thread.start()
    data, ends_s = bytes(_CHUNK_BYTES), time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        while time.monotonic() < ends_s:
            connection.sendall(data)
    thread.join(PATIENCE_S)
    return taken[0]


def round_trips_ms(port: int, upstream: socket.socket, count: int) -> list[float]:
    """Send single bytes through `port`, a pause apart; return how long each took to come back."""
    thread = threading.Thread(target=_echo_one, args=(upstream,))
    thread.start()
    took_ms = list[float]()
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while len(took_ms) < count:
            began_ns = time.perf_counter_ns()
            connection.send(b"x")
            connection.recv(1)
            took_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
            time.sleep(_PAUSE_S)
    thread.join(PATIENCE_S)
    return took_ms


def _echo_one(upstream: socket.socket) -> None:
    connection, _ = upstream.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(1):
            connection.send(data)


def answered_of(port: int, upstream: socket.socket, count: int) -> int:
    """Hold `count` connections through `port` at once and use each; return how many answered."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 2 * count + 100:
        raise BenchFailure(f"{count} connections need {2 * count + 100} open files, not {hard}")
    held, far = list[socket.socket](), list[socket.socket]()
    try:
        for _ in range(count):
            held.append(socket.create_connection(("127.0.0.1", port), PATIENCE_S))
            far.append(upstream.accept()[0])
        for one in held:
            one.sendall(_WORD)
        _echo_all(far)
        return sum(_received(one) == _WORD for one in held)
    finally:
        for one in (*held, *far):
            one.close()


def _echo_all(far: list[socket.socket]) -> None:
    """Echo one word on each connection."""
    with selectors.DefaultSelector() as selector:
        for one in far:
            selector.register(one, selectors.EVENT_READ)
        ends_s = time.monotonic() + PATIENCE_S
        while selector.get_map() and time.monotonic() < ends_s:
            for key, _ in selector.select(1):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                connection.sendall(connection.recv(len(_WORD)))
                selector.unregister(connection)


def _received(connection: socket.socket) -> bytes:
    taken = b""
    while len(taken) < len(_WORD) and (part := connection.recv(len(_WORD) - len(taken))):
        taken += part
    return taken
