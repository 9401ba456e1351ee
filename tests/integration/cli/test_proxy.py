"""`stormproof proxy`: Toxiproxy's interface, by a published client of it and by plain HTTP."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tests.integration.cli.proxied import PATIENCE_S, Served, dial, echo_server, received
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from stormproof.cli.main import run_commands

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve the interface for all tests of this file."""
    server = Served()
    yield server
    assert server.end() == 0


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with echo_server() as address:
        yield address


@pytest.fixture
def proxy(served: Served, upstream: str) -> dict[str, Any]:
    """Make a proxy of the test's own."""
    body = {"name": f"p{next(NUMBERS)}", "listen": "127.0.0.1:0", "upstream": upstream}
    status, made = served.ask("POST", "/proxies", body)
    assert status == 201
    return dict(made)


def put(served: Served, proxy: dict[str, Any], kind: str, **settings: Any) -> dict[str, Any]:
    toxicity = settings.pop("toxicity", 1.0)
    stream = settings.pop("stream", "downstream")
    body = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": settings}
    status, toxic = served.ask("POST", f"/proxies/{proxy['name']}/toxics", body)
    assert status == 200, toxic
    return dict(toxic)


def test_published_client_drives_it(served: Served, upstream: str) -> None:
    """toxiproxy-python, made for Toxiproxy itself, does everything it can do against ours."""
    client = Toxiproxy()
    client.update_api_consumer(served.host, served.port)
    assert client.running()
    assert b"2.12.0" in client.version()
    client.populate([{"name": "db", "upstream": upstream, "listen": "127.0.0.1:0"}])
    proxy = client.create(upstream=upstream, name="cache")
    assert {"db", "cache"} <= set(client.proxies())
    with pytest.raises(ProxyExists):
        client.create(upstream=upstream, name="cache")
    with dial(proxy.listen) as connection:
        proxy.add_toxic(type="latency", attributes={"latency": 60, "jitter": 10})
        began_s = time.monotonic()
        connection.sendall(b"word")
        assert received(connection, 4) == b"word"
        assert time.monotonic() - began_s >= 0.05
        toxic = proxy.get_toxic("latency_downstream")
        assert (toxic.type, toxic.stream, toxic.toxicity) == ("latency", "downstream", 1.0)
        assert toxic.attributes == {"latency": 60, "jitter": 10}
        proxy.add_toxic(type="bandwidth", stream="upstream", name="narrow", toxicity=0.5)
        assert set(proxy.toxics()) == {"latency_downstream", "narrow"}
        assert proxy.destroy_toxic("narrow")
        with pytest.raises(NotFound):
            proxy.destroy_toxic("narrow")
        with pytest.raises(InvalidToxic):
            proxy.add_toxic(type="poison")
    with proxy.down(), pytest.raises(ConnectionRefusedError):
        dial(proxy.listen)
    dial(proxy.listen).close()
    proxy.disable()
    assert client.reset()
    assert client.get_proxy("cache").enabled
    assert proxy.toxics() == {}
    assert client.destroy(proxy)
    with pytest.raises(ConnectionRefusedError):
        dial(proxy.listen)
    client.destroy_all()
    assert client.proxies() == {}


def test_every_path_answers_as_toxiproxy_does(served: Served, upstream: str) -> None:
    """Paths, status codes, defaults, names and texts of errors are Toxiproxy's."""
    status, made = served.ask("POST", "/proxies", {"name": "web", "upstream": upstream})
    assert status == 201
    assert made == {"name": "web", "listen": made["listen"], "upstream": upstream,
                    "enabled": True, "toxics": []}  # fmt: skip
    latency = {"attributes": {"latency": 0, "jitter": 0}, "name": "latency_downstream",
               "type": "latency", "stream": "downstream", "toxicity": 1.0}  # fmt: skip
    changed = {**latency, "attributes": {"latency": 5, "jitter": 0}, "toxicity": 0.25}
    slow = {"attributes": {"rate": 7}, "name": "slow", "type": "bandwidth", "stream": "upstream",
            "toxicity": 0.0}  # fmt: skip
    toxics = "/proxies/web/toxics"
    same = {"name": "web", "listen": made["listen"], "upstream": upstream, "enabled": False}
    steps: list[tuple[str, str, object, int, object]] = [
        ("GET", "/proxies/web", None, 200, made),
        ("GET", "/proxies", None, 200, {"web": made}),
        ("GET", toxics, None, 200, []),
        ("POST", toxics, {"type": "latency"}, 200, latency),
        ("POST", toxics, {"type": "latency"}, 409, "toxic already exists"),
        ("POST", toxics, {"type": "none"}, 400, "invalid toxic type"),
        ("POST", toxics, {}, 400, "invalid toxic type"),
        ("POST", toxics, {"type": "latency", "stream": "up"}, 400,
         "stream was invalid, can be either upstream or downstream"),
        ("POST", toxics, {"type": "bandwidth", "name": "slow", "stream": "upstream",
                          "toxicity": 0, "attributes": {"rate": 7, "unknown": 1}}, 200, slow),
        ("GET", f"{toxics}/slow", None, 200, slow),
        ("GET", toxics, None, 200, [slow, latency]),
        ("PATCH", f"{toxics}/latency_downstream",
         {"attributes": {"latency": 5}, "toxicity": 0.25, "stream": "upstream"}, 200, changed),
        ("POST", f"{toxics}/latency_downstream", {}, 200, changed),
        ("PATCH", f"{toxics}/none", {}, 404, "toxic not found"),
        ("GET", f"{toxics}/none", None, 404, "toxic not found"),
        ("DELETE", f"{toxics}/slow", None, 204, ""),
        ("DELETE", f"{toxics}/slow", None, 404, "toxic not found"),
        ("GET", "/proxies/none", None, 404, "proxy not found"),
        ("PATCH", "/proxies/none", {}, 404, "proxy not found"),
        ("DELETE", "/proxies/none", None, 404, "proxy not found"),
        ("GET", "/proxies/none/toxics", None, 404, "proxy not found"),
        ("POST", "/proxies/none/toxics", {}, 404, "proxy not found"),
        ("POST", "/proxies", {"name": "web", "upstream": upstream}, 409, "proxy already exists"),
        ("POST", "/proxies", {"upstream": upstream}, 400, "missing required field: name"),
        ("POST", "/proxies", {"name": "x"}, 400, "missing required field: upstream"),
        ("PATCH", "/proxies/web", {"enabled": False}, 200, {**same, "toxics": [changed]}),
        ("POST", "/populate", [{**same, "enabled": True}], 201,
         {"proxies": [{**same, "toxics": [changed]}]}),
        ("POST", "/populate", [{"name": "y", "upstream": upstream}, {"name": "z"}], 400,
         {"error": "missing required field: upstream at proxy 2", "status": 400, "proxies": None}),
        ("GET", "/proxies/y", None, 404, "proxy not found"),
        ("POST", "/reset", None, 204, ""),
        ("GET", "/proxies/web", None, 200, made),
        ("PUT", "/proxies", None, 405, ""),
        ("GET", "/reset", None, 405, ""),
        ("GET", "/other", None, 404, "404 page not found\n"),
        ("GET", "/proxies/", None, 404, "404 page not found\n"),
        ("DELETE", "/proxies/web", None, 204, ""),
        ("GET", "/proxies", None, 200, {}),
    ]  # fmt: skip
    served.ask("POST", "/reset")
    for name in served.ask("GET", "/proxies")[1]:
        if name != "web":
            served.ask("DELETE", f"/proxies/{name}")
    for method, path, body, status, told in steps:
        is_refused = status >= 400 and isinstance(told, str) and told and "page" not in told
        answer = {"error": told, "status": status} if is_refused else told
        assert served.ask(method, path, body) == (status, answer), (method, path, body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "bad request body"),
        (b"{", "bad request body"),
        (b"[" * 100_000, "bad request body"),
        (b'"\\ud800"', "bad request body"),
        (b"[]", "bad request body"),
        (b'{"name": 7, "upstream": "a:1"}', "bad request body"),
        (b'{"name": "n", "upstream": "a"}', "missing port in address"),
        (b'{"name": "n", "upstream": "a:b"}', "invalid port"),
        (b'{"name": "n", "upstream": "a:99999"}', "invalid port"),
        (b'{"name": "n", "upstream": "a:1", "listen": "::1:80"}', "too many colons"),
        (b'{"name": "%s", "upstream": "a:1"}' % (b"n" * 201), "bad request body"),
    ],
)
def test_bad_bodies_are_refused_with_what_is_wrong(served: Served, body: bytes, told: str) -> None:
    """Whatever is posted as a proxy, the answer is 400 and says what is wrong; nothing is made."""
    status, answer = served.ask("POST", "/proxies", body)
    assert (status, answer["status"]) == (400, 400)
    assert told in answer["error"]
    assert "n" not in served.ask("GET", "/proxies")[1]


def test_null_and_any_case_are_taken(served: Served, upstream: str) -> None:
    """Fields that are null are left out, and names of fields count in any case."""
    body = {"Name": "loud", "UPSTREAM": upstream, "listen": None, "enabled": None}
    assert served.ask("POST", "/proxies", body)[0] == 201
    assert served.ask("DELETE", "/proxies/loud")[0] == 204


def test_taken_address_is_told_and_makes_no_proxy(served: Served, proxy: dict[str, Any]) -> None:
    """A proxy whose address is taken is refused with 500, as is one that is moved there, which is
    then told as disabled."""
    body = {"name": "twin", "listen": proxy["listen"], "upstream": proxy["upstream"]}
    status, answer = served.ask("POST", "/proxies", body)
    assert (status, answer["error"]) == (
        500,
        f"listen tcp {proxy['listen']}: address already in use",
    )
    assert served.ask("GET", "/proxies/twin")[0] == 404
    status, answer = served.ask("POST", "/proxies", {**body, "listen": ""})
    assert status == 201
    assert served.ask("PATCH", "/proxies/twin", {"listen": proxy["listen"]})[0] == 500
    assert served.ask("GET", "/proxies/twin")[1]["enabled"] is False
    assert served.ask("DELETE", "/proxies/twin")[0] == 204


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_every_interface_is_that_of_ipv4_too(served: Served, upstream: str) -> None:
    """`[::]:port`, as in Toxiproxy's own examples, is reached by IPv4 and by IPv6, before it was
    disabled and after."""
    body = {"name": "all", "listen": "[::]:0", "upstream": upstream}
    port = served.ask("POST", "/proxies", body)[1]["listen"].rpartition(":")[2]
    for _ in range(2):
        for host in ("127.0.0.1", "::1"):
            with dial(f"{host}:{port}") as connection:
                connection.sendall(b"word")
                assert received(connection, 4) == b"word"
        assert served.ask("PATCH", "/proxies/all", {"enabled": False})[0] == 200
        assert served.ask("PATCH", "/proxies/all", {"enabled": True})[0] == 200
    assert served.ask("DELETE", "/proxies/all")[0] == 204


def test_moved_proxy_cuts_its_connections(served: Served, proxy: dict[str, Any]) -> None:
    """Another upstream cuts the live connections and counts for new ones; the same one does
    nothing."""
    path = f"/proxies/{proxy['name']}"
    with echo_server() as other, dial(proxy["listen"]) as connection:
        connection.sendall(b"word")
        assert received(connection, 4) == b"word"
        assert served.ask("PATCH", path, {"upstream": proxy["upstream"]})[0] == 200
        connection.sendall(b"word")
        assert received(connection, 4) == b"word"
        assert served.ask("PATCH", path, {"upstream": other})[1]["upstream"] == other
        assert _is_cut(connection)
        with dial(proxy["listen"]) as second:
            second.sendall(b"word")
            assert received(second, 4) == b"word"


EFFECTS: list[tuple[str, dict[str, Any], float]] = [
    ("latency", {"latency": 60, "jitter": 10}, 0.05),
    ("bandwidth", {"rate": 100}, 0.1),
    ("slicer", {"average_size": 1_000, "delay": 5_000}, 0.045),
    ("noop", {}, 0.0),
]


@pytest.mark.parametrize(("kind", "attributes", "least_s"), EFFECTS)
def test_toxics_that_delay_do_so_in_toxiproxys_units(
    served: Served, proxy: dict[str, Any], kind: str, attributes: dict[str, Any], least_s: float
) -> None:
    """10 kB take at least what milliseconds, kilobytes a second or microseconds make of them, and
    arrive whole and in order."""
    data = bytes(range(250)) * 40
    with dial(proxy["listen"]) as connection:
        put(served, proxy, kind, **attributes)
        began_s = time.monotonic()
        connection.sendall(data)
        assert received(connection, len(data)) == data
        assert time.monotonic() - began_s >= least_s


def test_limit_data_passes_so_many_bytes(served: Served, proxy: dict[str, Any]) -> None:
    """Exactly the limit arrives, then the connection is closed."""
    put(served, proxy, "limit_data", bytes=1_234)
    with dial(proxy["listen"]) as connection:
        connection.sendall(bytes(5_000))
        assert len(received(connection, 5_000)) == 1_234


def test_slow_close_delays_the_end(served: Served, proxy: dict[str, Any]) -> None:
    """The upstream's close arrives after the delay and not before."""
    put(served, proxy, "slow_close", delay=60)
    with dial(proxy["listen"]) as connection:
        connection.sendall(b"word")
        connection.shutdown(socket.SHUT_WR)
        began_s = time.monotonic()
        assert received(connection, 5) == b"word"
        assert time.monotonic() - began_s >= 0.06


def test_timeout_loses_data_then_closes(served: Served, proxy: dict[str, Any]) -> None:
    """Nothing arrives and the connection is closed after the timeout; with 0 it stays open until
    the toxic is removed."""
    toxic = put(served, proxy, "timeout", timeout=60)
    with dial(proxy["listen"]) as connection:
        began_s = time.monotonic()
        connection.sendall(b"word")
        assert received(connection, 4) == b""
        assert time.monotonic() - began_s >= 0.05
    path = f"/proxies/{proxy['name']}/toxics/{toxic['name']}"
    assert served.ask("PATCH", path, {"attributes": {"timeout": 0}})[0] == 200
    with dial(proxy["listen"]) as connection:
        connection.sendall(b"word")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE_S)
        assert served.ask("DELETE", path)[0] == 204
        assert _is_cut(connection)


def test_reset_peer_resets_live_connections(served: Served, proxy: dict[str, Any]) -> None:
    """A connection that was open and idle gets a reset, not a close, and new ones do."""
    with dial(proxy["listen"]) as connection:
        connection.sendall(b"word")
        assert received(connection, 4) == b"word"
        put(served, proxy, "reset_peer", timeout=0)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with dial(proxy["listen"]) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_toxicity_zero_touches_nobody(served: Served, proxy: dict[str, Any]) -> None:
    """With a toxicity of 0 live and new connections are neither reset nor robbed."""
    with dial(proxy["listen"]) as live:
        live.sendall(b"word")
        assert received(live, 4) == b"word"
        put(served, proxy, "reset_peer", toxicity=0)
        put(served, proxy, "timeout", toxicity=0)
        put(served, proxy, "limit_data", toxicity=0, stream="upstream")
        for connection in [live, *(dial(proxy["listen"]) for _ in range(10))]:
            connection.sendall(b"word")
            assert received(connection, 4) == b"word"
            connection.close()


class Load:
    """Threads that send through a proxy without a break, and connect again when they are cut."""

    def __init__(self, listen: str) -> None:
        self._listen = listen
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._carry) for _ in range(6)]
        self.carried = [0] * len(self._threads)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _carry(self) -> None:
        number = self._threads.index(threading.current_thread())
        while not self._ended.is_set():
            try:
                with dial(self._listen) as connection:
                    connection.settimeout(2)
                    while not self._ended.is_set():
                        connection.sendall(bytes(20_000))
                        if len(received(connection, 20_000)) < 20_000:
                            break
                        self.carried[number] += 1
            except OSError:
                continue  # cut, or refused for the moment


def test_toxics_are_removed_under_load(served: Served, proxy: dict[str, Any]) -> None:
    """While connections carry data without a break, putting on, removing, disabling and resetting
    always answer, and the load goes on afterwards."""
    path = f"/proxies/{proxy['name']}"
    toxics: dict[str, dict[str, int]] = {
        "latency": {"latency": 1_000},
        "bandwidth": {"rate": 10},
        "slicer": {"average_size": 100, "delay": 100},
        "timeout": {"timeout": 0},
    }
    with Load(proxy["listen"]) as load:
        for turn in range(12):
            for kind, attributes in toxics.items():
                put(served, proxy, kind, toxicity=0.8, **attributes)
            for kind in toxics:
                assert served.ask("DELETE", f"{path}/toxics/{kind}_downstream")[0] == 204
            if turn % 4 == 0:
                assert served.ask("PATCH", path, {"enabled": False})[0] == 200
                assert served.ask("POST", "/reset")[0] == 204
        before, deadline_s = list(load.carried), time.monotonic() + PATIENCE_S
        while not all(now > then for now, then in zip(load.carried, before, strict=True)):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)


def test_http_is_bounded_and_survives_garbage(served: Served) -> None:
    """Too much, too deep or no HTTP at all gets one clear answer; the next client is served."""
    head = b"POST /proxies HTTP/1.1\r\nHost: a\r\n"
    assert b" 413 " in served.raw(head + b"Content-Length: 2000000\r\n\r\n" + bytes(2_000_000))
    assert b" 431 " in served.raw(head + b"X: " + b"y" * 200_000)
    assert b" 400 " in served.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20)
    assert b" 400 " in served.raw(b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    assert served.raw(b"") == b""
    assert served.raw(head) == b""
    assert b" 403 " in served.raw(b"GET /version HTTP/1.0\r\nUser-Agent: Mozilla/5.0\r\n\r\n")
    chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    two = served.raw(head + chunked + b"GET /version HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert two.count(b"HTTP/1.1 ") == 2
    assert b"missing required field: name" in two
    assert b"2.12.0" in two
    headed = b"HEAD /none HTTP/1.1\r\n\r\nGET /version HTTP/1.0\r\n\r\n"
    assert b"\r\n\r\nHTTP/1.1 200 OK" in served.raw(headed)
    waiting = served.raw(head + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}")
    assert waiting.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")
    idle = [socket.create_connection((served.host, served.port)) for _ in range(300)]
    for one in idle:
        one.close()
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            assert served.ask("GET", "/version")[0] == 200
            break
        except ConnectionError:
            assert time.monotonic() < deadline_s  # the idle ones have not been let go yet


def test_proxies_of_a_file_are_served(tmp_path: Path, upstream: str) -> None:
    """A file of Toxiproxy's form gives the proxies to begin with; changes are told when that was
    asked for; Ctrl-C ends it while connections are open, and its ports are free again."""
    config = tmp_path / "toxiproxy.json"
    config.write_text(json.dumps([{"name": "db", "upstream": upstream, "listen": "127.0.0.1:0"}]))
    served = Served("--config", str(config), "--verbose")
    listen = served.ask("GET", "/proxies/db")[1]["listen"]
    with dial(listen) as connection:
        connection.sendall(b"word")
        assert received(connection, 4) == b"word"
        assert served.ask("POST", "/proxies/%1b[2J", b"{}")[0] == 404
        assert served.process.stderr is not None
        said = [served.process.stderr.readline() for _ in range(2)]
        assert said[1] == "POST /proxies/%1b[2J 404\n"
        assert served.end() == 0
        assert _is_cut(connection)
    with pytest.raises(ConnectionRefusedError):
        dial(listen)


def test_bad_input_is_told_at_once_with_all_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong address and every wrong proxy of the file are named together, and nothing is
    served."""
    config = tmp_path / "toxiproxy.json"
    config.write_text('[{"name": "a"}, {"name": "b", "upstream": "nowhere"}]')
    assert run_commands(["proxy", "--listen", "127.0.0.1", "--config", str(config)]) == 64
    told = capsys.readouterr()
    assert "3 problems" in told.err
    assert "--listen: address 127.0.0.1: missing port in address" in told.err
    assert "proxy 1: missing required field: upstream" in told.err
    assert "proxy 2: address nowhere: missing port in address" in told.err
    assert told.out == ""
    config.write_text("{}")
    assert run_commands(["proxy", "--config", str(config)]) == 64
    assert "Expected `array`" in capsys.readouterr().err
    assert run_commands(["proxy", "--config", str(tmp_path / "none.json")]) == 64


def test_taken_addresses_are_named(
    tmp_path: Path, served: Served, upstream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An interface or a proxy whose address is taken ends with 69 and says which."""
    taken = f"127.0.0.1:{served.port}"
    assert run_commands(["proxy", "--listen", taken]) == 69
    expected = f"{taken} cannot be listened on: Address already in use"
    assert expected in capsys.readouterr().err
    config = tmp_path / "toxiproxy.json"
    config.write_text(json.dumps([{"name": "db", "upstream": upstream, "listen": taken}]))
    assert run_commands(["proxy", "--listen", "127.0.0.1:0", "--config", str(config)]) == 69
    assert f"listen tcp {taken}: address already in use" in capsys.readouterr().err


def _is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
