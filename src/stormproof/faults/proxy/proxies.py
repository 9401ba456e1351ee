"""The proxies of Toxiproxy's interface: each a link of ours, by name."""

from __future__ import annotations

import asyncio
import os
import socket

from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.proxy.addresses import Address, address_text, parse_address
from stormproof.faults.proxy.bodies import ProxyBody, ProxyChange, ProxyView, ToxicView
from stormproof.faults.proxy.refusal import Refusal
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.seeds import derive
from stormproof.model.part import Link

PROXIES_MAX = 1_000
TOXICS_MAX = 100  # a proxy
_STREAMS = ("upstream", "downstream")  # in the order in which toxics are told


class Proxy:
    """A proxy: a link while it is enabled, and toxics that outlast that.

    Raises:
        Refusal: an address is none.
    """

    def __init__(self, body: ProxyBody, seed: int) -> None:
        self.name = body.name
        self.listen = body.listen
        self.upstream = body.upstream
        self.is_enabled = False
        self.toxics: dict[str, ToxicView] = {}
        self._seed = derive(seed, "proxy", body.name)
        self._link: TcpLink | None = None
        parse_address(self.listen, needs_host=False)
        parse_address(self.upstream, needs_host=True)

    def view(self) -> ProxyView:
        """Return it as it is told."""
        return ProxyView(
            name=self.name,
            listen=self.listen,
            upstream=self.upstream,
            enabled=self.is_enabled,
            toxics=self.toxics_in_order(),
        )

    def toxics_in_order(self) -> list[ToxicView]:
        """Return its toxics, those of the upstream first, each in the order they were put on."""
        return sorted(self.toxics.values(), key=lambda toxic: _STREAMS.index(toxic.stream))

    async def start(self) -> None:
        """Listen; one that listens already is fine. A port of 0 becomes the one that was taken.

        Raises:
            Refusal: its address cannot be listened on.
        """
        if self.is_enabled:
            return
        try:
            if self._link is None:
                await self._open()
            else:
                await self._link.accept_again()
        except EnvironmentFailure as error:
            raise _cannot_listen(self.listen, error.__cause__) from error
        self.is_enabled = True

    async def _open(self) -> None:
        host, port = await _resolved(parse_address(self.listen, needs_host=False))
        upstream_host, upstream_port = parse_address(self.upstream, needs_host=True)
        link = TcpLink(
            Link(
                name=self.name,
                host=host,
                listen_port=port,
                upstream_host=upstream_host,
                upstream_port=upstream_port,
            ),
            seed=self._seed,
        )
        for toxic in self.toxics.values():
            link.put(toxic.applied)
        await link.open()
        self._link = link
        self.listen = address_text((host, link.listen_port))

    def stop(self) -> None:
        """Cut all connections and refuse new ones."""
        if self._link is not None:
            self._link.refuse()
        self.is_enabled = False

    async def close(self) -> None:
        """Cut all connections and give the port back."""
        self.is_enabled = False
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def change(self, change: ProxyChange) -> None:
        """Take other addresses, which cuts all connections, or be enabled or disabled.

        Raises:
            Refusal: an address is none, or cannot be listened on.
        """
        listen, upstream = change.listen or self.listen, change.upstream or self.upstream
        wanted = self.is_enabled if change.enabled is None else change.enabled
        where = await _resolved(parse_address(listen, needs_host=False))
        parse_address(upstream, needs_host=True)
        if address_text(where) != self.listen or upstream != self.upstream:
            await self.close()
            self.listen, self.upstream = listen, upstream
        if wanted:
            await self.start()
        elif self.is_enabled:
            self.stop()

    def put(self, toxic: ToxicView) -> None:
        """Put a toxic on.

        Raises:
            Refusal: there is one of its name already, or there are too many.
        """
        if toxic.name in self.toxics:
            raise Refusal(409, "toxic already exists")
        if len(self.toxics) >= TOXICS_MAX:
            raise Refusal(400, f"a proxy has at most {TOXICS_MAX} toxics")
        self.toxics[toxic.name] = toxic
        if self._link is not None:
            self._link.put(toxic.applied)

    def replace(self, toxic: ToxicView) -> None:
        """Let the toxic of that name be another of its kind."""
        self.toxics[toxic.name] = toxic
        if self._link is not None:
            self._link.change(toxic.applied)

    def toxic(self, name: str) -> ToxicView:
        """Return a toxic.

        Raises:
            Refusal: there is none of that name.
        """
        if name not in self.toxics:
            raise Refusal(404, "toxic not found")
        return self.toxics[name]

    def take_off(self, name: str) -> None:
        """Take a toxic off.

        Raises:
            Refusal: there is none of that name.
        """
        del self.toxics[self.toxic(name).name]
        if self._link is not None:
            self._link.take_off(name)

    def cure(self) -> None:
        """Take all toxics off."""
        for name in tuple(self.toxics):
            self.take_off(name)


class Proxies:
    """All proxies; what changes them comes one after the other.

    Args:
        seed: of what their toxics draw.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._proxies: dict[str, Proxy] = {}
        self.turn = asyncio.Lock()

    def views(self) -> dict[str, ProxyView]:
        """Return all proxies as they are told."""
        return {name: proxy.view() for name, proxy in sorted(self._proxies.items())}

    def get(self, name: str) -> Proxy:
        """Return a proxy.

        Raises:
            Refusal: there is none of that name.
        """
        if name not in self._proxies:
            raise Refusal(404, "proxy not found")
        return self._proxies[name]

    def check(self, body: ProxyBody, place: str = "") -> Proxy:
        """Return the proxy that a body asks for, not yet started.

        Raises:
            Refusal: a field is missing or wrong.
        """
        for field in ("name", "upstream"):
            if not getattr(body, field):
                raise Refusal(400, f"missing required field: {field}{place}")
        return Proxy(body, self._seed)

    async def add(self, body: ProxyBody) -> Proxy:
        """Make a proxy.

        Raises:
            Refusal: a field is missing or wrong, its name or its address is taken.
        """
        proxy = self.check(body)
        if proxy.name in self._proxies:
            raise Refusal(409, "proxy already exists")
        if len(self._proxies) >= PROXIES_MAX:
            raise Refusal(400, f"there are at most {PROXIES_MAX} proxies")
        if body.enabled:
            await proxy.start()
        self._proxies[proxy.name] = proxy
        return proxy

    async def populate(self, bodies: list[ProxyBody]) -> list[Proxy]:
        """Make or replace proxies; one that is there with the same addresses stays as it is.

        Raises:
            Refusal: nothing is changed when a field is missing or wrong; what comes before one
                whose address is taken stays.
        """
        wanted = [self.check(body, f" at proxy {at}") for at, body in enumerate(bodies, start=1)]
        if len({proxy.name for proxy in wanted}) < len(wanted):
            raise Refusal(400, "bad request body: two proxies have the same name")
        if len(self._proxies.keys() | {proxy.name for proxy in wanted}) > PROXIES_MAX:
            raise Refusal(400, f"there are at most {PROXIES_MAX} proxies")
        return [
            await self._add_or_replace(proxy, is_enabled=body.enabled)
            for proxy, body in zip(wanted, bodies, strict=True)
        ]

    async def _add_or_replace(self, proxy: Proxy, *, is_enabled: bool) -> Proxy:
        there = self._proxies.get(proxy.name)
        if there is not None:
            where = address_text(await _resolved(parse_address(proxy.listen, needs_host=False)))
            if there.upstream == proxy.upstream and there.listen in (where, proxy.listen):
                return there
            await there.close()
            del self._proxies[proxy.name]
        if is_enabled:
            await proxy.start()
        self._proxies[proxy.name] = proxy
        return proxy

    async def remove(self, name: str) -> None:
        """Close a proxy and forget it.

        Raises:
            Refusal: there is none of that name.
        """
        proxy = self.get(name)
        del self._proxies[name]
        await proxy.close()

    async def reset(self) -> None:
        """Enable all proxies and take all toxics off.

        Raises:
            Refusal: an address is taken meanwhile; all others are enabled, all toxics are off.
        """
        refusals = []
        for proxy in self._proxies.values():
            proxy.cure()
            try:
                await proxy.start()
            except Refusal as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]

    async def close(self) -> None:
        """Close all proxies."""
        for proxy in self._proxies.values():
            await proxy.close()


async def _resolved(where: Address) -> Address:
    """Return an address with a number for its host.

    Raises:
        Refusal: the name is unknown.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            *where, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _cannot_listen(address_text(where), error) from error
    addresses = sorted(found, key=lambda one: one[0] != socket.AF_INET)
    return str(addresses[0][4][0]), where[1]


def _cannot_listen(listen: str, error: BaseException | None) -> Refusal:
    why = str(error)
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        why = os.strerror(error.errno)  # `strerror` may go into detail
    return Refusal(500, f"listen tcp {listen}: {why.lower()}")
