"""A user as the tag sets know it, without any connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from stormproof.clients.http import HttpSite
from stormproof.clients.tape import Actor, Scope, Tape
from stormproof.clients.target import Target
from stormproof.clients.ws_site import WsSite
from stormproof.load.tagging import Outfit

TARGET = Target(host="127.0.0.1", port=1, authority="127.0.0.1:1")


class Wearer:
    """Wear outfits as a virtual user does."""

    def __init__(self, tape: Tape | None = None, tags: dict[str, str] | None = None) -> None:
        self.tape = tape or Tape(0)
        scope = Scope(self.tape, "shop", tags)
        deadlines: Any = SimpleNamespace(loop=None)
        self.outfit = Outfit(
            scope, HttpSite(TARGET, scope, deadlines), WsSite(TARGET, scope, deadlines)
        )
        self.actor = Actor(1, scope)

    def wear(self, outfit: Outfit) -> None:
        """Put on another outfit."""
        self.outfit = outfit
        self.actor.scope = outfit.scope

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags that it wears."""
        return dict(self.actor.scope.tags)
