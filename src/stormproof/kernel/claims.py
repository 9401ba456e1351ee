"""The name that a run holds in the kernel for each of its ports (an abstract unix address).

Whether a port is free says nothing about a part of another run that is about to listen there.
"""

from __future__ import annotations

import socket


def claim(port: int) -> socket.socket:
    """Claim a port: the socket holds it until it is closed, which the kernel does in the end.

    Raises:
        OSError: another process has claimed it.
    """
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(f"\0stormproof-port-{port}")
    except OSError:
        held.close()
        raise
    return held


def is_claimed(port: int) -> bool:
    """Tell whether a process holds a claim on a port."""
    try:
        claim(port).close()
    except OSError:
        return True
    return False
