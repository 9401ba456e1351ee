"""What controller and worker say to each other, over one socket pair: length and msgpack.

    controller                                 worker
    Assignment (who you are)             ->
    SetUp                                ->                   to one worker, where a plan has it
                                         <-    SetUpDone      what it hands to all users
    Prepare (that)                       ->
                                         <-    Progress ...   users are being prepared
                                         <-    Prepared
    Drive (origin)                       ->
                                         <-    NewFrame ...   one a second
    Steer (order, from when) ...         ->
                                         <-    Steered
                                         <-    Driven         every scenario has ended
    Settle                               ->
                                         <-    Settled
    AskDelivered ...                     ->
                                         <-    Delivered
    CleanUp                              ->                   to whoever has said Owing
                                         <-    CleanedUp
    TearDown                             ->                   to one worker, where a plan has it
                                         <-    TornDown
    Finish                               ->
                                         <-    (end of file)

A worker that meets something it cannot go on with says GivenUp before its end of file.
"""

from __future__ import annotations

import asyncio
import struct

import msgspec

from stormproof.kernel.errors import OwnFault
from stormproof.model.control_order import ControlOrder
from stormproof.model.event import WarningEvent
from stormproof.model.series import Frame, Series

MESSAGE_BYTES_MAX = 16 << 20
UNSENT_BYTES_MAX = 8 << 20  # of live frames for a controller that does not listen
_LENGTH = struct.Struct("<I")


class Assignment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Who the worker is and what it works on."""

    worker: int
    workers: int
    run_dir: str
    base_url: str
    cores: list[int]
    traced: bool = False  # tell requests and answers
    headers: dict[str, str] = {}  # of every request; told here alone, because they may be secrets


class SetUp(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run the set-up."""


class Prepare(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Prepare the users; `data` is JSON, what the set-up handed over."""

    data: bytes


class Drive(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run the load from an instant on."""

    origin_ns: int


class Steer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Change the load from an instant on, the same one in every worker."""

    order: ControlOrder
    at_ns: int


class Settle(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Let every user settle."""


class AskDelivered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Tell what has been acknowledged and received so far."""


class CleanUp(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """End the load, if it still runs, and let users clean up until the deadline."""

    deadline_ns: int


class TearDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run the teardown, unless `run` says not to, and clean up after the set-up."""

    run: bool
    deadline_ns: int


class Finish(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Close everything and end."""


class SetUpDone(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the set-up handed over, as JSON; or why it failed; or what is wrong with the data."""

    data: bytes = b""
    why: str = ""
    problem: str = ""


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How many of the worker's users have been prepared."""

    done: int
    users: int


class Prepared(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The preparation has ended; `reasons` counts why users failed."""

    users: int
    failed: int
    reasons: dict[str, int]


class NewFrame(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A frame as it was recorded, and the series that it is the first to mention."""

    frame: Frame
    series: list[Series]


class Traced(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A request or an answer as text, for a person who asked to see them."""

    text: str


class Warned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that a reader of the verdict should know."""

    event: WarningEvent


class Driven(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Every scenario has ended."""


class Steered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order has been taken."""


class Settled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Every user has settled, or failed to."""

    failed: int
    reasons: dict[str, int]


class Delivered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The highest number acknowledged in each scope; of its members here the one furthest behind.

    `behind` maps a scope to (user, highest number received).
    """

    acknowledged: dict[int, int]
    behind: dict[int, tuple[int, int]]


class Owing(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A user has registered something to clean up; said once."""


class CleanedUp(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How many clean-ups were done, how many of them failed, and why."""

    done: int
    failed: int
    reasons: dict[str, int]


class TornDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Why the teardown failed, if it did, and how the set-up's own clean-ups went."""

    why: str
    failed: int
    reasons: dict[str, int]


class GivenUp(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The worker cannot go on; `kind` says who must act: "input" or "environment"."""

    kind: str
    text: str


Order = (
    Assignment
    | SetUp
    | Prepare
    | Drive
    | Steer
    | Settle
    | AskDelivered
    | CleanUp
    | TearDown
    | Finish
)
Report = (
    SetUpDone
    | Progress
    | Prepared
    | NewFrame
    | Traced
    | Warned
    | Driven
    | Steered
    | Settled
    | Delivered
    | Owing
    | CleanedUp
    | TornDown
    | GivenUp
)

_encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_report = msgspec.msgpack.Decoder(Report).decode


def pack(message: Order | Report) -> bytes:
    """Return the bytes of one message.

    Raises:
        OwnFault: it is too long.
    """
    payload = _encode(message)
    if len(payload) > MESSAGE_BYTES_MAX:
        raise OwnFault(f"a message of {len(payload)} bytes is over {MESSAGE_BYTES_MAX}")
    return _LENGTH.pack(len(payload)) + payload


async def receive(reader: asyncio.StreamReader) -> bytes | None:
    """Return the payload of the next message; None when the other side is gone."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MESSAGE_BYTES_MAX:
            raise OwnFault(f"a message claims {length} bytes; the limit is {MESSAGE_BYTES_MAX}")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
