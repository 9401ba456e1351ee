"""Where the requests go: one host and port, or one unix socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target's address; `host` is a literal IP address once it is resolved."""

    host: str
    port: int
    authority: str  # what the Host header says
    headers: bytes = b""  # lines that every request carries besides our own
    scheme: str = "http"
    name: str = ""  # of the host, where `host` is its address by now
    unix_path: str = ""  # of a socket; then the host is no more than a name

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme == "https"

    @property
    def host_name(self) -> str:
        """The host as its user named it."""
        return self.name or self.host

    @property
    def base_url(self) -> str:
        """What its absolute URLs begin with."""
        return f"{self.scheme}://{self.authority}"

    async def resolve(self, hosts: Mapping[str, str] | None = None) -> Target:
        """Return the same target with its host looked up, in `hosts` first.

        Raises:
            EnvironmentFailure: the name is unknown.
        """
        if self.unix_path:
            return self
        known = (hosts or {}).get(self.host_name)
        if known:
            return replace(self, host=known, name=self.host_name)
        try:
            addresses = await addresses_of(self.host, self.port)
        except OSError as error:
            reason = error.strerror or "unknown name"
            raise EnvironmentFailure(
                f"the target's host {self.host!r} cannot be looked up: {reason.lower()}",
                "check the target's URL",
            ) from error
        if addresses[0] == self.host:
            return self
        return replace(self, host=addresses[0], name=self.host)


async def addresses_of(host: str, port: int) -> list[str]:
    """Look up a host; return its addresses, those of IPv4 first.

    Raises:
        OSError: the name is unknown.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM
    )
    ordered = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in ordered))


def parse_target(base_url: str) -> Target:
    """Read the base URL of a target, `http[s]://host[:port]` or `unix:/path/to/socket`.

    Raises:
        BadInput: it is something else.
    """
    if base_url.startswith("unix:"):
        return _unix(base_url)
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _bad(base_url, str(error)) from error
    if parts.scheme not in _PORTS or not host:
        raise _bad(base_url, "is no http:// or https:// URL")
    if parts.username is not None or parts.query or parts.fragment or parts.path.strip("/"):
        raise _bad(base_url, "holds more than scheme, host and port")
    authority = f"[{host}]" if ":" in host else host
    usual = _PORTS[parts.scheme]
    if port not in (None, usual):
        authority = f"{authority}:{port}"
    return Target(host=host, port=port or usual, authority=authority, scheme=parts.scheme)


def _unix(base_url: str) -> Target:
    path = base_url.removeprefix("unix:").removeprefix("//")
    if not path.startswith("/"):
        raise _bad(base_url, "names no absolute path of a socket")
    return Target(host="localhost", port=80, authority="localhost", unix_path=path)


def _bad(base_url: str, what: str) -> BadInput:
    fix = "such as http://127.0.0.1:8000"
    return BadInput([Problem(where=f"target {base_url!r}", what=what, fix=fix)])
