"""What Toxiproxy's interface is told and tells, in JSON, and what that means for a link.

Durations are milliseconds (the slicer's delay: microseconds), rates kilobytes of 1,000 bytes a
second, sizes bytes. What is left out has Toxiproxy's default.

Source: Toxiproxy's README, "Toxics" and "HTTP API".
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

import msgspec

from stormproof.faults.links.toxics import (
    Applied,
    Bandwidth,
    Direction,
    Latency,
    LimitData,
    Noop,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)
from stormproof.faults.proxy.refusal import Refusal
from stormproof.kernel.units import MICROSECOND_NS, MILLISECOND_NS

NAME_CHARACTERS_MAX = 200
_DIRECTIONS: Final[dict[str, Direction]] = {"upstream": "up", "downstream": "down"}

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]
Name = Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS_MAX)]
Body = TypeVar("Body")


class ProxyBody(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy that is to be made."""

    name: Name = ""
    listen: str = ""
    upstream: str = ""
    enabled: bool = True


class ProxyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change of a proxy; None: nothing."""

    listen: str | None = None
    upstream: str | None = None
    enabled: bool | None = None


class ToxicBody(msgspec.Struct, frozen=True, kw_only=True):
    """A toxic that is to be put on."""

    name: Name = ""
    type: str = ""
    stream: str = "downstream"
    toxicity: float = 1.0
    attributes: dict[str, Any] = {}


class ToxicChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change of a toxic; None: nothing."""

    toxicity: float | None = None
    attributes: dict[str, Any] = {}


class LatencyAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    latency: Count = 0
    jitter: Count = 0

    def toxic(self) -> Toxic:
        """Return what a link suffers by them."""
        return Latency(
            latency_ns=self.latency * MILLISECOND_NS, jitter_ns=self.jitter * MILLISECOND_NS
        )


class BandwidthAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Kilobytes a second."""

    rate: Count = 0

    def toxic(self) -> Toxic:
        """Return what a link suffers by them."""
        return Bandwidth(bytes_per_s=self.rate * 1_000)


class SlowCloseAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    delay: Count = 0

    def toxic(self) -> Toxic:
        """Return what a link suffers by them."""
        return SlowClose(delay_ns=self.delay * MILLISECOND_NS)


class TimeoutAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    timeout: Count = 0

    def toxic(self) -> Toxic:
        """Return what a link suffers by them."""
        return Timeout(after_ns=self.timeout * MILLISECOND_NS)


class ResetPeerAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    timeout: Count = 0

    def toxic(self) -> Toxic:
        """Return what a link suffers by them."""
        return ResetPeer(after_ns=self.timeout * MILLISECOND_NS)


class SlicerAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes, and microseconds."""

    average_size: Count = 0
    size_variation: Count = 0
    delay: Count = 0

    def toxic(self) -> Toxic:
        """Return what a link suffers by them."""
        return Slicer(
            average_bytes=self.average_size,
            variation_bytes=self.size_variation,
            delay_ns=self.delay * MICROSECOND_NS,
        )


class LimitDataAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes."""

    bytes: Count = 0

    def toxic(self) -> Toxic:
        """Return what a link suffers by them."""
        return LimitData(bytes=self.bytes)


class NoopAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing."""

    def toxic(self) -> Toxic:
        """Return what a link suffers by them."""
        return Noop()


Attributes = (
    LatencyAttributes
    | BandwidthAttributes
    | SlowCloseAttributes
    | TimeoutAttributes
    | ResetPeerAttributes
    | SlicerAttributes
    | LimitDataAttributes
    | NoopAttributes
)
TYPES: Final[dict[str, type[Attributes]]] = {
    "latency": LatencyAttributes,
    "bandwidth": BandwidthAttributes,
    "slow_close": SlowCloseAttributes,
    "timeout": TimeoutAttributes,
    "reset_peer": ResetPeerAttributes,
    "slicer": SlicerAttributes,
    "limit_data": LimitDataAttributes,
    "noop": NoopAttributes,
}


class ToxicView(msgspec.Struct, frozen=True, kw_only=True):
    """A toxic as it is told, and as it is on a link."""

    attributes: Attributes
    name: str
    type: str
    stream: str
    toxicity: float

    @property
    def applied(self) -> Applied:
        """What a link suffers by it."""
        return Applied(
            name=self.name,
            toxic=self.attributes.toxic(),
            direction=_DIRECTIONS[self.stream],
            share=self.toxicity,
        )


class ProxyView(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy as it is told; toxics of the upstream come first."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: list[ToxicView]


def read_json(body: bytes) -> object:
    """Read a body.

    Raises:
        Refusal: it is no JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise bad_body(error) from error


def read(value: object, kind: type[Body]) -> Body:
    """Read a JSON object as `kind`: names in any case, null as left out, unknown ones ignored.

    Raises:
        Refusal: it is none.
    """
    if value is None:
        value = {}
    if isinstance(value, dict):
        value = {str(key).lower(): one for key, one in value.items() if one is not None}
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise bad_body(error) from error


def new_toxic(body: ToxicBody) -> ToxicView:
    """Make the toxic that a body asks for.

    Raises:
        Refusal: its stream, type or attributes are none.
    """
    stream = body.stream.lower()
    if stream not in _DIRECTIONS:
        raise Refusal(400, "stream was invalid, can be either upstream or downstream")
    if body.type not in TYPES:
        raise Refusal(400, "invalid toxic type")
    return ToxicView(
        attributes=read(body.attributes, TYPES[body.type]),
        name=body.name or f"{body.type}_{stream}",
        type=body.type,
        stream=stream,
        toxicity=body.toxicity,
    )


def changed_toxic(toxic: ToxicView, change: ToxicChange) -> ToxicView:
    """Return a toxic with other attributes or another toxicity; what is left out stays.

    Raises:
        Refusal: the attributes are none of its type.
    """
    attributes = {**msgspec.structs.asdict(toxic.attributes), **_lowered(change.attributes)}
    return msgspec.structs.replace(
        toxic,
        attributes=read(attributes, TYPES[toxic.type]),
        toxicity=toxic.toxicity if change.toxicity is None else change.toxicity,
    )


def bad_body(error: Exception) -> Refusal:
    """Refuse a body that cannot be read."""
    return Refusal(400, f"bad request body: {error}")


def _lowered(given: dict[str, Any]) -> dict[str, Any]:
    return {key.lower(): one for key, one in given.items() if one is not None}
