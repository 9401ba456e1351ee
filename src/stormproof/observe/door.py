"""How a probe reaches the target: over TCP, TLS or a unix socket, never through a proxy."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from stormproof.kernel.tls import client_context
from stormproof.model.plan import Network, TlsSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An address to knock at, and what to say there."""

    host: str = ""
    port: int = 0
    authority: str
    context: ssl.SSLContext | None = None
    server_name: str = ""
    unix_path: str = ""

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection.

        Raises:
            OSError: there is none, or the target is not to be trusted.
        """
        if self.unix_path:
            return await asyncio.open_unix_connection(self.unix_path)
        name = self.server_name if self.context is not None else None
        return await asyncio.open_connection(
            self.host, self.port, ssl=self.context, server_hostname=name
        )


def door_of(base_url: str, tls: TlsSettings | None = None, network: Network | None = None) -> Door:
    """Return the door of an `http[s]://host[:port]` or `unix:/path` URL.

    Raises:
        ValueError: it is no such URL.
        EnvironmentFailure: a file of the TLS settings cannot be used.
    """
    if base_url.startswith("unix:"):
        return Door(authority="localhost", unix_path=base_url.removeprefix("unix:"))
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{base_url!r} is no http:// or https:// URL")
    context, tls = None, tls or TlsSettings()
    if parts.scheme == "https":
        context = client_context(
            insecure=tls.insecure, ca=tls.ca, certificate=tls.certificate, key=tls.key
        )
    hosts = network.hosts if network is not None else {}
    return Door(
        host=hosts.get(parts.hostname, parts.hostname),
        port=parts.port or (80 if context is None else 443),
        authority=parts.netloc,
        context=context,
        server_name=tls.server_name or parts.hostname,
    )
