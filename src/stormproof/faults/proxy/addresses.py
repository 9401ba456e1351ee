"""Addresses as Toxiproxy writes them: `host:port`, `[::1]:port`."""

from __future__ import annotations

from stormproof.faults.proxy.refusal import Refusal

LOOPBACK = "127.0.0.1"
_PORT_MAX = 65_535

Address = tuple[str, int]


def parse_address(text: str, *, needs_host: bool) -> Address:
    """Read an address; without a host it is the loopback interface's, nothing at all port 0 of it.

    Raises:
        Refusal: it is none.
    """
    if not text and not needs_host:
        return LOOPBACK, 0
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise Refusal(400, f"bad request body: address {text}: too many colons in address")
    if not colon:
        raise Refusal(400, f"bad request body: address {text}: missing port in address")
    if not (port.isascii() and port.isdecimal() and int(port) <= _PORT_MAX):
        raise Refusal(400, f"bad request body: address {text}: invalid port")
    if needs_host and int(port) == 0:
        raise Refusal(400, f"bad request body: address {text}: invalid port")
    return host or LOOPBACK, int(port)


def address_text(address: Address) -> str:
    """Write an address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
