"""Opening connections to the target: look up, connect, tunnel, agree on TLS; each part timed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar

from stormproof.clients.failures import DialFailure, connect_error, tls_error
from stormproof.clients.tape import Scope, Tape
from stormproof.clients.target import Target, addresses_of, parse_target
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import RESPONSE_HEAD_BYTES_MAX
from stormproof.kernel.tls import client_context
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Network, TlsSettings

ADDRESSES_KEPT_NS = 300 * SECOND_NS
FAILURE_KEPT_NS = SECOND_NS  # so that a crowd of users does not storm the name server
NAMES_KEPT_MAX = 64

P = TypeVar("P", bound=asyncio.Protocol)


class Opening:
    """How far an operation came on its way to a connection, and when."""

    __slots__ = ("connected_ns", "open_ns", "stage", "start_ns", "tried_ns")

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.stage = "connect"  # the family of a failure now
        self.tried_ns = 0  # connecting began, after waiting for a free place and looking up
        self.connected_ns = 0
        self.open_ns = 0  # TLS included

    def found_free(self) -> None:
        """Say that there is no need to connect."""
        self.tried_ns = self.connected_ns = self.open_ns = monotonic_ns()

    def record(self, scope: Scope, end_ns: int) -> None:
        """Write the phases of the operation, which ended at `end_ns`."""
        tried_ns = self.tried_ns or end_ns
        scope.phase("http_req_blocked", tried_ns - self.start_ns, end_ns)
        if self.tried_ns and self.open_ns != self.tried_ns:
            connected_ns = self.connected_ns or end_ns
            scope.phase("http_req_connecting", connected_ns - tried_ns, end_ns)
            if self.stage == "tls":
                shaken_ns = (self.open_ns or end_ns) - connected_ns
                scope.phase("http_req_tls_handshaking", shaken_ns, end_ns)


class Resolver:
    """Look up names, and remember for five minutes."""

    __slots__ = ("_asking", "_hosts", "_known")

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = hosts
        self._known: dict[str, tuple[int, list[str]]] = {}  # host -> (until, addresses)
        self._asking: dict[str, asyncio.Task[list[str]]] = {}

    async def find(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, those of IPv4 first.

        Raises:
            DialFailure: it has none.
        """
        if host in self._hosts:
            return [self._hosts[host]]
        if _is_literal(host):
            return [host]
        until_ns, addresses = self._known.get(host, (0, []))
        if until_ns <= monotonic_ns():
            addresses = await self._ask(host, port)
        if not addresses:
            raise DialFailure("dns")
        return addresses

    async def _ask(self, host: str, port: int) -> list[str]:
        """Look a name up once, however many want to know."""
        asking = self._asking.get(host)
        if asking is None:
            asking = asyncio.ensure_future(self._look_up(host, port))
            self._asking[host] = asking
            asking.add_done_callback(lambda _: self._asking.pop(host, None))
        return await asyncio.shield(asking)

    async def _look_up(self, host: str, port: int) -> list[str]:
        addresses: list[str] = []
        with suppress(OSError, UnicodeError):
            addresses = await addresses_of(host, port)
        kept_ns = ADDRESSES_KEPT_NS if addresses else FAILURE_KEPT_NS
        if len(self._known) < NAMES_KEPT_MAX or host in self._known:
            self._known[host] = (monotonic_ns() + kept_ns, addresses)
        return addresses


class Dialer:
    """Opens the connections of one worker."""

    __slots__ = ("_context", "_host", "_proxy", "_resolver", "_server_name", "target")

    def __init__(
        self,
        target: Target,
        *,
        tls: TlsSettings | None = None,
        network: Network | None = None,
    ) -> None:
        tls, network = tls or TlsSettings(), network or Network()
        self.target = target
        self._resolver = Resolver(network.hosts)
        self._proxy = parse_target(network.proxy) if network.proxy else None
        self._server_name = tls.server_name or target.host_name
        self._context: ssl.SSLContext | None = None
        if target.is_secure:
            self._context = client_context(
                insecure=tls.insecure, ca=tls.ca, certificate=tls.certificate, key=tls.key
            )

    @property
    def prefix(self) -> str:
        """What stands before the path in a request line: the whole URL where a proxy reads it."""
        return self.target.base_url if self._proxy and not self.target.is_secure else ""

    @property
    def tls_context(self) -> ssl.SSLContext | None:
        """The context of an https target."""
        return self._context

    async def dial(self, opening: Opening, protocol: Callable[[], P], tape: Tape) -> P:
        """Open a connection; `opening` says how far it came.

        Raises:
            DialFailure: there is none.
        """
        try:
            plain = await self._connect(opening)
        except OSError as problem:
            raise DialFailure(connect_error(problem, tape)) from problem
        opening.connected_ns = monotonic_ns()
        try:
            connection = await self._open(plain, opening, protocol)
        except BaseException:
            plain.close()
            raise
        opening.open_ns = monotonic_ns()
        return connection

    @property
    def server_name(self) -> str:
        """What the certificate of an https target must be for."""
        return self._server_name

    async def reach(self, opening: Opening, tape: Tape) -> socket.socket:
        """Return a socket that is connected to the target, through the proxy where there is one.

        Whoever asks sees to TLS, and to the end of the socket.

        Raises:
            DialFailure: there is none.
        """
        try:
            plain = await self._connect(opening)
        except OSError as problem:
            raise DialFailure(connect_error(problem, tape)) from problem
        try:
            if self._proxy is not None:
                await self._tunnel(plain)
        except BaseException:
            plain.close()
            raise
        return plain

    async def _connect(self, opening: Opening) -> socket.socket:
        if self.target.unix_path:
            opening.tried_ns = monotonic_ns()
            return await _connected(socket.AF_UNIX, self.target.unix_path)
        peer = self._proxy or self.target
        opening.stage = "dns"
        addresses = await self._resolver.find(peer.host_name, peer.port)
        opening.stage = "connect"
        opening.tried_ns = monotonic_ns()
        for address in addresses[:-1]:
            with suppress(OSError):
                return await _connected(_family(address), (address, peer.port))
        return await _connected(_family(addresses[-1]), (addresses[-1], peer.port))

    async def _open(self, plain: socket.socket, opening: Opening, protocol: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        if self.target.unix_path:
            _, connection = await loop.create_unix_connection(protocol, sock=plain)
            return connection
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is None:
            _, connection = await loop.create_connection(protocol, sock=plain)
            return connection
        if self._proxy is not None:
            await self._tunnel(plain)
        opening.stage = "tls"
        opening.connected_ns = monotonic_ns()
        try:
            _, connection = await loop.create_connection(
                protocol, sock=plain, ssl=self._context, server_hostname=self._server_name
            )
        except OSError as problem:  # that of ssl is one
            raise DialFailure(tls_error(problem)) from problem
        return connection

    async def _tunnel(self, plain: socket.socket) -> None:
        """Have the proxy connect us to the target."""
        loop = asyncio.get_running_loop()
        place = f"{self.target.host_name}:{self.target.port}"
        request = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n"
        answer = b""
        try:
            await loop.sock_sendall(plain, request.encode())
            while b"\r\n\r\n" not in answer and len(answer) < RESPONSE_HEAD_BYTES_MAX:
                piece = await loop.sock_recv(plain, 4096)
                if not piece:
                    break
                answer += piece
        except OSError as problem:
            raise DialFailure("connect proxy reset") from problem
        status = answer.split(b" ", 2)[1:2]
        if not answer.endswith(b"\r\n\r\n") or not answer.startswith(b"HTTP/1."):
            raise DialFailure("connect proxy protocol")
        if not status or not status[0].startswith(b"2"):
            raise DialFailure(f"connect proxy {status[0].decode('latin-1')[:3] if status else ''}")


async def _connected(family: socket.AddressFamily, address: tuple[str, int] | str) -> socket.socket:
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, address)
    except BaseException:
        plain.close()
        raise
    return plain


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
