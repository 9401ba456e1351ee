"""WebSockets over TLS, and what they carry of their user and target."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from tests.integration.load.conftest import Bench, make_bench
from tests.integration.load.test_websocket import until
from tests.integration.load.test_websocket_features import discard, echo
from tests.integration.load.websocket_peer import Peer, serving

from stormproof.model.plan import TlsSettings


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Issue certificates."""
    return trustme.CA()


def server_context(authority: trustme.CA, host: str) -> ssl.SSLContext:
    """Return the context of a server whose certificate is for `host`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


@asynccontextmanager
async def secure(
    context: ssl.SSLContext, tls: TlsSettings
) -> AsyncIterator[tuple[Bench, list[Peer]]]:
    """Make a user's clients for an echoing server that speaks TLS."""
    async with serving(echo, context) as (url, peers):
        bench = make_bench(url, tls)
        try:
            yield bench, peers
        finally:
            bench.ws.abort()
            await until(lambda: not bench.tape.sockets)
            bench.deadlines.close()


async def test_wss_does_what_ws_does(authority: trustme.CA, tmp_path: Path) -> None:
    """Over TLS with an own authority messages, pings and closes go both ways."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = TlsSettings(ca=str(tmp_path / "ca.pem"))
    async with secure(server_context(authority, "127.0.0.1"), tls) as (bench, _):
        opened = await bench.ws.connect("/ws")
        assert (opened.is_open, opened.error) == (True, "")
        large = "x" * 200_000
        assert (await opened.exchange("say", large)).value == large
        assert (await opened.ping()).ok
        await opened.close(4000, "enough")
        assert (opened.close_code, opened.close_reason) == (4000, "enough")


async def test_nobody_is_trusted_by_default(authority: trustme.CA) -> None:
    """A certificate of an unknown issuer is a failure of its own kind, unless told otherwise."""
    context = server_context(authority, "127.0.0.1")
    async with secure(context, TlsSettings()) as (bench, _):
        opened = await bench.ws.connect("/ws")
        assert (opened.is_open, opened.status, opened.error) == (False, 0, "tls unknown issuer")
        assert bench.kinds == ["tls unknown issuer"]
    async with secure(context, TlsSettings(insecure=True)) as (bench, _):
        assert (await bench.ws.connect("/ws")).is_open


async def test_certificate_must_be_for_the_host(authority: trustme.CA, tmp_path: Path) -> None:
    """A trusted certificate for another host is refused; a server name that it fits is taken."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = server_context(authority, "elsewhere.test")
    ca = str(tmp_path / "ca.pem")
    async with secure(context, TlsSettings(ca=ca)) as (bench, _):
        assert (await bench.ws.connect("/ws")).error == "tls wrong host"
    async with secure(context, TlsSettings(ca=ca, server_name="elsewhere.test")) as (bench, _):
        assert (await bench.ws.connect("/ws")).is_open


async def test_server_without_tls_is_told_apart() -> None:
    """A server that speaks no TLS where it should is a failure of TLS."""

    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as (url, _):
        bench = make_bench(url.replace("http:", "https:"))
        assert (await bench.ws.connect("/ws")).error == "tls protocol"
        bench.deadlines.close()


async def test_silence_instead_of_tls_times_out() -> None:
    """A server that accepts and never shakes hands is a timeout."""
    async with serving(Peer.rest) as (url, _):
        bench = make_bench(url.replace("http:", "https:"))
        assert (await bench.ws.connect("/ws", timeout=0.05)).error == "timeout"
        bench.deadlines.close()


async def test_handshake_carries_the_targets_headers() -> None:
    """A header that is named for the whole target is sent by handshakes as well."""
    async with serving(echo) as (url, peers):
        bench = make_bench(url, headers=b"X-Run: 7\r\nX-Team: red\r\n")
        assert (await bench.ws.connect("/ws", on_message=discard)).is_open
        assert (peers[0].header(b"x-run"), peers[0].header(b"x-team")) == (b"7", b"red")
        bench.ws.abort()
        bench.deadlines.close()


async def test_handshake_carries_the_users_cookies() -> None:
    """A handshake sends the user's cookies for its path, and brings new ones."""
    async with serving(lambda peer: echo(peer, b"Set-Cookie: seat=4; Path=/")) as (url, peers):
        bench = make_bench(url)
        await bench.ws.connect("/ws", on_message=discard)
        assert peers[0].header(b"cookie") == b""
        assert bench.http.cookies.get("seat") == "4"
        bench.http.cookies.set("session", "abc")
        await bench.ws.connect("/ws", on_message=discard)
        await bench.ws.connect("/ws", on_message=discard, headers={"Cookie": "own=1"})
        assert peers[1].header(b"cookie") == b"seat=4; session=abc"
        assert peers[2].header(b"cookie") == b"own=1"
        bench.ws.abort()
        bench.deadlines.close()
