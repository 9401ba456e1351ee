"""The words between controller and keeper on the wire."""

from __future__ import annotations

import msgspec
import pytest

from stormproof.faults.channel import failed
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused, OwnFault
from stormproof.model.control import (
    LENGTH,
    MESSAGE_BYTES_MAX,
    Command,
    Failed,
    Inject,
    message_length,
    pack_message,
)


def test_message_comes_back_as_it_was_sent() -> None:
    """Length and payload of a packed message give the same message again."""
    packed = pack_message(Inject(id=7, fault="cut"))
    length = message_length(packed[: LENGTH.size])
    payload = packed[LENGTH.size :]
    assert length == len(payload)
    assert msgspec.msgpack.decode(payload, type=Command) == Inject(id=7, fault="cut")


def test_message_that_is_too_long_is_neither_sent_nor_read() -> None:
    """Both sides refuse a message over the bound."""
    with pytest.raises(OwnFault):
        pack_message(Inject(id=1, fault="x" * MESSAGE_BYTES_MAX))
    with pytest.raises(OwnFault):
        message_length(LENGTH.pack(MESSAGE_BYTES_MAX + 1))


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (
            EnvironmentFailure("disk full", "free space"),
            Failed(id=1, kind="environment", what="disk full", fix="free space"),
        ),
        (FaultRefused("not now"), Failed(id=1, kind="refused", what="not now")),
        (ValueError("odd"), Failed(id=1, kind="own", what="ValueError: odd")),
    ],
)
def test_error_says_who_must_act(error: Exception, answer: Failed) -> None:
    """An answer keeps whether the machine, the plan or we are at fault."""
    assert failed(1, error) == answer
