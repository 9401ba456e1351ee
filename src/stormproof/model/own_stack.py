"""A stack of the user's own, as its file says: what is started in which order, and what of it may
be broken. Texts still have their placeholders (`{ports.web}`, `{secrets.SHOP_PASSWORD}`): no port
is chosen yet, and no secret is ever in here.
"""

from __future__ import annotations

from typing import Literal

import msgspec

OwnStackKind = Literal["processes", "compose"]
How = Literal["tcp", "http", "postgres", "alive"]
ServerKind = Literal["postgres", "valkey"]


class OwnReadiness(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What shows that a part is up: a port by its name, and what is asked there; without a port,
    that it has run for `alive_ns`."""

    port: str = ""
    how: How = "tcp"
    path: str = ""
    alive_ns: int = 0
    deadline_ns: int = 30_000_000_000


class OwnPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="part"):
    """A command that stays in the foreground; `cwd` is below the file's folder."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    cwd: str = ""
    ready: OwnReadiness
    stop_signal: int = 15
    stop_deadline_ns: int = 5_000_000_000
    breakable: bool = False


class OwnTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="task"):
    """A command that must end with 0 before the next step."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    cwd: str = ""
    deadline_ns: int = 60_000_000_000


class OwnLink(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="link"):
    """A TCP forwarder from one port to another, both by their names."""

    name: str
    listen: str
    upstream: str
    breakable: bool = False


class OwnService(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="service"):
    """A service of the compose file; without `ready` it counts as up while it runs."""

    name: str
    ready: OwnReadiness | None = None
    stop_deadline_ns: int = 10_000_000_000
    breakable: bool = False


OwnStep = OwnPart | OwnTask | OwnLink | OwnService


class OwnCompose(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The compose file of a stack, below the stack file's folder, and what docker is given with it.

    It is not copied into the record, as it may hold secrets: only its digest is.
    """

    file: str
    sha256: str
    env: dict[str, str] = {}  # for the variables in it
    up_deadline_ns: int = 300_000_000_000


class OwnServer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A server whose statistics are read; `part` is the one that it runs as, or just a name."""

    part: str
    kind: ServerKind
    url: str


class OwnStack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stack file; `folder` is the absolute path of where it lies."""

    kind: OwnStackKind
    file: str
    sha256: str
    folder: str
    base_url: str
    ports: dict[str, int]  # name -> fixed port; 0: any free one
    outside: dict[str, int] = {}  # name -> port that somebody else serves already
    steps: tuple[OwnStep, ...]
    servers: tuple[OwnServer, ...] = ()
    secrets: tuple[str, ...] = ()  # the names of those that its texts ask for
    compose: OwnCompose | None = None  # of one of that kind

    def breakable_parts(self) -> tuple[str, ...]:
        """Return the parts and services that a fault may break."""
        return tuple(
            one.name
            for one in self.steps
            if isinstance(one, OwnPart | OwnService) and one.breakable
        )

    def services(self) -> tuple[str, ...]:
        """Return the services that it names."""
        return tuple(one.name for one in self.steps if isinstance(one, OwnService))

    def breakable_links(self) -> tuple[str, ...]:
        """Return the links that a fault may break."""
        return tuple(one.name for one in self.steps if isinstance(one, OwnLink) and one.breakable)
