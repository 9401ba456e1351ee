"""The WebSockets of a recording become steps between its requests."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from tests.unit.importing.chat_har import HOST, TICKET, chat, message, socket
from tests.unit.importing.shop_har import entry

from stormproof.importing.files import source_of
from stormproof.importing.har_messages import read_messages, turns_of
from stormproof.kernel.errors import BadInput
from stormproof.kernel.limits import IMPORTED_CALLS_MAX

HERE = Path(__file__).parent


def source_with(*messages: dict[str, Any], path: str = "/ws", **more: Any) -> str:
    return source_of({"log": {"entries": [socket(0, path, *messages, **more)]}}, "h.har")


def test_a_chat_reads_like_written_by_hand() -> None:
    """Opened with the ticket that an answer gave; each message in its place, with its answer."""
    expected = (HERE / "chat_journeys.txt").read_text()
    assert source_of(chat(), "chat.har") == expected


def test_no_secret_of_a_chat_is_in_the_file() -> None:
    """Tickets, tokens, passwords and cookies of sockets and their messages are left out."""
    source = source_of(chat(), "chat.har")
    assert "hidden" not in source
    assert TICKET not in source


def test_a_ticket_that_no_answer_gave_is_a_secret_and_told() -> None:
    """A ticket from before the recording is declared, with the advice to take each where it is
    given; the number of something that happens to be called so is kept."""
    source = source_with(path=f"/ws?ticket={TICKET}")
    assert 'TICKET = secret("TICKET")' in source
    assert "a ticket is good once" in source
    assert TICKET not in source
    assert '"ticket": "17"' in source_with(message(1, "send", {"ticket": "17"}))


def test_an_answer_is_told_by_the_id_of_what_was_asked() -> None:
    """Of several messages the one that repeats the id is expected; without one the first."""
    asked = message(1, "send", {"id": 5, "do": "x"})
    others = [message(2, "receive", {"id": 9}), message(3, "receive", {"id": 5, "ok": True})]
    _, turn = turns_of(read_messages([asked, *others]), 0.0)
    assert turn.wanted == {"id": 5}
    _, turn = turns_of(read_messages([asked, others[0]]), 0.0)
    assert turn.reply is not None
    assert turn.wanted == {}


def test_what_came_long_after_came_by_itself() -> None:
    """Eleven seconds after a message nothing is an answer to it."""
    sent, came = message(1, "send", "a"), message(12.5, "receive", "b")
    _, turn = turns_of(read_messages([sent, came]), 0.0)
    assert turn.reply is None


def test_a_refused_socket_is_left_out_and_told() -> None:
    """A handshake that was answered with 403 is no part of the journey."""
    refused = socket(1, "/ws", response={"status": 403})
    source = source_of({"log": {"entries": [entry(0, "GET", "/", host=HOST), refused]}}, "h")
    assert "left out: 1 request for WebSockets that were refused" in source
    assert "user.ws" not in source


def test_messages_count_towards_what_a_person_can_read() -> None:
    """A socket that sent thousands is refused with the advice to record less."""
    with pytest.raises(BadInput, match="record one task at a time"):
        source_with(*[message(1, "send", "x")] * IMPORTED_CALLS_MAX)


@pytest.mark.parametrize(
    "raw",
    [
        5,
        [5, None, {}],
        [{"type": "send", "time": "soon", "opcode": 1, "data": 5}],
        [{"type": "send", "time": 1e300, "opcode": 1, "data": '{"a": ' + "[" * 50_000}],
        [{"type": "send", "opcode": 1, "data": '[1, {"id": null}, "\\u202e"]'}],
        [{"type": "receive", "time": -1, "opcode": 1, "data": '{"type": "\\""}'}],
        [{"type": "receive", "opcode": 1, "data": '"""'}, {"type": "error", "data": "x"}],
    ],
)
def test_whatever_messages_hold_the_file_is_python(raw: object) -> None:
    """Fields of other types, broken JSON and steering characters give a file that parses."""
    source = source_with(_webSocketMessages=raw)
    ast.parse(source)
    assert not any(ord(one) < 32 for one in source.replace("\n", ""))
    assert "\u202e" not in source
