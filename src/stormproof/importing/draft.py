"""A journey file before it is written: steps, pages, journeys, and what a person must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression that stands where a value would."""

    text: str


Value = None | bool | int | float | str | Code | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of a journey, and what is checked of its answer.

    `values` fill the holes of the path's template. `keep_as` names the variable of the answer;
    `status` 0 asks only for any success. `comment` is written above it.
    """

    method: str
    path: str
    keep_as: str
    status: int
    check: str
    values: Mapping[str, Value] = field(default_factory=dict)
    query: Mapping[str, Value] = field(default_factory=dict)
    headers: Mapping[str, Value] = field(default_factory=dict)
    auth: Code | None = None
    json: Value | None = None
    form: Mapping[str, Value] = field(default_factory=dict)
    body: str = ""
    think_s: float = 0.0  # before it
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """The opening of a WebSocket, kept as the variable `keep_as`."""

    path: str
    keep_as: str
    values: Mapping[str, Value] = field(default_factory=dict)
    query: Mapping[str, Value] = field(default_factory=dict)
    headers: Mapping[str, Value] = field(default_factory=dict)
    subprotocols: tuple[Value, ...] = ()
    think_s: float = 0.0  # before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message that goes out over the socket of a variable; an object goes as JSON."""

    socket: str
    message: Value
    think_s: float = 0.0  # before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """A message that must come over a socket: the one with these fields or this text, or any.

    `name` is the operation's; `keep_as` names the variable of the reply.
    """

    socket: str
    keep_as: str
    name: str
    wanted: Value = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """The closing of a socket."""

    socket: str


Step = Call | Dial | Send | Expect | HangUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Steps that belong together under a title."""

    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyDraft:
    """One journey."""

    name: str
    title: str
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDraft:
    """A whole file; `notes` go into its docstring, `secrets` are declared at its top."""

    title: str
    target: str
    journeys: tuple[JourneyDraft, ...]
    secrets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
