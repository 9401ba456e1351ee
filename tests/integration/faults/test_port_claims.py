"""Claims on fixed ports: whoever comes second is told, and nothing outlives its holder."""

from __future__ import annotations

import pytest

from stormproof.faults.port_claims import PortClaims
from stormproof.kernel.errors import EnvironmentFailure

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
