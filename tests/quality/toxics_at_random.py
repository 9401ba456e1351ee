"""Toxics at random under load: `python -m tests.quality.toxics_at_random [SEED [SECONDS]]`.

Twelve threads talk through three proxies of `stormproof proxy`, rudely, while toxics with ordinary
and absurd settings are put on, changed and removed, proxies disabled and moved. It fails when a
request to the interface takes longer than five seconds, when the process says anything else than
what was asked, keeps descriptors, or does not serve everybody once all is reset.
"""

from __future__ import annotations

import random
import re
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any

import psutil
from tests.integration.cli.proxied import Served, dial, echo_server, received

CLIENTS = 12
ANSWER_S_MAX = 5.0
FILES_MORE_MAX = 10
HEALED_MIN = 100  # echoes that must pass once all is reset
ATTRIBUTES = {
    "latency": ["latency", "jitter"],
    "bandwidth": ["rate"],
    "slow_close": ["delay"],
    "timeout": ["timeout"],
    "reset_peer": ["timeout"],
    "slicer": ["average_size", "size_variation", "delay"],
    "limit_data": ["bytes"],
    "noop": [],
}
VALUES = [0, 1, 7, 30, 300, 10**6, 10**12]
_SAID = re.compile(r"(POST|PATCH|DELETE|GET) /|stormproof: Toxiproxy")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Clients:
    """Threads that send, wait a while, and leave by a close, half a close or a reset."""

    def __init__(self, listens: list[str]) -> None:
        self._listens = listens
        self.ended = threading.Event()
        self.echoes = [0] * CLIENTS
        self.threads = [threading.Thread(target=self._talk, args=(at,)) for at in range(CLIENTS)]

    def _talk(self, at: int) -> None:
        dice = random.Random(at)  # noqa: S311 - a test
        while not self.ended.is_set():
            try:
                with dial(dice.choice(self._listens)) as connection:
                    self._exchange(at, connection, dice)
            except OSError:
                continue  # that is what toxics are for

    def _exchange(self, at: int, connection: socket.socket, dice: random.Random) -> None:
        connection.settimeout(dice.choice([0.05, 0.3, 1.0]))
        for _ in range(dice.randrange(1, 20)):
            count = dice.choice([1, 100, 5_000, 200_000])
            connection.sendall(bytes(count))
            if dice.random() < 0.1 or len(received(connection, count)) < count:
                break
            self.echoes[at] += 1
        if dice.random() < 0.3:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        if dice.random() < 0.3:
            connection.shutdown(socket.SHUT_WR)


def request_of(dice: random.Random, proxy: str, upstream: str) -> tuple[str, str, Any]:
    """Draw what to ask for next."""
    path, toxic = f"/proxies/{proxy}", f"t{dice.randrange(6)}"
    kind = dice.choice(list(ATTRIBUTES))
    attributes = {name: dice.choice(VALUES) for name in ATTRIBUTES[kind]}
    body = {"name": toxic, "type": kind, "attributes": attributes,
            "stream": dice.choice(["upstream", "downstream"]),
            "toxicity": dice.choice([0, 0.3, 1, 2])}  # fmt: skip
    anything = {name: dice.choice(VALUES) for names in ATTRIBUTES.values() for name in names}
    return dice.choices(
        [
            ("POST", f"{path}/toxics", body),
            ("PATCH", f"{path}/toxics/{toxic}", {"attributes": anything, "toxicity": 0.5}),
            ("DELETE", f"{path}/toxics/{toxic}", None),
            ("PATCH", path, {"enabled": dice.random() < 0.5}),
            ("PATCH", path, {"upstream": dice.choice([upstream, "127.0.0.1:1"])}),
            ("POST", "/reset", None),
        ],
        weights=[45, 15, 30, 4, 3, 3],
    )[0]


def main(seed: int, seconds: float) -> int:
    """Run once; return 0 when nothing was wrong."""
    dice = random.Random(seed)  # noqa: S311 - a test
    with echo_server() as upstream:
        served, said = Served("--verbose"), list[str]()
        assert served.process.stderr is not None
        listening = threading.Thread(target=said.extend, args=[served.process.stderr])
        listening.start()
        process = psutil.Process(served.process.pid)
        bodies = [
            {"name": f"p{at}", "listen": "127.0.0.1:0", "upstream": upstream} for at in range(3)
        ]
        proxies = [served.ask("POST", "/proxies", body)[1] for body in bodies]
        files, slowest_s, requests = process.num_fds(), 0.0, 0
        clients = Clients([proxy["listen"] for proxy in proxies])
        for thread in clients.threads:
            thread.start()
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            began_s = time.monotonic()
            served.ask(*request_of(dice, dice.choice(proxies)["name"], upstream))
            slowest_s, requests = max(slowest_s, time.monotonic() - began_s), requests + 1
            time.sleep(dice.choice([0, 0, 0.01, 0.05]))
        for proxy in proxies:
            served.ask("PATCH", f"/proxies/{proxy['name']}", {"upstream": upstream})
        served.ask("POST", "/reset")
        before, deadline_s = sum(clients.echoes), time.monotonic() + 10
        while sum(clients.echoes) < before + HEALED_MIN and time.monotonic() < deadline_s:
            time.sleep(0.05)
        healed = sum(clients.echoes) - before
        clients.ended.set()
        for thread in clients.threads:
            thread.join()
        while process.num_fds() > files + FILES_MORE_MAX and time.monotonic() < deadline_s + 10:
            time.sleep(0.05)
        left, memory_mb = process.num_fds() - files, process.memory_info().rss / 1e6
        served.process.send_signal(signal.SIGINT)
        code = served.process.wait(10)
        listening.join()
    strange = [line for line in said if not _SAID.match(line)]
    sys.stdout.write(
        f"seed {seed}: {requests} requests, slowest {slowest_s:.3f} s; {before} echoes meanwhile, "
        f"{healed} after the reset; {left} descriptors more, {memory_mb:.0f} MB; exit {code}\n"
        + "".join(strange[:40])
    )
    fine = slowest_s < ANSWER_S_MAX and healed >= HEALED_MIN and left <= FILES_MORE_MAX
    return 0 if fine and code == 0 and not strange else 1


if __name__ == "__main__":
    given = [float(one) for one in sys.argv[1:]]
    sys.exit(main(int(given[0]) if given else 1, given[1] if len(given) > 1 else 20.0))
