"""Claims on fixed ports: whoever comes second is told, and nothing outlives its holder."""

from __future__ import annotations

import pytest

from stormproof.faults.port_claims import PortClaims
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.stack.ports import choose_ports

PORT = 1  # nobody listens there; a claim is a name, and no port of the machine


def test_a_port_is_claimed_by_one_run_at_a_time() -> None:
    """The second claim fails with what to do; after the first is given back it holds."""
    first, second = PortClaims(), PortClaims()
    try:
        first.take([PORT])
        with pytest.raises(EnvironmentFailure, match=r"belongs to another run.*write"):
            second.take([PORT])
        first.release()
        first.release()
        second.take([PORT])
    finally:
        first.release()
        second.release()


def test_a_port_that_is_claimed_counts_as_taken() -> None:
    """A run does not choose a port on which a part of another run is about to listen."""
    (port,) = choose_ports(["one"], {}).values()
    claims = PortClaims()
    claims.take([port])
    try:
        with pytest.raises(EnvironmentFailure, match=f"port {port}, wanted for one, is in use"):
            choose_ports(["one"], {"one": port})
    finally:
        claims.release()
    assert choose_ports(["one"], {"one": port}) == {"one": port}
