"""Where the requests go: one host and port, resolved once."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target's address; `host` is a literal IP address once it is resolved."""

    host: str
    port: int
    authority: str  # what the Host header says
    headers: bytes = b""  # lines that every request carries besides our own

    async def resolve(self) -> Target:
        """Return the same target with its host looked up.

        Raises:
            EnvironmentFailure: the name is unknown.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self.host, self.port, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM
            )
        except OSError as error:
            reason = error.strerror or "unknown name"
            raise EnvironmentFailure(
                f"the target's host {self.host!r} cannot be looked up: {reason.lower()}",
                "check the target's URL",
            ) from error
        families = {entry[0]: str(entry[4][0]) for entry in reversed(found)}
        host = families.get(socket.AF_INET) or next(iter(families.values()))
        return replace(self, host=host)


def parse_target(base_url: str) -> Target:
    """Read the base URL of a target, `http://host[:port]`.

    Raises:
        BadInput: it is something else.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _bad(base_url, str(error)) from error
    if parts.scheme == "https":
        raise _bad(base_url, "https is not supported yet")
    if parts.scheme != "http" or not host:
        raise _bad(base_url, "is no http:// URL")
    if parts.username is not None or parts.query or parts.fragment or parts.path.strip("/"):
        raise _bad(base_url, "holds more than scheme, host and port")
    authority = f"[{host}]" if ":" in host else host
    if port not in (None, 80):
        authority = f"{authority}:{port}"
    return Target(host=host, port=port or 80, authority=authority)


def _bad(base_url: str, what: str) -> BadInput:
    fix = "such as http://127.0.0.1:8000"
    return BadInput([Problem(where=f"target {base_url!r}", what=what, fix=fix)])
