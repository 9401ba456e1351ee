"""Which WebSocket message a journey waits for."""

from __future__ import annotations

import pytest

from stormproof.clients.wanted import NOT_WANTED, Incoming, What, anything, wanted_of

ACK = '{"type": "ack", "ok": true, "by": {"name": "ann", "id": 7}}'


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("ack", ACK),
        ({"type": "ack"}, ACK),
        ({"type": "ack"}, ACK.encode()),
        ({"by": {"id": 7}, "ok": True}, ACK),
        ({}, ACK),
        (lambda message: len(message) > 3, b"long"),
    ],
)
def test_wanted_messages_are_found(what: What, message: Incoming) -> None:
    """A message is wanted when it holds the text, has the fields, or satisfies the function."""
    assert wanted_of(what)(message) is not NOT_WANTED


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("ack", "nack"[:2]),
        ("ack", b"ack"),
        ({"type": "ack"}, "no JSON"),
        ({"type": "ack"}, '["ack"]'),
        ({"type": "ack"}, '{"type": "error"}'),
        ({"type": "ack"}, "{}"),
        ({"ok": 1}, ACK),
        ({"by": {"id": 8}}, ACK),
        ({"by": {"id": 7}}, '{"by": 7}'),
        ({"type": "ack"}, b"\xff\xfe"),
        ({"type": "ack"}, "[" * 100_000),
        (lambda message: len(message) > 3, b"no"),
    ],
)
def test_other_messages_are_passed_over(what: What, message: Incoming) -> None:
    """What lacks the text or a field, is no JSON or nests without end is not wanted."""
    assert wanted_of(what)(message) is NOT_WANTED


def test_fields_give_the_object() -> None:
    """Whoever waits for fields gets the decoded object, else the message itself."""
    assert wanted_of({"ok": True})(ACK) == {
        "type": "ack",
        "ok": True,
        "by": {"name": "ann", "id": 7},
    }
    assert wanted_of("ack")(ACK) == anything(ACK) == ACK
