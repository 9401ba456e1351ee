"""Serve Toxiproxy's interface until told to end."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Sequence

from stormproof.faults.links.tcp import allow_files
from stormproof.faults.proxy.addresses import Address, address_text
from stormproof.faults.proxy.api import Api, Request, Response
from stormproof.faults.proxy.bodies import ProxyBody
from stormproof.faults.proxy.http import Answer, ApiServer
from stormproof.faults.proxy.proxies import Proxies
from stormproof.faults.proxy.refusal import Refusal
from stormproof.kernel.errors import EnvironmentFailure


async def serve(
    where: Address,
    bodies: Sequence[ProxyBody],
    *,
    seed: int,
    server_name: str,
    ready: Callable[[str], None],
    log: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM; then cut everything and return.

    Args:
        where: to listen on; a port of 0 becomes one that is free.
        bodies: the proxies there are from the start.
        seed: of what toxics draw.
        server_name: told with the version.
        ready: called with the interface's URL once it is served.
        log: called with a line for each change and each refusal.

    Raises:
        EnvironmentFailure: the address or one of the proxies' is taken.
    """
    allow_files()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    listening = _listening(where)
    proxies = Proxies(seed=seed)
    server = ApiServer(listening, _logged(Api(proxies, server_name), log))
    try:
        await proxies.populate(list(bodies))
        await server.open()
        ready(f"http://{address_text(listening.getsockname()[:2])}")
        await ended.wait()
    except Refusal as refusal:
        raise EnvironmentFailure(refusal.message, "give the proxy another address") from refusal
    finally:
        await server.close()
        listening.close()
        await proxies.close()


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _logged(api: Api, log: Callable[[str], None]) -> Answer:
    async def answer(request: Request) -> Response:
        response = await api.answer(request)
        if request.method != "GET" or response.status >= 400:
            path = ascii(request.path)[1:-1]  # whatever was sent: a terminal reads this
            log(f"{request.method} {path} {response.status}")
        return response

    return answer


def _plain(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or not error.errno:
        return str(error)
    return os.strerror(error.errno)


def _listening(where: Address) -> socket.socket:
    host, port = where
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise EnvironmentFailure(
            f"{address_text(where)} cannot be listened on: {_plain(error)}",
            "name another address with --listen",
        ) from error
