"""How a connection comes about: names, addresses, unix sockets, proxies, TLS; each phase timed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.integration.load.conftest import Bench, bench_for
from tests.integration.load.hostile import HostileServer, Script, Step
from tests.integration.load.serving import Asked, answer, serving, turns

from stormproof.clients import dialing
from stormproof.clients.dialing import Dialer
from stormproof.clients.target import parse_target
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.load.binning import rows_of
from stormproof.model.plan import Network, TlsSettings
from stormproof.observe.door import door_of
from stormproof.observe.request import ask

AUTHORITY = trustme.CA()
IMPATIENT_S = 0.4
CONNECTING = ("http_req_blocked", "http_req_connecting", "http_req_tls_handshaking")


def ok(asked: Asked) -> bytes:
    """Answer with the path."""
    return answer(asked.path.encode())


@contextmanager
def user_of(
    url: str, *, tls: TlsSettings | None = None, network: Network | None = None
) -> Iterator[Bench]:
    """Make a user whose connections are dialled as the settings say."""
    target = parse_target(url)
    bench = bench_for(target, Dialer(target, tls=tls, network=network))
    yield bench
    bench.http.close()
    bench.deadlines.close()


def server_context(*names: str, expires: datetime | None = None) -> ssl.SSLContext:
    """Return the context of a server with a certificate for some names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names, not_after=expires).configure_cert(context)
    return context


@pytest.fixture
def ca(tmp_path: Path) -> str:
    """Write our authority to a file."""
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(path)
    return str(path)


def phases(bench: Bench) -> dict[str, list[int]]:
    """Return how long each phase of connecting took (ns), for each request that had it."""
    rows = rows_of(bytes(bench.tape.rows))
    found: dict[str, list[int]] = {}
    for row in rows:
        metric = bench.tape.series[int(row["series"])].metric
        if metric in CONNECTING:
            found.setdefault(metric, []).append(int(row["end_ns"] - row["intended_ns"]))
    return found


async def test_https_is_verified_and_kept_open(ca: str) -> None:
    """A target with a certificate of a known authority is talked to over one connection."""
    async with serving(ok, context=server_context("127.0.0.1")) as place:
        with user_of(f"https://127.0.0.1:{place.port}", tls=TlsSettings(ca=ca)) as user:
            assert (await user.http.get("/a")).body == b"/a"
            assert (await user.http.post("/b", json={})).body == b"/b"
            assert place.connections == 1
            assert user.kinds == []
            found = phases(user)
    assert {metric: len(one) for metric, one in found.items()} == dict.fromkeys(CONNECTING, 1)
    assert all(duration > 0 for one in found.values() for duration in one)


async def test_large_bodies_travel_over_tls(ca: str) -> None:
    """Bodies of megabytes arrive whole in both directions, streamed or not."""
    async with serving(lambda asked: answer(asked.body), context=server_context("127.0.0.1")) as at:
        with user_of(f"https://127.0.0.1:{at.port}", tls=TlsSettings(ca=ca)) as user:
            data = bytes(range(256)) * 8_000
            assert (await user.http.post("/a", body=data)).body == data
            assert (await user.http.post("/b", body=[data, data])).body == data + data


@pytest.mark.parametrize(
    ("names", "expired", "kind"),
    [
        (("127.0.0.1",), True, "tls expired"),
        (("other.test",), False, "tls wrong host"),
    ],
)
async def test_bad_certificates_are_refused(
    ca: str, names: Sequence[str], expired: bool, kind: str
) -> None:
    """An expired certificate and one for another host have their kinds; nothing is sent."""
    expires = datetime.now(UTC) - timedelta(days=1) if expired else None
    async with serving(ok, context=server_context(*names, expires=expires)) as place:
        with user_of(f"https://127.0.0.1:{place.port}", tls=TlsSettings(ca=ca)) as user:
            response = await user.http.get("/a")
            assert (response.status, response.error, user.kinds) == (0, kind, [kind])
            assert place.asked == []
            assert list(phases(user)) == list(CONNECTING)


async def test_unknown_authorities_are_refused_unless_insecure() -> None:
    """Without its authority a certificate is not believed; `insecure` believes whoever answers."""
    async with serving(ok, context=server_context("other.test")) as place:
        url = f"https://127.0.0.1:{place.port}"
        with user_of(url) as user:
            assert (await user.http.get("/a")).error == "tls unknown issuer"
        with user_of(url, tls=TlsSettings(insecure=True)) as user:
            assert (await user.http.get("/a")).status == 200


async def test_the_server_name_can_be_given(ca: str) -> None:
    """SNI and the name looked for in the certificate are the target's host, or what is given."""
    seen: list[str | None] = []
    context = server_context("api.test")
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    async with serving(ok, context=context) as place:
        hosts = Network(hosts={"api.test": "127.0.0.1"})
        tls = TlsSettings(ca=ca)
        with user_of(f"https://api.test:{place.port}", tls=tls, network=hosts) as user:
            assert (await user.http.get("/a")).status == 200
        named = TlsSettings(ca=ca, server_name="api.test")
        with user_of(f"https://127.0.0.1:{place.port}", tls=named) as user:
            assert (await user.http.get("/a")).status == 200
        assert place.asked[1].headers["host"] == f"127.0.0.1:{place.port}"
    assert seen == ["api.test", "api.test"]


async def test_client_certificates_are_shown(ca: str, tmp_path: Path) -> None:
    """A target that asks for a certificate gets ours; without one it refuses, in the tls family."""
    context = server_context("127.0.0.1")
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ours = AUTHORITY.issue_cert("us@test")
    both = tmp_path / "both.pem"
    ours.private_key_and_cert_chain_pem.write_to_path(both)
    async with serving(ok, context=context) as place:
        url = f"https://127.0.0.1:{place.port}"
        with user_of(url, tls=TlsSettings(ca=ca, certificate=str(both))) as user:
            assert (await user.http.get("/a")).status == 200
        with user_of(url, tls=TlsSettings(ca=ca)) as user:
            refused = await user.http.get("/a")
            assert refused.error.partition(" ")[0] in ("tls", "closed", "reset")
            assert user.kinds == [refused.error]


def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    """A file of TLS settings that cannot be used is the environment's failure, by its name."""
    (tmp_path / "x.pem").write_text("hello")
    target = parse_target("https://127.0.0.1:1")
    for settings in (
        TlsSettings(ca=str(tmp_path / "x.pem")),
        TlsSettings(certificate=str(tmp_path / "x.pem")),
        TlsSettings(ca=str(tmp_path / "absent.pem")),
    ):
        with pytest.raises(EnvironmentFailure, match=r"(x|absent)\.pem cannot be used"):
            Dialer(target, tls=settings)


@pytest.mark.parametrize(
    ("script", "kinds", "timeout"),
    [
        ([b"HTTP/1.1 400 X\r\n\r\n", Step.CLOSE], ("tls protocol",), 30.0),
        ([Step.RESET], ("tls closed", "connect reset"), 30.0),
        ([Step.CLOSE], ("tls closed",), 30.0),
        ([b"\x16\x03\x03\x40\x00" + b"x" * 99, Step.CLOSE], ("tls protocol", "tls closed"), 30.0),
        ([b"\x15\x03\x03\x00\x02\x02\x28", Step.CLOSE], ("tls alert",), 30.0),
        ([Step.HOLD], ("tls timeout",), 4 * IMPATIENT_S),
    ],
    ids=["plain http", "reset", "closed", "half a record", "an alert", "silence"],
)
async def test_what_goes_wrong_in_the_handshake(
    script: Script, kinds: tuple[str, ...], timeout: float
) -> None:
    """A peer that does not agree on TLS is counted in that family."""
    async with HostileServer(script=script, at_once=True) as server:
        with user_of(server.url.replace("http", "https")) as user:
            assert (await user.http.get("/", timeout=timeout)).error in kinds
            assert len(user.kinds) == 1


async def test_an_answer_over_tls_may_be_torn(ca: str) -> None:
    """A connection over TLS that is torn within an answer fails, and the next one goes on."""
    torn: Script = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly", Step.RESET]
    async with HostileServer(script=torn, context=server_context("127.0.0.1")) as server:
        with user_of(server.url, tls=TlsSettings(ca=ca)) as user:
            assert (await user.http.get("/")).error in ("reset", "closed")
            server.behave()
            assert (await user.http.get("/")).status == 200


async def test_an_idle_connection_over_tls_is_asked_whether_it_lives(
    ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection over TLS is used again after a pause while its peer keeps it open."""
    monkeypatch.setattr("stormproof.clients.pool.TRUSTED_IDLE_NS", 0)
    async with serving(ok, context=server_context("127.0.0.1")) as place:
        with user_of(f"https://127.0.0.1:{place.port}", tls=TlsSettings(ca=ca)) as user:
            for _ in range(3):
                assert (await user.http.get("/a")).status == 200
            assert place.connections == 1


async def test_unix_sockets_are_targets(tmp_path: Path) -> None:
    """A target may be a unix socket; for a probe too."""
    path = tmp_path / "api.sock"
    async with serving(ok, unix_path=str(path)) as place:
        with user_of(f"unix:{path}") as user:
            assert (await user.http.get("/a")).body == b"/a"
            assert place.asked[0].headers["host"] == "localhost"
        assert (await ask(door_of(f"unix:{path}"), path="/b", timeout_s=30)).body == b"/b"
    with user_of(f"unix:{tmp_path}/absent") as user:
        assert (await user.http.get("/a")).error == "connect enoent"


async def test_probes_speak_tls(ca: str) -> None:
    """A probe verifies as the load does: a known authority is believed, an unknown one is not."""
    async with serving(ok, context=server_context("127.0.0.1")) as place:
        url = f"https://127.0.0.1:{place.port}"
        believed = await ask(door_of(url, TlsSettings(ca=ca)), path="/a", timeout_s=30)
        assert (believed.status, believed.body) == (200, b"/a")
        assert (await ask(door_of(url), path="/a", timeout_s=30)).error.startswith("tls: ")


async def test_addresses_of_version_six_are_targets() -> None:
    """A target may be an address of IPv6."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        serving_there = serving(ok, host="::1")
        async with serving_there as place:
            with user_of(f"http://[::1]:{place.port}") as user:
                assert (await user.http.get("/a")).status == 200
                assert place.asked[0].headers["host"] == f"[::1]:{place.port}"
    except OSError as error:
        pytest.skip(f"no IPv6 on loopback: {error.strerror}")


async def test_names_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections a name's users open, it is looked up once; its order is tried."""
    asked: list[str] = []

    async def look_up(host: str, _port: int) -> list[str]:
        asked.append(host)
        await asyncio.sleep(0)
        return ["127.0.0.1"]

    monkeypatch.setattr(dialing, "addresses_of", look_up)
    async with serving(ok) as place:
        with user_of(f"http://api.test:{place.port}") as user:
            answers = await asyncio.gather(*(user.http.get("/a") for _ in range(5)))
            assert [one.status for one in answers] == [200] * 5
            assert place.connections == 5
    assert asked == ["api.test"]


async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first address of a name refuses, the next one is tried."""

    async def look_up(_host: str, _port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    monkeypatch.setattr(dialing, "addresses_of", look_up)
    async with serving(ok) as place:
        with user_of(f"http://api.test:{place.port}") as user:
            assert (await user.http.get("/a")).status == 200


async def test_an_unknown_name_is_a_failure_of_its_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody knows counts as `dns`, one that is not found in time as `dns timeout`."""

    async def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async def slow(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(IMPATIENT_S * 100)
        return []

    monkeypatch.setattr(dialing, "addresses_of", unknown)
    with user_of("http://api.test") as user:
        assert (await user.http.get("/a")).error == "dns"
    monkeypatch.setattr(dialing, "addresses_of", slow)
    with user_of("http://other.test") as user:
        assert (await user.http.get("/a", timeout=IMPATIENT_S)).error == "dns timeout"
        assert (await user.http.get("/a", connect_timeout=IMPATIENT_S)).error == "dns timeout"


@asynccontextmanager
async def proxy(status: str = "200 OK") -> AsyncIterator[tuple[int, list[str]]]:
    """Tunnel whatever asks for it to this machine; yield the port and the requests."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        line = (await reader.readuntil(b"\r\n\r\n")).decode().partition("\r\n")[0]
        asked.append(line)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        far_writer = writer
        try:
            if line.startswith("CONNECT") and status.startswith("200"):
                port = int(line.split(" ")[1].rpartition(":")[2])
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            return
        finally:
            far_writer.close()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await turns()


async def test_a_proxy_reads_whole_urls() -> None:
    """Through a proxy a plain request names the whole URL; the target's name is not looked up."""
    async with proxy() as (port, asked):
        network = Network(proxy=f"http://127.0.0.1:{port}")
        with user_of("http://api.invalid:81", network=network) as user:
            assert (await user.http.get("/a/{id}", id=7, query={"b": 1})).status == 200
    assert asked == ["GET http://api.invalid:81/a/7?b=1 HTTP/1.1"]


async def test_a_proxy_tunnels_tls(ca: str) -> None:
    """Through a proxy an https target is reached by a tunnel, verified end to end."""
    async with proxy() as (port, asked), serving(ok, context=server_context("api.test")) as place:
        network = Network(proxy=f"http://127.0.0.1:{port}")
        url = f"https://api.test:{place.port}"
        with user_of(url, tls=TlsSettings(ca=ca), network=network) as user:
            assert (await user.http.get("/a")).body == b"/a"
            assert (await user.http.get("/b")).body == b"/b"
    assert asked == [f"CONNECT api.test:{place.port} HTTP/1.1"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [("407 Who are you", "connect proxy 407"), ("502 Bad", "connect proxy 502")],
)
async def test_a_proxy_may_refuse(status: str, kind: str) -> None:
    """A proxy that does not tunnel is a failure to connect that names its status."""
    async with proxy(status) as (port, _):
        network = Network(proxy=f"http://127.0.0.1:{port}")
        with user_of("https://api.test", network=network) as user:
            assert (await user.http.get("/a")).error == kind


@pytest.mark.parametrize(
    ("script", "kinds"),
    [
        ([b"this is no proxy\r\n\r\n"], ("connect proxy protocol",)),
        ([b"HTTP/1.1 200 OK\r\n\r\nand more"], ("connect proxy protocol", "tls protocol")),
        ([Step.CLOSE], ("connect proxy protocol",)),
        ([Step.RESET], ("connect proxy reset",)),
    ],
    ids=["garbage", "more than a head", "closed", "reset"],
)
async def test_what_goes_wrong_at_the_proxy(script: Script, kinds: tuple[str, ...]) -> None:
    """A proxy that is none is a failure to connect, never a hang."""
    async with HostileServer(script=script) as server:
        with user_of("https://api.test", network=Network(proxy=server.url)) as user:
            assert (await user.http.get("/a", timeout=30)).error in kinds


async def test_phases_of_a_plain_connection() -> None:
    """The first request on a connection has its phases, the second none; TLS none at all."""
    async with serving(ok) as place:
        with user_of(f"http://127.0.0.1:{place.port}") as user:
            await user.http.get("/a")
            await user.http.get("/b")
            found = phases(user)
            rows = [
                row
                for row in rows_of(bytes(user.tape.rows))
                if user.tape.series[int(row["series"])].metric == "http_req"
            ]
    assert {metric: len(one) for metric, one in found.items()} == dict.fromkeys(CONNECTING[:2], 1)
    first, second = rows
    assert int(first["written_us"]) * 1_000 <= int(first["end_ns"] - first["start_ns"])
    assert int(first["written_us"]) >= (found["http_req_connecting"][0] // 1_000)
    assert int(second["written_us"]) == 0
