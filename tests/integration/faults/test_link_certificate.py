"""A link that shows a certificate with a flaw, between real clients and a real server of TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from tests.sanctum.servers import DEADLINE_S, free_port

from stormproof.faults import link_certificate
from stormproof.faults.link_certificate import LinkCertificate
from stormproof.faults.links.certificates import trusting_all
from stormproof.faults.links.impostor import REASONS_MAX, Impostor
from stormproof.faults.links.tcp import TcpLink
from stormproof.kernel.errors import FaultRefused
from stormproof.model.part import Link
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault

NAME = "shop.example"
LARGE = 3 << 20  # more than all buffers between the ends hold


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> str:
    """Write who signs what the clients trust, with its key."""
    path = tmp_path / "authority.pem"
    path.write_bytes(authority.cert_pem.bytes() + authority.private_key_pem.bytes())
    return str(path)


@pytest.fixture
async def link(authority: trustme.CA) -> AsyncIterator[TcpLink]:
    """Lead to a server of TLS that sends back what it gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # cut, as the fault does
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    wire = TcpLink(Link(name="wire", listen_port=free_port(), upstream_port=port))
    await wire.open()
    yield wire
    await wire.close()
    server.close()


def flawed(flaw: str, authority: str, sessions: str = "end") -> PlannedFault:
    settings = {"flaw": flaw, "authority": authority, "sessions": sessions}
    return PlannedFault(
        name="bad", kind="link-certificate", part="wire", at_ns=0, for_ns=1, settings=dict(settings)
    )


async def ask(link: TcpLink, context: ssl.SSLContext, data: bytes = b"word") -> bytes:
    """Send something through the link, and take what comes back."""
    reader, writer = await asyncio.open_connection(
        link.host, link.listen_port, ssl=context, server_hostname=NAME
    )
    try:
        writer.write(data)
        async with asyncio.timeout(DEADLINE_S):
            return await reader.readexactly(len(data))
    finally:
        writer.transport.abort()


async def keep_asking(link: TcpLink, context: ssl.SSLContext) -> None:
    """Be clients that say why they go; those of asyncio close without a word."""

    def shake_hands() -> None:
        with (
            socket.create_connection((link.host, link.listen_port), DEADLINE_S) as plain,
            context.wrap_socket(plain, server_hostname=NAME),
        ):
            pass

    while True:
        with suppress(OSError):
            await asyncio.to_thread(shake_hands)


@pytest.mark.parametrize(
    ("flaw", "own", "told"),
    [
        ("expired", "certificate has expired", "alert certificate expired"),
        (
            "wrong-name",
            f"Hostname mismatch, certificate is not valid for '{NAME}'",
            "alert bad certificate",
        ),
        ("unknown-issuer", "self-signed certificate", "alert unknown ca"),
    ],
)
async def test_client_that_looks_is_refused_for_the_flaw_alone(
    link: TcpLink, authority: trustme.CA, authority_file: str, flaw: str, own: str, told: str
) -> None:
    """While clients ask, the witness names the flaw and how they refused it; after the undo the
    same clients are served by the true certificate again."""
    careful = ssl.create_default_context()
    authority.configure_trust(careful)
    assert await ask(link, careful) == b"word"
    broken: Fault = LinkCertificate(link, flawed(flaw, authority_file))
    assert await broken.witness() is None
    asking = asyncio.ensure_future(keep_asking(link, careful))
    await broken.inject()
    evidence = await broken.witness() or ""
    assert own in evidence
    assert told in evidence
    assert "0 connections of the target believed it" in evidence
    with pytest.raises(ssl.SSLCertVerificationError):
        await ask(link, careful)
    assert await broken.residue() == "wire still shows a certificate of ours"
    await broken.undo()
    await broken.undo()
    asking.cancel()
    assert await broken.residue() is None
    assert await ask(link, careful) == b"word"


async def test_client_that_does_not_look_is_served_and_counted(
    link: TcpLink, authority_file: str
) -> None:
    """Whoever believes the certificate reaches the true server, with more than any buffer holds,
    and the witness says that it believed."""
    broken = LinkCertificate(link, flawed("expired", authority_file))
    await broken.inject()
    data = bytes(range(256)) * (LARGE // 256)
    assert await ask(link, trusting_all(), data) == data
    assert "1 connection of the target believed it, 0 did not" in (await broken.witness() or "")
    assert "1 connections had believed the certificate" in await broken.undo()


@pytest.mark.parametrize("sessions", ["end", "keep"])
async def test_open_connections_are_cut_or_kept(
    link: TcpLink, authority_file: str, sessions: str
) -> None:
    """A connection of before ends with the injection, or goes on as if nothing were."""
    reader, writer = await asyncio.open_connection(
        link.host, link.listen_port, ssl=trusting_all(), server_hostname=NAME
    )
    broken = LinkCertificate(link, flawed("expired", authority_file, sessions))
    told = await broken.inject()
    if sessions == "end":
        assert "1 connections cut" in told
        with pytest.raises((OSError, EOFError)):
            await reader.readexactly(1)
    else:
        writer.write(b"word")
        assert await reader.readexactly(4) == b"word"
    writer.transport.abort()
    await broken.undo()


async def test_without_a_client_nothing_is_witnessed(
    link: TcpLink, authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that nobody of the target was shown proves nothing."""
    monkeypatch.setattr(link_certificate, "WITNESS_S", 0.0)
    broken = LinkCertificate(link, flawed("expired", authority_file))
    await broken.inject()
    assert await broken.witness() is None
    await broken.undo()


async def test_what_speaks_no_tls_and_what_is_no_authority_are_refused(
    link: TcpLink, tmp_path: Path
) -> None:
    """The refusal names what is missing, and the link leads where it led."""
    for name, text in (("nothing", None), ("garbage", "garbage")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        with pytest.raises(FaultRefused, match=f"the authority .*{name}"):
            await LinkCertificate(link, flawed("expired", str(path))).inject()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.close()

    plain = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    link.upstream = plain.sockets[0].getsockname()
    with pytest.raises(FaultRefused, match="nobody speaks TLS at"):
        await LinkCertificate(link, flawed("expired", "")).inject()
    assert link.diverted is None
    plain.close()


async def test_garbage_instead_of_tls_is_counted_and_bounded() -> None:
    """Who talks anything but TLS to the impostor is one more that did not believe it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    impostor = Impostor(context, ("127.0.0.1", 1))
    address = await impostor.listen()
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b""):
        _, writer = await asyncio.open_connection(*address)
        writer.write(data)
        writer.close()
    async with asyncio.timeout(DEADLINE_S):
        while impostor.open or impostor.refusals.total() < 2:
            await asyncio.sleep(0.01)
    assert impostor.refusals == {"http request": 1, "closed without a word": 1}
    for number in range(REASONS_MAX + 5):
        impostor.refused(f"reason {number}")
    assert len(impostor.refusals) <= REASONS_MAX + 1
    await impostor.close()
