"""Chat as its clients see it: tickets, order, completeness, resume, refusals."""

from __future__ import annotations

import asyncio

import pytest
from tests.sanctum.clients import CHANNELS, Api, Chat
from tests.sanctum.conftest import Serve
from tests.sanctum.servers import DEADLINE_S, until
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from sanctum.chat.log import PAGE_MESSAGES


async def _refusal(api: Api, url: str) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught:
        await connect(url)
    return caught.value


async def test_ticket_is_for_members_only(api: Api) -> None:
    """A user gets a ticket for a channel of his own and 403 for any other."""
    answer = await api.ticket(user=1, channel=1)
    assert answer.status == 201
    assert answer.body["expires_in"] == 30
    refused = await api.ticket(user=1, channel=2)
    assert (refused.status, refused.body["error"]) == (403, "not_a_member")


async def test_ticket_admits_once(api: Api) -> None:
    """A ticket opens one socket; brought again it is refused with 403."""
    ticket = (await api.ticket()).body["ticket"]
    async with connect(api.socket_url(1, ticket)):
        refused = await _refusal(api, api.socket_url(1, ticket))
    assert refused.response.status_code == 403
    assert b"invalid_ticket" in (refused.response.body or b"")


async def test_ticket_is_bound_to_its_channel(api: Api) -> None:
    """A ticket for one channel does not open another."""
    ticket = (await api.ticket(user=1, channel=1)).body["ticket"]
    refused = await _refusal(api, api.socket_url(2, ticket))
    assert refused.response.status_code == 403


async def test_invented_ticket_is_refused(api: Api) -> None:
    """Whatever is not an issued ticket is refused with 403."""
    for ticket in ("", "unknown", "x" * 500, "%00", "%F0%9F%98%80"):
        refused = await _refusal(api, api.socket_url(1, ticket))
        assert refused.response.status_code == 403, ticket


async def test_malformed_channel_is_refused(api: Api) -> None:
    """A path that names no channel is refused with 422, before any ticket is consumed."""
    ticket = (await api.ticket()).body["ticket"]
    for path in ("x", "0", "99999999999999999999", "1.5"):
        url = api.socket_url(1, ticket).replace("/ws/1?", f"/ws/{path}?")
        assert (await _refusal(api, url)).response.status_code == 422, path
    async with connect(api.socket_url(1, ticket)) as socket:
        assert "welcome" in str(await socket.recv())


async def test_message_reaches_every_member_and_nobody_else(api: Api) -> None:
    """Every member's socket gets a message once, the sender's too, and no other channel's does."""
    sender = await api.chat(user=1, channel=1)
    member = await api.chat(user=1 + CHANNELS, channel=1)
    outsider = await api.chat(user=2, channel=2)
    assert sender.welcome == {"type": "welcome", "channel": 1, "user": 1, "last": 0}
    async with sender, member, outsider:
        assert await sender.say("a", "grüße \N{WAVING HAND SIGN}") == 1
        await outsider.say("b")
        for chat in (sender, member):
            await chat.received(1)
            assert chat.of("message") == [
                {
                    "type": "message",
                    "channel": 1,
                    "number": 1,
                    "id": "a",
                    "from": 1,
                    "body": "grüße \N{WAVING HAND SIGN}",
                }
            ]
        await outsider.received(1)
        assert [message["id"] for message in outsider.of("message")] == ["b"]


async def test_concurrent_senders_get_numbers_without_gaps(api: Api) -> None:
    """Messages sent at once by many get the numbers 1 to n, and every member sees them in order."""
    users = [1 + CHANNELS * k for k in range(4)]
    chats = [await api.chat(user=user) for user in users]
    await asyncio.gather(*(c.send(f"{k}-{i}") for k, c in enumerate(chats) for i in range(25)))
    for chat in chats:
        await chat.received(100)
    for chat in chats:
        assert chat.numbers == list(range(1, 101))
        await chat.close()
    acknowledged = sorted(ack["number"] for chat in chats for ack in chat.of("ack"))
    assert acknowledged == list(range(1, 101))


async def test_resume_brings_what_was_missed_once_and_in_order(api: Api) -> None:
    """A socket opened after a number gets every later message once, in order, then live ones."""
    count = PAGE_MESSAGES * 2 + 7
    sender = await api.chat()
    for i in range(count):
        await sender.send(f"old-{i}")
    await sender.acknowledged(f"old-{count - 1}")
    resumed = await api.chat(user=1 + CHANNELS, after=3)
    assert resumed.welcome["last"] == count
    await sender.say("new")
    await resumed.received(count + 1 - 3)
    assert resumed.numbers == list(range(4, count + 2))
    await sender.close()
    await resumed.close()


async def test_resume_during_a_stream_of_messages_misses_nothing(api: Api) -> None:
    """Sockets that resume while messages are being sent see each message exactly once."""
    sender = await api.chat()
    joined: list[Chat] = []
    for i in range(120):
        await sender.send(f"m{i}")
        if i % 20 == 10:
            joined.append(await api.chat(user=1 + CHANNELS, after=0))
    for chat in joined:
        await chat.received(120)
        assert chat.numbers == list(range(1, 121))
        await chat.close()
    await sender.close()


async def test_socket_without_after_starts_live(api: Api) -> None:
    """A socket that does not ask for the past gets only what comes after its welcome."""
    sender = await api.chat()
    await sender.say("before")
    late = await api.chat(user=1 + CHANNELS)
    assert late.welcome["last"] == 1
    await sender.say("after")
    await late.received(1)
    assert late.numbers == [2]
    await sender.close()
    await late.close()


async def test_after_beyond_the_end_starts_at_the_end(api: Api) -> None:
    """A client that claims to have seen numbers not yet given misses nothing."""
    async with await api.chat(after=1000) as chat:
        await chat.say("first")
        await chat.received(1)
        assert chat.numbers == [1]


BAD_FRAMES: list[tuple[str | bytes, str]] = [
    ("no json", "invalid_frame"),
    ('{"type":"shout","id":"x","body":"y"}', "invalid_frame"),
    ('{"type":"send","id":"","body":"y"}', "invalid_frame"),
    ('{"type":"send","id":"' + "x" * 65 + '","body":"y"}', "invalid_frame"),
    ('{"type":"send","id":"x"}', "invalid_frame"),
    ('{"type":"send","id":"x","body":7}', "invalid_frame"),
    ('{"type":"send","id":"x","body":"\\u0000"}', "invalid_text"),
    ('{"type":"send","id":"\\u0000","body":"x"}', "invalid_text"),
    ('{"type":"send","id":"x","body":"\\ud800"}', "invalid_frame"),
    ('{"type":"send","id":"x","body":"' + "ä" * 2049 + '"}', "body_too_large"),
    (b"\x00\x01", "invalid_frame"),
    ('{"type":"ping","id":"x","deep":' + "[" * 5000, "invalid_frame"),
    ('{"type":"ping"}', "invalid_frame"),
    ('{"type":"ping","id":"' + "x" * 65 + '"}', "invalid_frame"),
]


async def test_bad_frame_is_answered_and_survived(api: Api) -> None:
    """A frame that cannot be accepted gets an error; the socket lives and nothing is stored."""
    async with await api.chat() as chat:
        for frame, _ in BAD_FRAMES:
            await chat.connection.send(frame)
        assert await chat.say("next", "x" * 4096) == 1
        assert [e["error"] for e in chat.of("error")] == [error for _, error in BAD_FRAMES]


async def test_oversized_frame_closes_the_socket(api: Api) -> None:
    """A frame beyond every legal size closes the socket with 1009."""
    async with await api.chat() as chat:
        await chat.connection.send("x" * 100_000)
        assert await chat.closed() == 1009


async def test_two_processes_share_channels(serve: Serve) -> None:
    """Members of one channel on two servers see the same messages in the same order."""
    first, second = await serve(), await serve()
    here, there = await first.chat(user=1), await second.chat(user=1 + CHANNELS)
    for i in range(10):
        await here.say(f"here-{i}")
        await there.say(f"there-{i}")
    for chat in (here, there):
        await chat.received(20)
        assert chat.numbers == list(range(1, 21))
        await chat.close()


async def test_slow_reader_is_closed_and_counted(serve: Serve) -> None:
    """A member that does not read is dropped with 1013 and counted; the others miss nothing."""
    api = await serve(SANCTUM_SOCKET_QUEUE_MAX="8")
    sender = await api.chat()
    slow = await api.stuck_chat(user=1 + CHANNELS)
    count = 0
    while await api.metric("ws_overload_total") == 0:
        assert count < 5_000, "the slow reader is never dropped"
        for _ in range(10):
            count += 1
            await sender.say(f"m{count}", "x" * 4096)
            await sender.received(count)
    assert sender.numbers == list(range(1, count + 1))
    assert await api.metric('ws_close_total{code="1013"}') == 1
    await sender.close()
    await slow.abandon()


async def test_reader_stuck_in_its_resume_is_closed(serve: Serve) -> None:
    """A client that stops reading the past it asked for is closed with 1013, and then dropped."""
    api = await serve(SANCTUM_SOCKET_SEND_TIMEOUT_S="0.2")
    async with await api.chat() as sender:
        for i in range(PAGE_MESSAGES * 3):
            await sender.send(f"m{i}", "x" * 4096)
            if i % 20 == 19:
                await sender.received(i + 1)
        stuck = await api.stuck_chat(user=1 + CHANNELS, after=0)
        await _counted(api, 'ws_close_total{code="1013"}')
        await sender.say("still served")
    port = stuck.connection.local_address[1]
    await until(lambda: not api.serves(port), "the connection is dropped")
    await stuck.abandon()


async def test_client_pings_are_answered(api: Api) -> None:
    """Both kinds of ping get their answer: the protocol's a pong, a frame its id back."""
    async with await api.chat() as chat:
        async with asyncio.timeout(DEADLINE_S):
            await (await chat.connection.ping(b"there?"))
        await chat.connection.send('{"type":"ping","id":"p-1"}')
        await until(lambda: bool(chat.of("pong")), "the pong")
        assert chat.of("pong") == [{"type": "pong", "id": "p-1"}]
        assert await chat.say("after") == 1
    await _counted(api, 'ws_close_total{code="1000"}')
    assert await api.metric("ws_connect_total") == 1


async def test_client_that_answers_no_ping_is_closed(serve: Serve) -> None:
    """A client that does not answer pings is closed and counted; one that does stays open."""
    api = await serve(SANCTUM_HEARTBEAT_INTERVAL_S="0.2", SANCTUM_HEARTBEAT_TIMEOUT_S="0.5")
    alive, dead = await api.chat(), await api.stuck_chat(user=1 + CHANNELS)
    await _counted(api, "ws_heartbeat_terminate_total")
    await alive.say("still here")
    assert await api.metric("ws_heartbeat_terminate_total") == 1
    await dead.abandon()
    await alive.close()


async def _counted(api: Api, metric: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric(metric) == 0:
            await asyncio.sleep(0.02)
