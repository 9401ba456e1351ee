"""What a request can be asked for: forms, files, streams, redirects, cookies, codings, retries."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.integration.load.conftest import Bench, make_bench
from tests.integration.load.hostile import HostileServer, Step
from tests.integration.load.serving import Answer, Asked, Place, answer, serving
from tests.integration.load.test_hostile_http import connect

from stormproof.load.binning import rows_of


class Talk:
    """A user, and the server that it talks to."""

    def __init__(self, bench: Bench, place: Place) -> None:
        self.bench = bench
        self.http = bench.http
        self.place = place

    @property
    def paths(self) -> list[str]:
        """Return method and path of each request."""
        return [f"{one.method} {one.path}" for one in self.place.asked]

    @property
    def last(self) -> Asked:
        """Return the last request."""
        return self.place.asked[-1]

    def statuses(self) -> list[int]:
        """Return the status of each operation on the tape."""
        ids = [one.id for one in self.bench.tape.series if one.metric == "http_req"]
        rows = rows_of(bytes(self.bench.tape.rows))
        return [int(row["outcome"]) >> 1 for row in rows if int(row["series"]) in ids]


async def talking(answers: Answer) -> AsyncIterator[Talk]:
    """Serve, and make a user for it."""
    async with serving(answers) as place:
        bench = make_bench(f"http://127.0.0.1:{place.port}")
        yield Talk(bench, place)
        bench.http.close()
        bench.deadlines.close()


def redirecting(asked: Asked) -> bytes:
    """Answer `/302/path` by a redirect to the path."""
    _, status, *rest = asked.path.split("/")
    if status.isdecimal() and rest:
        return answer(b"", status=int(status), lines=f"Location: /{'/'.join(rest)}\r\n")
    if status == "absolute":
        return answer(
            b"", status=302, lines=f"Location: http://{asked.headers['host']}/end?a=b c\r\n"
        )
    return answer(asked.body or b"end")


@pytest.fixture
async def echo() -> AsyncIterator[Talk]:
    """Talk to a server that answers with what was sent."""
    async for talk in talking(lambda asked: answer(asked.body)):
        yield talk


@pytest.fixture
async def redirects() -> AsyncIterator[Talk]:
    """Talk to a server that redirects."""
    async for talk in talking(redirecting):
        yield talk


async def test_forms_and_files_are_bodies(echo: Talk) -> None:
    """A form and a multipart form arrive with their content types; two bodies are refused."""
    await echo.http.post("/login", form={"user": "a b", "role": ["x", "y"]})
    assert echo.last.headers["content-type"] == "application/x-www-form-urlencoded"
    assert echo.last.body == b"user=a+b&role=x&role=y"
    await echo.http.put("/files/{id}", id=7, form={"n": 1}, files={"f": ("a.txt", b"data")})
    assert echo.last.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert echo.last.path == "/files/7"
    assert b'name="f"; filename="a.txt"' in echo.last.body
    with pytest.raises(ValueError, match="give either"):
        await echo.http.post("/x", json={}, form={})
    with pytest.raises(ValueError, match="give either"):
        await echo.http.post("/x", body=b"x", files={})


async def test_queries_take_lists(echo: Talk) -> None:
    """A list in a query is the same name several times."""
    await echo.http.get("/x", query={"tag": ["a", "b&c"], "n": 1})
    await echo.http.get("/x", query={"tag": ["a", "b&c"], "n": 1}, follow=1)
    assert echo.paths == ["GET /x?tag=a&tag=b%26c&n=1"] * 2


async def test_streams_are_sent_in_chunks(echo: Talk) -> None:
    """Pieces that come one by one, awaited or not, arrive as one body whose length nobody knew."""

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(20):
            await asyncio.sleep(0)
            yield b"%d," % number

    whole = b"".join(b"%d," % number for number in range(20))
    assert (await echo.http.post("/a", body=pieces())).body == whole
    assert echo.last.headers["transfer-encoding"] == "chunked"
    assert (await echo.http.post("/b", body=[b"x" * 200_000] * 10)).body == b"x" * 2_000_000
    assert [received for _, _, received in echo.bench.rows("http_req")][1] > 2_000_000
    assert echo.place.connections == 1
    sending = [one for one in echo.bench.tape.series if one.metric == "http_req_sending"]
    assert len(sending) == 1


async def test_a_stream_that_fails_is_the_journeys_error(echo: Talk) -> None:
    """What a stream raises reaches the journey; the operation counts as interrupted."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        raise KeyError("two")

    with pytest.raises(KeyError, match="two"):
        await echo.http.post("/a", body=pieces())
    assert echo.bench.kinds == ["interrupted"]
    assert (await echo.http.get("/after")).status == 200


async def test_an_early_answer_ends_the_upload() -> None:
    """A server that refuses a body before all of it came is heard, and the rest is not sent."""
    refusal = b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n"
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1_000_000

    async with HostileServer(script=[refusal, Step.HOLD]) as server:
        bench = make_bench(server.url)
        response = await bench.http.post("/big", body=pieces())
        assert (response.status, bench.kinds) == (413, ["http 413"])
        assert sent < 100
        bench.http.close()
        bench.deadlines.close()


@pytest.mark.parametrize("options", [{"write_timeout": 0.3}, {"timeout": 0.3}])
async def test_a_peer_that_does_not_read_is_a_write_timeout(options: dict[str, Any]) -> None:
    """A body that is not taken in time fails as such, under either limit."""
    async with HostileServer(script=[Step.HOLD]) as server:
        bench = make_bench(server.url)
        await connect(bench, server)
        body = [b"x" * 1_000_000] * 50
        answered = await bench.http.post("/big", body=body, **options)
        assert (answered.error, bench.kinds) == ("write timeout", ["write timeout"])
        bench.http.close()
        bench.deadlines.close()


async def test_a_large_body_of_bytes_has_a_write_timeout_too() -> None:
    """Bytes that are not taken in time fail as a write timeout where one was asked for."""
    async with HostileServer(script=[Step.HOLD]) as server:
        bench = make_bench(server.url)
        answered = await bench.http.put("/big", body=b"x" * 50_000_000, write_timeout=0.3)
        assert answered.error == "write timeout"
        bench.http.close()
        bench.deadlines.close()


async def test_a_reset_in_the_upload_is_a_write_failure() -> None:
    """A connection that is torn down while the body is written fails as `write reset`."""
    async with HostileServer(script=[Step.RESET]) as server:
        bench = make_bench(server.url)

        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)

        answered = await bench.http.post("/big", body=pieces())
        assert answered.error == "write reset"
        bench.http.close()
        bench.deadlines.close()


async def test_every_method_can_be_sent(echo: Talk) -> None:
    """HEAD, OPTIONS and any other method; a HEAD answer has a length and no body."""
    head = await echo.http.head("/x/{id}", id=1)
    assert (head.status, head.body) == (200, b"")
    assert (await echo.http.options("/x")).status == 200
    assert (await echo.http.request("REPORT", "/x", json={"a": 1})).json() == {"a": 1}
    assert (await echo.http.request("GET", "/x")).status == 200
    assert echo.paths == ["HEAD /x/1", "OPTIONS /x", "REPORT /x", "GET /x"]
    assert echo.place.connections == 1
    names = [name for name, _, _ in echo.bench.rows("http_req")]
    assert names == ["HEAD /x/{id}", "OPTIONS /x", "REPORT /x", "GET /x"]
    with pytest.raises(ValueError, match="is no method"):
        await echo.http.request("get", "/x")


async def test_a_head_answer_may_claim_a_body() -> None:
    """The answer to HEAD ends with its head, whatever length it gives, and the next one is read."""
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"]
    async with HostileServer(script=script) as server:
        bench = make_bench(server.url)
        assert (await bench.http.head("/")).headers["content-length"] == "5000"
        server.behave()
        assert (await bench.http.get("/")).body == b"ok"
        assert server.connections == 1
        bench.http.close()
        bench.deadlines.close()


async def test_redirects_are_followed_only_when_asked(redirects: Talk) -> None:
    """Each hop is an operation under the same name, up to the limit that was given."""
    assert (await redirects.http.get("/302/end")).status == 302
    followed = await redirects.http.get("/302/307/absolute", follow=3)
    assert (followed.status, followed.body) == (200, b"end")
    assert redirects.paths[1:] == [
        "GET /302/307/absolute",
        "GET /307/absolute",
        "GET /absolute",
        "GET /end?a=b%20c",
    ]
    assert redirects.statuses() == [302, 302, 307, 302, 200]
    limited = await redirects.http.get("/302/302/end", follow=1)
    assert (limited.status, limited.error) == (0, "redirect limit")
    assert redirects.bench.kinds == ["redirect limit"]


@pytest.mark.parametrize(
    ("status", "onwards"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]
)
async def test_redirects_keep_or_change_the_method(
    redirects: Talk, status: int, onwards: str
) -> None:
    """A redirected POST becomes a GET without a body, but after 307 and 308."""
    answered = await redirects.http.post(f"/{status}/end", json={"a": 1}, follow=1)
    assert redirects.paths[-1] == f"{onwards} /end"
    assert answered.body == (b'{"a":1}' if onwards == "POST" else b"end")
    assert answered.redirected is (onwards == "GET")


async def test_other_hosts_are_refused(redirects: Talk) -> None:
    """An absolute URL of the target is as good as its path; any other is counted, never sent."""
    base = f"http://127.0.0.1:{redirects.place.port}"
    assert (await redirects.http.get(f"{base}/end")).status == 200
    assert (await redirects.http.get(base)).status == 200
    for url in ("http://other.invalid/", f"{base}0/end", "https://127.0.0.1/", "ftp://x/y"):
        refused = await redirects.http.get(url)
        assert (refused.status, refused.error, refused.ok) == (0, "redirect refused", False)
    assert (await redirects.http.post("http://other.invalid/", json={})).error == "redirect refused"
    assert redirects.paths == ["GET /end", "GET /"]
    assert redirects.bench.kinds == ["redirect refused"] * 5
    assert len([failed for _, failed, _ in redirects.bench.rows("http_req") if failed]) == 5


async def test_cookies_belong_to_one_user() -> None:
    """A user sends back what it was given, on every kind of request; another user does not."""

    def answers(asked: Asked) -> bytes:
        lines = "set-cookie: session=abc; Path=/; HttpOnly\r\n" if asked.path == "/login" else ""
        return answer(asked.headers.get("cookie", "none").encode(), lines=lines)

    async for talk in talking(answers):
        other = make_bench(f"http://127.0.0.1:{talk.place.port}")
        assert (await talk.http.get("/x")).body == b"none"
        await talk.http.post("/login", json={})
        assert (await talk.http.get("/x")).body == b"session=abc"
        assert (await talk.http.post("/x", json={})).body == b"session=abc"
        assert (await talk.http.get("/x", follow=1)).body == b"session=abc"
        assert talk.http.cookies.get("session") == "abc"
        assert (await other.http.get("/x")).body == b"none"
        other.http.close()
        other.deadlines.close()


async def test_bodies_are_decoded_where_that_was_asked_for() -> None:
    """A coded body is undone once codings were asked for; bytes on the wire are counted."""
    text = b"again and again " * 500
    packed = gzip.compress(text)
    async for talk in talking(lambda _: answer(packed, lines="content-encoding: gzip\r\n")):
        assert (await talk.http.get("/x")).body == packed
        unpacked = await talk.http.get("/x", headers={"accept-encoding": "gzip"})
        assert (unpacked.body, unpacked.headers["content-encoding"]) == (text, "gzip")
        assert all(received < len(text) for _, _, received in talk.bench.rows("http_req"))


async def test_retries_are_operations_of_their_own() -> None:
    """What fails is tried again as often as was asked for, and each attempt is counted."""
    tries = iter([503, 429, 200, 503, 500])
    async for talk in talking(lambda _: answer(b"", status=next(tries))):
        assert (await talk.http.get("/x", retries=3)).status == 200
        assert (await talk.http.post("/x", json={}, retries=1)).status == 500
        assert talk.statuses() == [503, 429, 200, 503, 500]
        first, second = talk.bench.instants("http_req")[:2]
        assert second[0] - first[2] == 50_000_000
        with pytest.raises(ValueError, match="retries are 0 to"):
            await talk.http.get("/x", retries=99)
        with pytest.raises(ValueError, match="cannot be sent again"):
            await talk.http.post("/x", body=[b"x"], retries=1)


async def test_no_answer_is_worth_another_try() -> None:
    """A lost connection is tried again on a new one."""
    async with HostileServer(script=[Step.RESET]) as server:
        bench = make_bench(server.url)
        answered = await bench.http.get("/", retries=2)
        assert (answered.error, bench.kinds, server.connections) == ("reset", ["reset"] * 3, 3)
        bench.http.close()
        bench.deadlines.close()
