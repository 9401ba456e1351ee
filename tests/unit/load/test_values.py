"""Small values of the load engine: shares of users, targets, messages, what is missing."""

from __future__ import annotations

import asyncio

import pytest

from stormproof.clients.guard import UnexpectedAnswer
from stormproof.clients.headers import parse_headers
from stormproof.clients.response import Response
from stormproof.clients.tape import Scope, Tape
from stormproof.clients.target import Target, parse_target
from stormproof.kernel.errors import BadInput, OwnFault
from stormproof.load import channel
from stormproof.load.fleet import missing_of
from stormproof.model.plan import Scenario, Source
from stormproof.workload.population import first_ids, indices_of


def scenario(vus: int, max_vus: int) -> Scenario:
    """Make a scenario with so many users."""
    return Scenario(
        name="s",
        journey=Source(file="f", function="g", sha256=""),
        executor="constant-vus",
        duration_ns=1,
        vus=vus,
        max_vus=max_vus,
    )


def test_users_are_split_evenly() -> None:
    """Every user lives in exactly one worker, and no worker has two more than another."""
    parts = [list(indices_of(10, worker, 4)) for worker in range(4)]
    assert sorted(index for part in parts for index in part) == list(range(10))
    assert {len(part) for part in parts} == {2, 3}


def test_ids_are_unique_in_the_run() -> None:
    """Ids count from 1 and leave room for the users that a scenario may add."""
    assert first_ids([scenario(3, 5), scenario(2, 2), scenario(1, 1)]) == [1, 6, 8]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8000", Target(host="127.0.0.1", port=8000, authority="127.0.0.1:8000")),
        ("http://shop.test/", Target(host="shop.test", port=80, authority="shop.test")),
        ("http://[::1]:81", Target(host="::1", port=81, authority="[::1]:81")),
        (
            "https://shop.test",
            Target(host="shop.test", port=443, authority="shop.test", scheme="https"),
        ),
        (
            "https://shop.test:8443/",
            Target(host="shop.test", port=8443, authority="shop.test:8443", scheme="https"),
        ),
        (
            "unix:/run/api.sock",
            Target(host="localhost", port=80, authority="localhost", unix_path="/run/api.sock"),
        ),
    ],
)
def test_target_is_read(url: str, target: Target) -> None:
    """A base URL gives host, port and what the Host header says."""
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("ftp://shop.test", "is no http:// or https:// URL"),
        ("shop.test:80", "is no http:// or https:// URL"),
        ("http://", "is no http:// or https:// URL"),
        ("unix:relative.sock", "names no absolute path"),
        ("http://shop.test:99999", "Port out of range"),
        ("http://shop.test/api", "holds more than scheme, host and port"),
        ("http://me:secret@shop.test", "holds more than scheme, host and port"),
    ],
)
def test_other_targets_are_bad_input(url: str, what: str) -> None:
    """What is no plain base URL is told with what would be right."""
    with pytest.raises(BadInput, match=what) as caught:
        parse_target(url)
    assert caught.value.problems[0].fix == "such as http://127.0.0.1:8000"


def test_headers_join_and_ignore_case() -> None:
    """Header lines are read whatever their case and blanks; repeated ones are joined."""
    headers = parse_headers(b"HTTP/1.1 200 OK\r\nA: 1\r\na:2 \r\nEmpty:\r\n\r\nB: not a header")
    assert dict(headers) == {"a": "1, 2", "empty": ""}
    assert headers["A"] == headers.get("A") == "1, 2"
    assert "B" not in headers
    assert headers.get("B", "none") == "none"


def test_json_of_no_answer_says_why() -> None:
    """Without an answer `json()` ends the iteration naming the kind of failure."""
    answer = Response(0, "timeout", False, b"", b"", 0, Scope(Tape(0), "s"))
    with pytest.raises(UnexpectedAnswer, match=r"no JSON \(timeout\)"):
        answer.json()


@pytest.mark.parametrize("body", [b'{"a": "\xff"}', b"[" * 100_000, b"{"])
def test_json_that_cannot_be_read_is_an_unexpected_answer(body: bytes) -> None:
    """No UTF-8, no end, nested too deeply: the target's doing, and no error of the journey."""
    answer = Response(200, "", True, body, b"", 0, Scope(Tape(0), "s"))
    with pytest.raises(UnexpectedAnswer, match=r"no JSON \(status 200\)"):
        answer.json()


def test_messages_survive_the_channel() -> None:
    """What is packed is received, message by message; then comes the end."""
    orders: list[channel.Order] = [channel.Drive(origin_ns=5), channel.Finish()]

    async def through() -> list[object]:
        reader = asyncio.StreamReader()
        reader.feed_data(b"".join(channel.pack(one) for one in orders))
        reader.feed_eof()
        found: list[object] = []
        while (payload := await channel.receive(reader)) is not None:
            found.append(channel.decode_order(payload))
        return found

    assert asyncio.run(through()) == orders


def test_oversized_messages_are_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message above the limit is neither sent nor taken."""
    monkeypatch.setattr(channel, "MESSAGE_BYTES_MAX", 10)
    with pytest.raises(OwnFault, match="over 10"):
        channel.pack(channel.GivenUp(kind="input", text="x" * 20))

    async def read() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(b"\xff\x00\x00\x00")
        await channel.receive(reader)

    with pytest.raises(OwnFault, match="claims 255 bytes"):
        asyncio.run(read())


@pytest.mark.parametrize(
    ("reports", "missing"),
    [
        ([({}, {})], ""),
        ([({1: 5}, {1: (9, 5)})], ""),
        ([({1: 5}, {}), ({}, {1: (9, 5)})], ""),
        ([({1: 5}, {}), ({1: 3}, {1: (9, 4)})], "user 9 has 4 of 5 in 1"),
        ([({1: 5}, {}), ({}, {2: (9, 0)})], ""),
        (
            [(dict.fromkeys(range(5), 2), {n: (n, 1) for n in range(5)})],
            "user 0 has 1 of 2 in 0; user 1 has 1 of 2 in 1; user 2 has 1 of 2 in 2 and 2 more",
        ),
    ],
)
def test_missing_is_joined_over_workers(
    reports: list[tuple[dict[int, int], dict[int, tuple[int, int]]]], missing: str
) -> None:
    """What one worker saw acknowledged must have reached the members in all of them."""
    made = [channel.Delivered(acknowledged=acked, behind=behind) for acked, behind in reports]
    assert missing_of(made) == missing
