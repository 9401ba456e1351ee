"""What the controller and the keeper say to each other: commands down, answers and events up.

On the wire each message is its length (four bytes, big-endian) and its msgpack.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from stormproof.kernel.errors import OwnFault
from stormproof.model.audit import AuditOrigin
from stormproof.model.event import Event
from stormproof.model.part import StackPlan
from stormproof.model.plan import PlannedFault

LENGTH = struct.Struct(">I")
MESSAGE_BYTES_MAX = 1 << 20


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """Start the stack; always the first command and given once."""

    id: int
    plan: StackPlan
    faults: list[PlannedFault]
    index_dir: str
    controller_pid: int
    audit: AuditOrigin | None = None  # None: nothing is entered in the audit log


class Inject(msgspec.Struct, frozen=True, kw_only=True, tag="inject"):
    """Inject a planned fault."""

    id: int
    fault: str


class Undo(msgspec.Struct, frozen=True, kw_only=True, tag="undo"):
    """Undo a planned fault."""

    id: int
    fault: str


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """Undo what is left, stop the stack and end; answered last."""

    id: int


Command = Start | Inject | Undo | Stop


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The command was carried out."""

    id: int
    value: str = ""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The command was not carried out; `kind` says who must act."""

    id: int
    kind: Literal["environment", "refused", "own"]
    what: str
    fix: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True, tag="told"):
    """An event that the keeper has recorded."""

    event: Event


Answer = Done | Failed | Told


def pack_message(message: Command | Answer) -> bytes:
    """Return the bytes of one message.

    Raises:
        OwnFault: it is longer than a reader takes.
    """
    payload = msgspec.msgpack.encode(message)
    if len(payload) > MESSAGE_BYTES_MAX:
        raise OwnFault(f"a control message of {len(payload)} bytes is over {MESSAGE_BYTES_MAX}")
    return LENGTH.pack(len(payload)) + payload


def message_length(header: bytes) -> int:
    """Return the length that the four bytes before a message announce.

    Raises:
        OwnFault: it is longer than a reader takes.
    """
    (length,) = LENGTH.unpack(header)
    if length > MESSAGE_BYTES_MAX:
        raise OwnFault(f"a control message of {length} bytes is over {MESSAGE_BYTES_MAX}")
    return int(length)
