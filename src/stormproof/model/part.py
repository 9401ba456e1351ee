"""Parts of a stack as data: what the keeper starts, in order, and what it may break."""

from __future__ import annotations

import re
from typing import Literal

import msgspec


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """When a part counts as up: its port accepts, its URL answers 200, or (PostgreSQL accepts
    before it serves) it asks a client to authenticate; one without a port ("alive") when it has run
    for `alive_ns`."""

    kind: Literal["tcp", "http", "postgres", "alive"]
    host: str = "127.0.0.1"
    port: int = 0
    path: str = ""
    alive_ns: int = 0
    deadline_ns: int = 30_000_000_000


class Part(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """A long-running foreground child of the keeper."""

    name: str
    argv: list[str]
    env: dict[str, str] = {}  # added to the caller's environment
    cwd: str
    user: str = ""  # run as this user (only when the keeper is root)
    ready: Readiness
    stop_signal: int = 15
    stop_deadline_ns: int = 5_000_000_000
    death_signal: int = 9  # the kernel sends it when the keeper dies (PDEATHSIG)
    cores: list[int] = []  # CPU affinity; empty: any
    breakable: bool = False


class Task(msgspec.Struct, frozen=True, kw_only=True, tag="task"):
    """A command that must end with 0 before the next step."""

    name: str
    argv: list[str]
    env: dict[str, str] = {}
    cwd: str
    user: str = ""
    deadline_ns: int = 60_000_000_000


class Link(msgspec.Struct, frozen=True, kw_only=True, tag="link"):
    """A TCP forwarder of ours between two parts, on which faults can be put."""

    name: str
    listen_port: int
    upstream_port: int
    host: str = "127.0.0.1"
    upstream_host: str = ""  # empty: `host`
    breakable: bool = True


class Copy(msgspec.Struct, frozen=True, kw_only=True, tag="copy"):
    """A folder or file copied to `destination` below the private folder, owned by its user."""

    source: str
    destination: str


class File(msgspec.Struct, frozen=True, kw_only=True, tag="file"):
    """A file written to `path` below the private folder, readable by its user only."""

    path: str
    text: str


class Project(msgspec.Struct, frozen=True, kw_only=True, tag="project"):
    """A project of docker compose, brought up as a whole; its name is of this run alone."""

    name: str
    file: str
    env: dict[str, str] = {}  # for the variables in the file
    cwd: str
    up_deadline_ns: int = 300_000_000_000  # images are fetched and built in this time
    down_deadline_ns: int = 40_000_000_000
    command_deadline_ns: int = 30_000_000_000  # of every other command of docker
    stop_s: int = 10  # that its containers get to end in


class Service(msgspec.Struct, frozen=True, kw_only=True, tag="service"):
    """A service of the project before it; without `ready` it counts as up while it runs."""

    name: str
    ready: Readiness | None = None
    deadline_ns: int = 60_000_000_000
    stop_deadline_ns: int = 10_000_000_000
    breakable: bool = False


Step = Part | Task | Link | Copy | File | Project | Service


def project_name(run_id: str) -> str:
    """Return the name that the compose project of a run has, in the letters that docker takes."""
    return "stormproof-" + re.sub("[^a-z0-9_-]", "-", run_id.lower())


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A part that keeps statistics of itself, and the URL at which they are asked for, by the way
    that no fault breaks and as somebody who may see them all; it holds a password.

    `is_kept`: it, or what it holds, is there after the run, so that a fault's traces could be.
    """

    part: str
    kind: Literal["postgres", "valkey"]
    url: str
    is_kept: bool = False


class StackPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper needs to run a stack: ordered steps and the private folder, which it makes
    before the first step and deletes after the last part has stopped."""

    run_id: str
    run_dir: str
    private_dir: str  # outside the run directory, in the temporary one, named `stormproof-..`
    user: str = ""  # owns the private folder (only when the keeper is root)
    base_url: str
    seed: int = 0  # of what links draw: whom a share hits, jitter, sizes of slices
    cores: list[int] = []  # CPU affinity of the keeper and so of its links; empty: any
    steps: list[Step]
    servers: list[Server] = []
    fixed_ports: list[int] = []  # that were asked for by number: another run may ask for them too
    hidden: list[str] = []  # values that are kept out of everything that is written or told
