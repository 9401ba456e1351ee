"""The fault `link-certificate`."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, cast

from stormproof.faults.link_fault import LOOK_EVERY_S, blockage, counted, word
from stormproof.faults.links.certificates import (
    MISSING,
    Flaw,
    Presented,
    flawed,
    is_available,
    presented_by,
)
from stormproof.faults.links.impostor import Impostor
from stormproof.faults.links.tcp import TcpLink
from stormproof.kernel.errors import FaultRefused
from stormproof.model.plan import PlannedFault

WITNESS_S: Final = 2.0
ANSWER_S: Final = 2.0


class LinkCertificate:
    """Show a certificate with a flaw to who connects through a link to a server of TLS.

    What it does:
        New connections are led to a server of ours, which has a certificate with the names of the
        true one and one flaw: `expired` yesterday, `wrong-name`, or `unknown-issuer`, as after a
        rotation that not everybody heard of. What a client that believes it sends is passed on to
        the true server. With `sessions` "end" (the default) open connections are cut, so that
        clients have to look at once; with "keep" they go on, as they do when a certificate
        expires. On undo the link leads to the true server again, and ours cuts what it had.
    Why it matters:
        Certificates expire at night. A client that does not look lets anybody in between; one
        that looks and tries again without pause turns an expiry into a storm.
    What a failure looks like:
        Requests succeed all the same: nobody looked. Or the client retries without end, crashes,
        says it is ready, or does not come back when the certificate is right again.
    Limits:
        Who signs it is unknown to all clients, whatever the flaw, unless `authority` names a PEM
        file with certificate and key of an authority that they trust. No application protocol is
        negotiated, so clients that insist on HTTP/2 fail for that. Client certificates are not
        asked for, nor passed on.
    Source:
        RFC 5280 (validity, names); the expiries that brought large services down.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        self._link = link
        self._flaw = cast(Flaw, word(planned, "flaw"))
        self._authority = word(planned, "authority")
        self._ends_sessions = word(planned, "sessions") == "end"
        self._true: Presented | None = None
        self._impostor: Impostor | None = None
        self._ours = 0  # connections of our own that looked at the certificate
        self._own: str | None = None  # why that was not satisfied

    async def inject(self) -> str:
        """Lead new connections to the flawed certificate."""
        if not is_available():
            raise FaultRefused(MISSING)
        if self._link.diverted is not None:
            raise FaultRefused(f"{self._link.name} has a certificate of ours already")
        self._true = await presented_by(*self._link.upstream, within_s=ANSWER_S)
        context = flawed(self._flaw, self._true, self._authority)
        self._impostor = Impostor(context, self._link.upstream)
        self._link.diverted = await self._impostor.listen()
        cut = self._link.cut() if self._ends_sessions else 0
        return f"{self._link.name} shows a certificate ({self._flaw}); {cut} connections cut"

    async def witness(self) -> str | None:
        """Show that a client of ours that looks is refused, and what those of the target did."""
        if self._impostor is None or self._true is None:
            return None
        if not self._ours:  # only once: it is counted among those that looked
            self._ours = 1
            self._own = await self._own_refusal(self._true)
        if self._own is None:
            return None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WITNESS_S
        while self._impostor.believed + self._impostor.refusals.total() <= self._ours:
            if loop.time() >= deadline:
                return None
            await asyncio.sleep(LOOK_EVERY_S)
        return f"ours did not believe it: {self._own}; {self._told(ours=self._ours)}"

    async def undo(self) -> str:
        """Lead connections to the true server again, and cut those that believed the other."""
        impostor, self._impostor = self._impostor, None
        if impostor is None:
            return "the link leads to the true server"
        self._link.diverted = None
        told = f"{self._link.name} leads to the true server again"
        believed, refused = impostor.believed, impostor.refusals.total()
        await impostor.close()
        return f"{told}; {believed} connections had believed the certificate, {refused} had not"

    async def residue(self) -> str | None:
        """Show a link that leads elsewhere, or to another certificate than before."""
        if self._link.diverted is not None:
            return f"{self._link.name} still shows a certificate of ours"
        if self._true is not None:
            now = await presented_by(self._link.host, self._link.listen_port, within_s=ANSWER_S)
            if now != self._true:
                return f"the certificate behind {self._link.name} is not the one of before"
        return await blockage(self._link)

    async def _own_refusal(self, true: Presented) -> str | None:
        """Connect as a client that looks; return why it was not satisfied."""
        context = ssl.create_default_context(cafile=self._authority or None)
        try:
            async with asyncio.timeout(ANSWER_S):
                _, writer = await asyncio.open_connection(
                    self._link.host,
                    self._link.listen_port,
                    ssl=context,
                    server_hostname=true.name or self._link.host,
                )
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except (OSError, TimeoutError) as error:
            raise FaultRefused(f"{self._link.name}: {error}") from error
        writer.transport.abort()
        return None

    def _told(self, *, ours: int) -> str:
        assert self._impostor is not None
        refusals = self._impostor.refusals
        why = ", ".join(f"{reason} ({count})" for reason, count in refusals.most_common(3))
        believed = counted(self._impostor.believed, "connection")
        return f"{believed} of the target believed it, {refusals.total() - ours} did not: {why}"
