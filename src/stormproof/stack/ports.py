"""Free loopback ports."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from stormproof.kernel.claims import is_claimed
from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem

HOST = "127.0.0.1"
_LOWEST = 10_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_LOWEST = 32_768
_PORT_MAX = 65_535
_ANSWER_S = 2.0


def choose_ports(names: Sequence[str], wanted: Mapping[str, int]) -> dict[str, int]:
    """Choose a free loopback port for each name, the wanted one where it is given.

    The kernel gives its own connections ports of the ephemeral range, and so could take one from
    a part while that is restarted: ours lie below it.

    Raises:
        BadInput: a wanted port is for none of `names`, or no port.
        EnvironmentFailure: a wanted port is taken.
    """
    problems = [
        Problem(where=f"ports: {name}", what=f"no part has that name or {port} is no port",
                fix=f"name one of: {', '.join(names)}; a port is 1 to {_PORT_MAX}")
        for name, port in wanted.items()
        if name not in names or not 0 < port <= _PORT_MAX
    ]  # fmt: skip
    if len(set(wanted.values())) < len(wanted):
        problems.append(Problem(where="ports", what="two parts are given the same port"))
    if problems:
        raise BadInput(problems)
    for name, port in wanted.items():
        if not _is_free(port):
            raise EnvironmentFailure(
                f"port {port}, wanted for {name}, is in use{_holder(port)}",
                "stop what uses it, or name another port",
            )
    missing = [name for name in names if name not in wanted]
    free = _free_ports(len(missing), avoid=set(wanted.values()))
    return {**wanted, **dict(zip(missing, free, strict=True))}


def _free_ports(count: int, *, avoid: set[int]) -> list[int]:
    below = _EPHEMERAL_LOWEST
    if _EPHEMERAL_RANGE.exists():
        below = int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    span = range(_LOWEST, below) if below - _LOWEST > 1_000 else range(1_025, _PORT_MAX)
    # Which port is taken decides nothing about a run: no seed is needed.
    tries = random.SystemRandom().sample(span, len(span))
    chosen: list[int] = []
    for port in tries:
        if len(chosen) == count:
            break
        if port not in avoid and _is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise EnvironmentFailure("there are not enough free loopback ports on this machine")
    return chosen


def _is_free(port: int) -> bool:
    """Say whether nobody listens on a port, nor has claimed it for a part that is to."""
    if is_claimed(port):
        return False
    with socket.socket() as trial:
        # As servers do: a connection of the past that lingers in TIME_WAIT takes no port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True


def is_taken(port: int) -> bool:
    """Say whether somebody takes connections on a loopback port."""
    with socket.socket() as trial:
        trial.settimeout(_ANSWER_S)
        return trial.connect_ex((HOST, port)) == 0


def _holder(port: int) -> str:
    """Say which process listens on a port, as far as the kernel lets us know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for one in connections:
        if one.status == psutil.CONN_LISTEN and one.laddr[1:] == (port,) and one.pid is not None:
            try:
                return f" by process {one.pid} ({psutil.Process(one.pid).name()})"
            except psutil.NoSuchProcess:
                return ""
    return ""
