"""The seam between a process and its domains: what each is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter

from sanctum.backing.cache import Cache
from sanctum.backing.database import Database
from sanctum.defects import Defects
from sanctum.gateway.hub import Hub
from sanctum.gateway.identity import Gate
from sanctum.settings import Settings
from sanctum.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Hold what all domains of one process share."""

    settings: Settings
    database: Database
    cache: Cache
    gate: Gate
    hub: Hub
    defects: Defects
    metrics: Metrics


def _nothing() -> None:
    """Do nothing: most domains hold nothing that must be sent away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Hold what a domain gives to its process.

    Attributes:
        routers: its routes.
        work: what runs in the background while the process serves, by name. It ends by
            cancellation only; work that ends otherwise brings the process down.
        drain: sends every client away that would keep the process from ending.
        close: gives back what the domain holds, once its work has ended.
    """

    routers: tuple[APIRouter, ...] = ()
    work: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    drain: Callable[[], None] = _nothing
    close: Callable[[], None] = _nothing
