"""Free loopback ports on a real machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest

from stormproof.kernel.errors import BadInput, EnvironmentFailure
from stormproof.stack.ports import choose_ports


def test_chosen_ports_are_free_and_apart() -> None:
    """Each name gets a port of its own that can be bound now."""
    ports = choose_ports(["a", "b", "c"], {})
    assert len(set(ports.values())) == 3
    for port in ports.values():
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_chosen_ports_lie_below_the_ephemeral_range() -> None:
    """The kernel gives none of our ports to a connection while a part is being restarted."""
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    assert max(choose_ports(["a", "b"], {}).values()) < int(text.split()[0])


def test_wanted_port_is_taken_as_it_is() -> None:
    """A port that the plan names is given to its part, and to no other."""
    wanted = choose_ports(["a"], {})["a"]
    ports = choose_ports(["a", "b"], {"b": wanted})
    assert ports["b"] == wanted
    assert ports["a"] != wanted


def test_wanted_port_in_use_is_named_with_its_holder() -> None:
    """A wanted port that is taken fails with the port, the part and the process that has it."""
    with socket.create_server(("127.0.0.1", 0)) as taker:
        port = taker.getsockname()[1]
        with pytest.raises(EnvironmentFailure) as raised:
            choose_ports(["api"], {"api": port})
    assert f"port {port}, wanted for api, is in use" in raised.value.what
    assert f"process {os.getpid()}" in raised.value.what
    assert "name another port" in raised.value.fix


def test_holder_that_may_not_be_seen_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel hides whose port it is the message is still whole."""

    def denied(kind: str) -> list[object]:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    with socket.create_server(("127.0.0.1", 0)) as taker:
        port = taker.getsockname()[1]
        with pytest.raises(EnvironmentFailure) as raised:
            choose_ports(["api"], {"api": port})
    assert raised.value.what == f"port {port}, wanted for api, is in use"


@pytest.mark.parametrize(
    "wanted", [{"nothing": 8000}, {"api": 0}, {"api": 70_000}, {"api": 8000, "cache": 8000}]
)
def test_ports_that_make_no_sense_are_bad_input(wanted: dict[str, int]) -> None:
    """A port for an unknown part, no port at all, and one port for two parts are the plan's
    fault."""
    with pytest.raises(BadInput):
        choose_ports(["api", "cache"], wanted)
