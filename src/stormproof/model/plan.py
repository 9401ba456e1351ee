"""The plan: frozen data that says everything a run will do; it has a digest."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from stormproof.kernel.canonical import canonical_json, sha256_hex
from stormproof.model.fault import SettingValue, may_share
from stormproof.model.metric import CustomMetric
from stormproof.model.objective import Objective
from stormproof.model.own_stack import OwnStack

Executor = Literal[
    "constant-arrival-rate",
    "ramping-arrival-rate",
    "constant-vus",
    "ramping-vus",
    "per-vu-iterations",
    "shared-iterations",
]
OPEN_EXECUTORS: Final = ("constant-arrival-rate", "ramping-arrival-rate")
BY_ITERATIONS: Final = ("per-vu-iterations", "shared-iterations")  # over when they are done
Arrivals = Literal["even", "poisson"]
StackKind = Literal["embedded", "processes", "compose", "none"]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Name user code: a function of a file that is copied into the record."""

    file: str  # below the record's `journeys/`
    function: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.file}:{self.function}"


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Go in a straight line, over `duration_ns`, to `target`; a stage of no length jumps there.

    The target is a number of users (`ramping-vus`), or of iterations a time unit.
    """

    duration_ns: int
    target: float


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A journey under an executor; names, meaning and defaults are k6's.

    `constant-arrival-rate` starts `rate` iterations per `time_unit_ns` on `vus` users prepared
    beforehand, up to `max_vus`; `ramping-arrival-rate` goes from `start_rate` through `stages`.
    Both start them evenly, or at random with that rate (`arrivals`). `constant-vus` keeps `vus`
    users in a closed loop, `ramping-vus` goes from `start_vus` through `stages`;
    `per-vu-iterations` has each user do `iterations`, `shared-iterations` all of them together.

    `duration_ns` is all stages together for the ramping ones, and the longest that those with a
    number of iterations may take: what is left by then is dropped. Where users are not started by
    a schedule, `max_vus` is how far they may be scaled while the run goes on.
    """

    name: str
    journey: Source
    executor: Executor
    duration_ns: int
    vus: int  # prepared before the load
    max_vus: int
    rate: float = 0.0
    time_unit_ns: int = 1_000_000_000
    start_ns: int = 0
    graceful_stop_ns: int = 30_000_000_000
    stages: tuple[Stage, ...] = ()
    start_rate: float = 0.0
    start_vus: int = 1
    iterations: int = 1
    graceful_ramp_down_ns: int = 30_000_000_000
    arrivals: Arrivals = "even"
    tags: dict[str, str] = {}
    env: dict[str, str] = {}

    @property
    def is_open_model(self) -> bool:
        """Whether a schedule says when iterations begin."""
        return self.executor in OPEN_EXECUTORS

    @property
    def peak_rate_per_s(self) -> float:
        """The most iterations that a schedule ever starts a second; 0 in a closed loop."""
        if not self.is_open_model:
            return 0.0
        peak = max([self.rate, self.start_rate, *(stage.target for stage in self.stages)])
        return peak * 1_000_000_000 / self.time_unit_ns


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How an https target is trusted, and who we are to it; files are PEM, by absolute path.

    They are read where they lie and never copied into the record.
    """

    insecure: bool = False  # whoever answers is believed
    ca: str = ""  # authorities to trust instead of the system's
    certificate: str = ""  # our own chain, where the target asks for one
    key: str = ""
    server_name: str = ""  # to ask for and to find in the certificate; empty: the target's host


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """How the target is reached."""

    hosts: dict[str, str] = {}  # name -> IP address, instead of looking it up
    proxy: str = ""  # `http://host:port` that all requests go through


class OwnChecker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A checker that the journeys' file declares, what it measures, and how long it may take.

    Of a plan from before there was a choice that is five minutes.
    """

    source: Source
    metrics: tuple[CustomMetric, ...]
    timeout_ns: int = 300_000_000_000


class FeedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that journeys take rows from; below the record's `journeys/`, or else at `place`."""

    file: str
    sha256: str
    rows: int
    place: str = ""  # of a private one, which is not copied into the record


class PlannedFault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fault on the timeline; `at_ns` counts from the start of the load.

    `settings` are those of its kind (`model.fault.KINDS`), all of them; durations in nanoseconds.
    One that comes `after` another waits until that one is over, and then `gap_ns`, however late it
    was. With `ready_within_ns` it waits, so long at most, until the target is ready, or is skipped.
    """

    name: str
    kind: str
    part: str  # the link or the part of the stack that it breaks
    at_ns: int
    for_ns: int = 0  # how long it stays; a restart's part is down that long
    settings: dict[str, SettingValue] = {}
    after: str = ""  # another fault
    gap_ns: int = 0  # from the end of that one
    ready_within_ns: int = 0  # 0: it does not ask whether the target is ready

    @property
    def end_ns(self) -> int:
        """When it is over at the latest, if everything before it goes as planned."""
        return self.at_ns + self.ready_within_ns + self.for_ns


def may_be_together(one: PlannedFault, other: PlannedFault) -> bool:
    """Return whether two faults may be in force at once: on different things, or composing."""
    return one.part != other.part or may_share(one.kind, other.kind)


class NamedObjective(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold all the while (a hypothesis), or what a service level allows."""

    name: str
    objective: Objective


class Blast(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a drill may reach: whom its faults may hurt, and at most what share of them."""

    scenarios: tuple[str, ...] = ()  # whose operations may fail; none named: all
    parts: tuple[str, ...] = ()  # that faults may break; none named: all
    requests: float | None = None
    users: float | None = None
    tenants: float | None = None
    outside: float = 0.0  # of the operations of the scenarios that are not named


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """How a probe gets its bearer token: a JSON body posted to `path`, `token` of the answer."""

    path: str
    body: str
    token: str = "token"  # noqa: S105 - the name of a field


class PlannedProbe(msgspec.Struct, frozen=True, kw_only=True):
    """A question that the controller asks the target again and again; 2xx is ok.

    "ready" asks for readiness; "canary" is an operation that needs what the faults break.
    """

    name: str
    path: str
    method: str = "GET"
    body: str = ""  # JSON
    sign_in: SignIn | None = None
    interval_ns: int
    timeout_ns: int


class PlannedSource(msgspec.Struct, frozen=True, kw_only=True):
    """Figures that somebody else keeps, read again and again; `name` is what objectives say.

    A target that serves none at `path` is no error: only an objective on them is then undecided.
    """

    name: str
    path: str = ""  # where the target serves them
    interval_ns: int
    timeout_ns: int
    url_from: str = ""  # the environment variable with a server's URL, where the stack is not ours
    streams: tuple[str, ...] = ()  # of Valkey, that are looked at


class PlannedRead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A look at what a server of the target holds, before the load and when all is over.

    It gives rows: those of a `statement` (PostgreSQL), the values of a `field` of a `stream`'s
    entries, the pending entries of a `group` of it, or the `keys` of a pattern (Valkey). They are
    held against what journeys told of the ledger's key `of`, against the rows of the read
    `same_as`, or there must be none (`empty`) but those that were there before, or none of what
    journeys removed from the ledger's key `without`.
    """

    name: str
    statement: str = ""
    stream: str = ""
    field: str = ""
    group: str = ""
    keys: str = ""
    numbers: bool = False  # texts that are whole numbers are told as such
    of: str = ""
    same_as: str = ""
    empty: bool = False
    without: str = ""
    wait_ns: int = 0  # before it is read; of one that must be empty: that it may take to be
    timeout_ns: int = 30_000_000_000

    @property
    def source(self) -> str:
        """The kind of server that is asked."""
        return "postgres" if self.statement else "valkey"


class NotJudged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An objective whose evidence cannot exist at this scale, decided before the run."""

    objective: str
    why: str
    exact: bool = False  # it is the trial's own: no profile judges without it


class ProfileRef(msgspec.Struct, frozen=True, kw_only=True):
    """The profile that gave the numbers."""

    name: str
    sha256: str


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """Synthetic data that the stack is seeded with."""

    users: int
    channels: int
    posts: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run will do. Times on the timeline count from the start of the load."""

    format: int = 1
    trial: str
    title: str
    profile: ProfileRef
    scope: Literal["full", "reduced"]
    scale: float
    seed: int
    stack: StackKind
    target: str = ""  # base URL when `stack` is "none"
    ws_target: str = ""  # of WebSockets, where they are served elsewhere
    tls: TlsSettings = TlsSettings()
    network: Network = Network()
    ports: dict[str, int] = {}  # part -> port; absent: a free one
    own_stack: OwnStack | None = None  # where `stack` is "processes" or "compose"
    population: Population
    workers: int
    warmup_ns: int
    duration_ns: int  # from the start of the load to the start of the drain
    ready_deadline_ns: int  # for the target to become ready
    drain_deadline_ns: int
    recovery_bar_ns: int  # a recovery window never lasts longer than this
    headers: tuple[str, ...] = ()  # names of those that every request carries; no values
    rate_cap_per_s: float | None = None  # above which no order lifts all schedules together
    scenarios: tuple[Scenario, ...]
    modules: dict[str, str] = {}  # what the journeys import beside them: file -> SHA-256
    setup: Source | None = None  # once in the run, before users are prepared
    teardown: Source | None = None  # once in the run, at its end
    feeds: tuple[FeedFile, ...] = ()
    secrets: tuple[str, ...] = ()  # their names
    tags: tuple[str, ...] = ()  # keys that journeys set, beside those of the scenarios
    faults: tuple[PlannedFault, ...]
    probes: tuple[PlannedProbe, ...]
    sources: tuple[PlannedSource, ...] = ()
    final_reads: tuple[PlannedRead, ...] = ()
    checkers: tuple[str, ...]
    gate: tuple[Objective, ...]  # the steady state, asked once after the warm-up
    objectives: tuple[Objective, ...]
    hypotheses: tuple[NamedObjective, ...] = ()
    slos: tuple[NamedObjective, ...] = ()
    backlogs: tuple[str, ...] = ()  # gauges of sources that a recovery has to drain
    blast: Blast | None = None  # None: none was declared
    stops: tuple[Objective, ...] = ()  # once one is broken, all faults are undone
    not_judged: tuple[NotJudged, ...] = ()
    notes: tuple[str, ...] = ()  # what was left out of what its profile was made of
    metrics: tuple[CustomMetric, ...] = ()  # that the journeys' files declare
    own_checkers: tuple[OwnChecker, ...] = ()  # that they declare as well

    def digest(self) -> str:
        """Return the SHA-256 of the plan's canonical bytes."""
        return sha256_hex(canonical_json(self))
