"""Planted defects of conversations: each breaks its promise where it is on, and only there."""

from __future__ import annotations

import pytest
from tests.sanctum.conftest import Serve
from tests.sanctum.servers import Postgres
from tests.sanctum.talks import converse, unread

from sanctum.defects import CUT_ABOVE_BYTES, FLIP_ABOVE_BYTES, Defect, Defects

OFF_AND_ON = (False, True)


@pytest.mark.parametrize("on", OFF_AND_ON)
async def test_removed_participant_stays(serve: Serve, on: bool) -> None:
    """With it on, the third who is removed goes on listing the participants, sweep or not."""
    api = await serve(SANCTUM_DEFECTS="membership_stale" if on else "")
    talk = await converse(api, 1, 2, 3, 4)
    statuses = []
    for removed in (2, 3, 4):
        assert (await talk.call(removed, "GET", "/participants")).status == 200
        assert (await talk.remove(1, removed)).status == 204
        statuses.append((await talk.call(removed, "GET", "/participants")).status)
    assert statuses == [403, 403, 200 if on else 403]


@pytest.mark.parametrize("on", OFF_AND_ON)
async def test_outsider_reads_a_conversation(serve: Serve, on: bool) -> None:
    """With it on, one route shows a conversation to who takes no part; the others still refuse."""
    api = await serve(SANCTUM_DEFECTS="row_security_off" if on else "")
    talk = await converse(api, 1, 2)
    assert (await talk.call(3, "GET")).status == (200 if on else 403)
    assert (await talk.call(3, "GET", "/messages")).status == 403
    assert (await talk.call(2, "GET")).status == 200


@pytest.mark.parametrize("on", OFF_AND_ON)
async def test_large_payload_is_cut(serve: Serve, on: bool) -> None:
    """With it on, a payload above 32 KiB comes back shorter; one of 32 KiB is whole."""
    api = await serve(SANCTUM_DEFECTS="payload_cut" if on else "")
    talk = await converse(api, 1, 2)
    sizes = (CUT_ABOVE_BYTES + 100, CUT_ABOVE_BYTES)
    for size in sizes:
        assert (await talk.post(1, f"{size}", "x" * size)).status == 201
    read = [len(one["payload"]) for one in await talk.messages(2)][::-1]
    assert read == [CUT_ABOVE_BYTES if on else sizes[0], CUT_ABOVE_BYTES]


@pytest.mark.parametrize("on", OFF_AND_ON)
async def test_payload_comes_back_otherwise(serve: Serve, on: bool) -> None:
    """With it on, the tenth payload above 16 KiB differs in one character, and no other does."""
    api = await serve(SANCTUM_DEFECTS="payload_byte_flipped" if on else "")
    talk = await converse(api, 1, 2)
    payload = "x" * (FLIP_ABOVE_BYTES + 1)
    for i in range(11):
        assert (await talk.post(1, f"{i}", payload)).status == 201
    read = [one["payload"] for one in await talk.messages(2)][::-1]
    assert [one == payload for one in read] == [not on or i != 9 for i in range(11)]
    assert sum(a != b for a, b in zip(read[9], payload, strict=True)) == int(on)


@pytest.mark.parametrize("on", OFF_AND_ON)
async def test_unread_is_one_too_high(serve: Serve, postgres: Postgres, on: bool) -> None:
    """With it on, the fifth mark leaves one message unread that was read."""
    api = await serve(SANCTUM_DEFECTS="unread_drift" if on else "")
    talk = await converse(api, 1, 2)
    await talk.say(1, 6)
    await talk.arrive(postgres)
    left = [(await talk.read_up_to(2, number)).body["unread"] for number in range(1, 6)]
    assert left == [5, 4, 3, 2, 2 if on else 1]
    assert await unread(api, 2) == left[-1]


@pytest.mark.parametrize("text", ["a", "ü", "€", "😀", "\x00", '"'])
def test_flipped_payload_is_still_text(text: str) -> None:
    """Whatever a payload is made of, it stays UTF-8 when a bit of it is flipped or it is cut."""
    payload = (text * 50_000).encode()[: 40_000 - 40_000 % len(text.encode())]
    planted = Defects([Defect.PAYLOAD_BYTE_FLIPPED, Defect.PAYLOAD_CUT])
    stored = [planted.stored_payload(payload) for _ in range(10)]
    assert all(CUT_ABOVE_BYTES - 3 <= len(one) <= CUT_ABOVE_BYTES for one in stored)
    assert len({one.decode() for one in stored}) == 2
