"""Claims on ports: two runs that want one of them never take each other's parts for theirs.

Whether a port is free says nothing about a part of another run that is about to listen there, and
readiness asks whoever answers. So a keeper holds a name in the kernel for each of its ports, which
goes with it however it ends.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from stormproof.kernel.claims import claim
from stormproof.kernel.errors import EnvironmentFailure


class PortClaims:
    """The ports that this process has claimed."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, ports: Iterable[int]) -> None:
        """Claim ports.

        Raises:
            EnvironmentFailure: one is claimed by another run.
        """
        for port in ports:
            try:
                self._held.append(claim(port))
            except OSError as error:
                raise EnvironmentFailure(
                    f"the port {port} belongs to another run that goes on",
                    'wait for its end, or write "any" instead of the number',
                ) from error

    def release(self) -> None:
        """Give all of them back; safe to call twice."""
        while self._held:
            self._held.pop().close()
