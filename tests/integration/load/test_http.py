"""The HTTP client against a target that answers well, badly or not at all."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from tests.integration.load.conftest import Bench, make_bench
from tests.integration.load.target import TargetServer

from stormproof.clients.connection import HttpConnection
from stormproof.clients.failures import connect_error
from stormproof.clients.guard import UnexpectedAnswer
from stormproof.clients.tape import WARNINGS_MAX, Tape
from stormproof.kernel.clock import monotonic_ns


async def test_answer_is_whole(bench: Bench) -> None:
    """A response carries status, body and headers in any case, repeated ones joined."""
    answer = await bench.http.get("/api/feed")
    assert (answer.status, answer.ok, answer.error) == (200, True, "")
    assert answer.json() == {"path": "/api/feed"}
    assert answer.headers["X-SEEN"] == "yes, twice"
    assert "x-seen" in answer.headers
    assert answer.headers.get("absent") is None


async def test_template_names_the_operation(bench: Bench, target: TargetServer) -> None:
    """Method and template name the operation; values and query are quoted into the request."""
    await bench.http.get("/posts/{id}/by/{name}", id=7, name="a/b c", query={"q": "x y"})
    await bench.http.get("/posts/{id}/by/{name}", id=8, name="d", query={"q": "x y"})
    assert target.seen["GET /posts/7/by/a%2Fb%20c?q=x+y"] == 1
    assert [name for name, _, _ in bench.rows("http_req")] == ["GET /posts/{id}/by/{name}"] * 2


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
async def test_bodies_travel(bench: Bench, target: TargetServer, method: str) -> None:
    """Each method with a body sends JSON or bytes and the right length."""
    send = getattr(bench.http, method)
    assert (await send("/echo", json={"a": [1, None]})).json() == {"a": [1, None]}
    assert (await send("/echo", json=None)).body == b"null"
    assert (await send("/echo", body=b"\x00raw")).body == b"\x00raw"
    assert (await send("/echo")).body == b""
    assert target.seen[f"{method.upper()} /echo"] == 4
    with pytest.raises(ValueError, match="either json or body"):
        await send("/echo", json={}, body=b"x")


async def test_headers_and_token_are_sent(bench: Bench, target: TargetServer) -> None:
    """A bearer token and extra headers are lines of the request; a line break in one is refused."""
    for token in ("one", "one", "two"):
        await bench.http.get("/x", auth=token, headers={"X-Mark": "m"})
    lines = [head.split(b"\r\n") for head in target.heads]
    assert [b"Authorization: Bearer one" in one for one in lines] == [True, True, False]
    assert b"Authorization: Bearer two" in lines[2]
    assert all(b"X-Mark: m" in one for one in lines)
    with pytest.raises(ValueError, match="line break"):
        await bench.http.get("/x", headers={"X-Mark": "a\r\nX-Evil: b"})


async def test_connection_is_kept(bench: Bench, target: TargetServer) -> None:
    """Requests one after the other share a connection; one that says close is not used again."""
    for _ in range(3):
        await bench.http.get("/x")
    assert target.connections == 1
    await bench.http.get("/closing")
    await bench.http.get("/x")
    assert target.connections == 2
    assert bench.kinds == []


async def test_parallel_requests_share_few_connections(bench: Bench, target: TargetServer) -> None:
    """A user's parallel requests open at most six connections and are all answered."""
    answers = await asyncio.gather(*(bench.http.get("/slow/{ms}", ms=5) for _ in range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    assert target.connections == 6


async def test_closed_idle_connection_is_replaced(bench: Bench, target: TargetServer) -> None:
    """A connection that the target closed while it was idle is found out before it is used."""
    assert (await bench.http.get("/hang-up")).status == 200
    async with asyncio.timeout(5):
        while bench.tape.sockets:
            await asyncio.sleep(0.001)
    assert (await bench.http.get("/x")).status == 200
    assert target.connections == 2
    assert bench.kinds == []


async def test_unread_end_of_an_idle_connection_is_seen(
    bench: Bench, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end of file that the loop has not read yet is seen by asking the socket."""
    stale: list[bool] = []
    ask = HttpConnection.is_stale

    def spy(connection: HttpConnection) -> bool:
        stale.append(ask(connection))
        return stale[-1]

    monkeypatch.setattr(HttpConnection, "is_stale", spy)
    monkeypatch.setattr("stormproof.clients.pool.TRUSTED_IDLE_NS", 0)
    assert (await bench.http.get("/x")).status == 200
    assert (await bench.http.get("/x")).status == 200
    assert stale == [False]
    assert target.connections == 1


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/chunked", 200, b"abcdefg"),
        ("/until-close", 200, b"all of it"),
        ("/continue", 200, b"ok"),
        ("/empty", 204, b""),
        ("/bytes/300000", 200, b"x" * 300_000),
        ("/redirect", 302, b""),
    ],
)
async def test_every_framing_is_read(bench: Bench, path: str, status: int, body: bytes) -> None:
    """Chunked, unframed, interim, empty and long answers are whole; a redirect is not followed."""
    answer = await bench.http.get(path)
    assert (answer.status, answer.body) == (status, body)
    assert bench.kinds == []
    assert (await bench.http.get("/after")).status == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/garbage", "protocol"),
        ("/upgrade", "protocol"),
        ("/endless-head", "protocol"),
        ("/early", "closed"),
        ("/half", "closed"),
        ("/reset", "reset"),
    ],
)
async def test_what_goes_wrong_is_counted_by_kind(bench: Bench, path: str, kind: str) -> None:
    """A hostile answer is a failed operation of one kind, and the next request goes on."""
    answer = await bench.http.get(path)
    assert (answer.status, answer.error, answer.ok) == (0, kind, False)
    assert bench.kinds == [kind]
    assert [failed for _, failed, _ in bench.rows("http_req")] == [True]
    assert (await bench.http.get("/after")).status == 200


async def test_unasked_response_ends_the_connection(bench: Bench, target: TargetServer) -> None:
    """A second response to one request is not taken for the answer of the next."""
    assert (await bench.http.get("/surplus")).body == b"ok"
    assert (await bench.http.get("/echo")).body == b""
    assert target.connections == 2
    assert [one.code for one in bench.tape.warnings] == ["unasked-response"]


async def test_status_decides_failure(bench: Bench) -> None:
    """A status of 400 and more fails, unless expected; the body is kept with its secrets masked."""
    assert not (await bench.http.get("/status/{code}", code=503)).ok
    assert (await bench.http.get("/status/{code}", code=503, expected=(503,))).ok
    assert (await bench.http.get("/status/{code}", code=399)).ok
    assert bench.kinds == ["http 503"]
    assert bench.tape.failures[0].body == '{"token": "***"}'
    assert [failed for _, failed, _ in bench.rows("http_req")] == [True, False, False]


async def test_endless_answer_is_cut(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer above the limit is a failure of its own kind, and not kept in memory."""
    monkeypatch.setattr("stormproof.clients.connection.RESPONSE_BYTES_MAX", 100_000)
    assert (await bench.http.get("/bytes/{n}", n=3_000_000)).error == "response too large"
    assert bench.rows("http_req")[0][2] < 3_000_000
    assert (await bench.http.get("/after")).status == 200


async def test_stale_connection_is_not_used(
    bench: Bench, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle connection that turns out to be closed gives way to a new one."""
    await bench.http.get("/x")
    monkeypatch.setattr("stormproof.clients.pool.TRUSTED_IDLE_NS", 0)
    monkeypatch.setattr(HttpConnection, "is_stale", lambda _: True)
    assert (await bench.http.get("/x")).status == 200
    assert target.connections == 2
    assert bench.kinds == []


@pytest.mark.parametrize(
    ("problem", "kind", "warnings"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "connect emfile", ["generator-limit"]),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "connect reset", []),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "connect ehostunreach", []),
        (OSError("odd"), "connect error", []),
    ],
)
def test_failures_to_connect_are_told_apart(
    problem: OSError, kind: str, warnings: list[str]
) -> None:
    """Each reason has its kind; one of this machine's own limits is warned of."""
    tape = Tape(0)
    assert connect_error(problem, tape) == kind
    assert [one.code for one in tape.warnings] == warnings


def test_own_limit_is_told_after_all_other_warnings() -> None:
    """A limit of this machine is warned of though other warnings have used up the bound."""
    tape = Tape(0)
    for number in range(WARNINGS_MAX + 1):
        tape.warn("other", f"warning {number}")
    for _ in range(2):
        connect_error(OSError(errno.EMFILE, "Too many open files"), tape)
    assert [one.code for one in tape.warnings[WARNINGS_MAX:]] == ["generator-limit"]


async def test_timeout_counts_from_the_intended_start(bench: Bench) -> None:
    """A silent target times out; time lost before the request was sent counts."""
    await bench.http.get("/x")
    bench.actor.intended_ns = monotonic_ns() - 40_000_000
    answer = await bench.http.get("/silent", timeout=0.4)
    assert (answer.status, answer.error) == (0, "timeout")
    _, (intended_ns, start_ns, end_ns) = bench.instants("http_req")
    assert end_ns - intended_ns >= 400_000_000
    assert start_ns - intended_ns >= 40_000_000
    assert bench.tape.failures[0].kind == "timeout"


async def test_deadline_before_the_start_is_a_timeout(bench: Bench, target: TargetServer) -> None:
    """An operation that is overdue before it has a connection is recorded and never sent."""
    bench.actor.intended_ns = monotonic_ns() - 1_000_000_000
    assert (await bench.http.get("/x", timeout=0.5)).error == "timeout"
    assert not target.seen


async def test_next_operation_is_intended_when_the_last_ended(bench: Bench) -> None:
    """The second operation's intended start is the first one's end."""
    await bench.http.get("/x")
    await bench.http.get("/x")
    first, second = bench.instants("http_req")
    assert second[0] == first[2]
    assert first[0] <= first[1] <= first[2] <= second[1] <= second[2]


async def test_refused_connection_is_counted() -> None:
    """A port that nobody listens on is a failed operation of its own kind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bench = make_bench(f"http://127.0.0.1:{free.getsockname()[1]}")
        answer = await bench.http.get("/x")
    assert (answer.status, answer.error) == (0, "connect refused")
    assert bench.kinds == ["connect refused"]
    assert bench.actor.failure == "GET /x: connect refused"
    bench.deadlines.close()


async def test_full_backlog_is_a_connect_timeout() -> None:
    """A target that accepts no connection is told apart from one that does not answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        bench = make_bench(f"http://127.0.0.1:{address[1]}")
        assert (await bench.http.get("/x", timeout=0.05)).error == "connect timeout"
        for filler in fillers:
            filler.close()
    bench.deadlines.close()


async def test_answer_that_is_no_json_ends_the_iteration(bench: Bench) -> None:
    """`json()` of anything else raises UnexpectedAnswer, which says what came."""
    answer = await bench.http.get("/no-json")
    with pytest.raises(UnexpectedAnswer, match=r"status 200.*<html>"):
        answer.json()


async def test_closing_interrupts_what_is_under_way(bench: Bench) -> None:
    """Closing the client ends the request under way as interrupted, and records it."""
    waiting = asyncio.ensure_future(bench.http.get("/silent"))
    async with asyncio.timeout(5):
        while not bench.tape.sockets:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        bench.http.close()
        answer = await waiting
    assert answer.error == "interrupted"
    assert bench.kinds == ["interrupted"]


async def test_cancelled_journey_leaves_the_operation_recorded(bench: Bench) -> None:
    """A journey that stops waiting does not make its operation disappear."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await bench.http.get("/slow/{ms}", ms=60)
    async with asyncio.timeout(5):
        while not bench.rows("http_req"):
            await asyncio.sleep(0.001)
    assert bench.rows("http_req")[0][1] is False


async def test_bad_calls_are_the_journeys_errors(bench: Bench) -> None:
    """A path that is none, or values that do not fit the template, raise at once."""
    for path in ("relative", "//other.host/x", "/a b"):
        with pytest.raises(ValueError, match="is no path"):
            await bench.http.get(path)
    with pytest.raises(ValueError, match="needs the values: id"):
        await bench.http.get("/posts/{id}")
    with pytest.raises(ValueError, match="needs the values: none"):
        await bench.http.get("/posts", id=3)


async def test_names_of_one_call_site_are_folded(bench: Bench) -> None:
    """A line that formats ids into its paths makes 200 names and then one, with a warning."""
    for number in range(205):
        await bench.http.get(f"/posts/{number}")
    names = {name for name, _, _ in bench.rows("http_req")}
    assert len(names) == 201
    assert any(name.startswith("GET * (test_http.py:") for name in names)
    assert [one.code for one in bench.tape.warnings] == ["names-folded"]
