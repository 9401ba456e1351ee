"""A stack of the user's own, as its file says: what is started in which order, and what of it may
be broken. Texts still have their placeholders (`{ports.web}`, `{secrets.SHOP_PASSWORD}`): no port
is chosen yet, and no secret is ever in here.
"""

from __future__ import annotations

from typing import Literal

import msgspec

OwnStackKind = Literal["processes", "compose"]
How = Literal["tcp", "http", "postgres"]
ServerKind = Literal["postgres", "valkey"]


class OwnReadiness(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What shows that a part is up: a port by its name, and what is asked there."""

    port: str
    how: How = "tcp"
    path: str = ""
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


OwnStep = OwnPart | OwnTask | OwnLink


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
    steps: tuple[OwnStep, ...]
    servers: tuple[OwnServer, ...] = ()
    secrets: tuple[str, ...] = ()  # the names of those that its texts ask for

    def breakable_parts(self) -> tuple[str, ...]:
        """Return the parts that a fault may break."""
        return tuple(one.name for one in self.steps if isinstance(one, OwnPart) and one.breakable)

    def breakable_links(self) -> tuple[str, ...]:
        """Return the links that a fault may break."""
        return tuple(one.name for one in self.steps if isinstance(one, OwnLink) and one.breakable)
