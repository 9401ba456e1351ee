"""Read a profile: the JSON file that owns every number and bar of a trial."""

from __future__ import annotations

from pathlib import Path

from stormproof.kernel.canonical import canonical_json, sha256_hex
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import (
    OWN_CHECKER_S_MAX,
    PROFILE_BYTES_MAX,
    RATE_PER_S_MAX,
    REQUESTS_MAX,
    USERS_MAX,
    WORKERS_MAX,
)
from stormproof.kernel.paths import is_file
from stormproof.model.plan import Population, ProfileRef
from stormproof.model.profile import FaultNumbers, FinalReadNumbers, Limits, ProbeNumbers, Profile
from stormproof.planning.connecting import network_of, tls_of
from stormproof.planning.drills import read_blast
from stormproof.planning.fields import Fields, JsonObject, read_object
from stormproof.planning.k6 import as_document, understood
from stormproof.planning.scenarios import read_scenario
from stormproof.planning.sources import read_sources

PORT_HOLDERS = (
    "postgres", "database-link", "cache", "cache-link", "api", "api-link", "dispatcher", "consumer",
)  # fmt: skip
FAULT_TIMES = ("at", "for", "after", "with", "whenReady")  # every other key is a setting


def find_profile(name: str, folders: list[Path]) -> Path:
    """Find a profile by its name in `folders`, or take it as a path.

    Raises:
        BadInput: there is none; the message names those there are.
    """
    if name.endswith(".json") or "/" in name:
        path = Path(name)
        if is_file(path):
            return path
        raise BadInput([Problem(where=name, what="is no file", fix="name a profile or a file")])
    for folder in folders:
        if is_file(folder / f"{name}.json"):
            return folder / f"{name}.json"
    known = sorted({file.stem for folder in folders for file in folder.glob("*.json")})
    fix = f"write load/profiles/{name}.json, or give another --profile; known: {', '.join(known)}"
    raise BadInput([Problem(where=f"profile {name!r}", what="is unknown", fix=fix)])


def read_profile(path: Path) -> tuple[Profile, list[Problem]]:
    """Read a profile with all that is wrong with it; the profile is whole even then.

    Raises:
        BadInput: the file cannot be read at all.
    """
    data = read_bytes(path)
    problems: list[Problem] = []
    document = understood(read_object(data, str(path), problems), str(path), problems)
    if problems and not document:
        raise BadInput(problems)
    ref = ProfileRef(name=path.stem, sha256=sha256_hex(data))
    return _profile(Fields(document, f"{path}:", problems), ref, str(path)), problems


def read_bytes(path: Path) -> bytes:
    """Read a profile's or an environment's file.

    Raises:
        BadInput: it cannot be read, or is too large.
    """
    where = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(PROFILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadInput([Problem(where=where, what=f"cannot be read: {error.strerror}")]) from error
    if len(data) > PROFILE_BYTES_MAX:
        raise BadInput([Problem(where=where, what=f"is over {PROFILE_BYTES_MAX} bytes")])
    return data


def profile_of(document: JsonObject, *, name: str, where: str) -> tuple[Profile, list[Problem]]:
    """Return the profile that a document says, with all that is wrong with it.

    Its digest is that of the document as it is, whatever file it began as.
    """
    problems: list[Problem] = []
    ref = ProfileRef(name=name, sha256=sha256_hex(canonical_json(document)))
    return _profile(Fields(document, f"{where}:", problems), ref, where), problems


def profile_of_k6(options: JsonObject, *, name: str, where: str) -> tuple[Profile, list[Problem]]:
    """Return the profile that k6's options stand for, with all that is wrong with them.

    Its `notes` say what was left out because it changes nothing that is measured.
    """
    document, problems = as_document(options, where)
    profile, found = profile_of(document, name=name, where=where)
    return profile, [*problems, *found]


def _profile(fields: Fields, ref: ProfileRef, where: str) -> Profile:
    scenarios = {name: read_scenario(one) for name, one in fields.inner("scenarios").objects()}
    profile = Profile(
        where=where,
        ref=ref,
        description=fields.text("description", ""),
        seed=fields.whole("seed", default=1, low=0, high=2**63 - 1),
        trial=fields.text("trial", ""),
        workers=fields.whole("workers", default=1, low=1, high=WORKERS_MAX),
        warmup_ns=fields.duration_ns("warmup", default="5s", low="0s", high="1h"),
        duration_ns=fields.duration_ns("duration", default=None, low="1s", high="24h"),
        ready_ns=fields.duration_ns("ready", default="60s", low="1s", high="10m"),
        drain_ns=fields.duration_ns("drain", default="20s", low="1s", high="10m"),
        recovery_ns=fields.duration_ns("recovery", default="10s", low="1s", high="10m"),
        population=_population(fields.inner("population")),
        ports=_ports(fields.inner("ports")),
        scenarios=scenarios,
        faults={name: _fault(one) for name, one in fields.inner("faults").objects()},
        probes={name: _probe(one) for name, one in fields.inner("probes").objects()},
        gate=fields.inner("gate").thresholds(),
        thresholds=fields.inner("thresholds", required=True).thresholds(),
        hypotheses=fields.inner("hypotheses").texts(),
        slos=fields.inner("slos").texts(),
        backlogs=fields.lines("backlogs"),
        blast=read_blast(fields.inner("blast")) if fields.has("blast") else None,
        stops=fields.inner("stop").thresholds(),
        limits=_limits(fields.inner("limits")),
        reference=fields.text("reference", ""),
        tls=tls_of(fields.inner("tls"), Path(where).parent),
        network=network_of(fields.inner("network")),
        sources=read_sources(fields.inner("sources")),
        final_reads={n: _final_read(one) for n, one in fields.inner("finalReads").objects()},
        checker_timeout_ns=fields.duration_ns(
            "checkerTimeout", default="60s", low="1s", high=f"{OWN_CHECKER_S_MAX}s"
        ),
        notes=fields.lines("notes"),
    )
    fields.done()
    return profile


def _limits(fields: Fields) -> Limits:
    """Take what the load must stay below; each is optional."""
    limits = Limits(
        vus=_optional(fields, "vus", USERS_MAX),
        rate=_optional(fields, "rate", RATE_PER_S_MAX),
        requests=_optional(fields, "requests", REQUESTS_MAX),
        duration_ns=fields.duration_ns("duration", default="24h", low="1s", high="24h"),
    )
    fields.done()
    return limits


def _optional(fields: Fields, key: str, high: int) -> int | None:
    return fields.whole(key, default=1, low=1, high=high) if fields.has(key) else None


def _fault(fields: Fields) -> FaultNumbers:
    is_relative = fields.has("after") or fields.has("with")
    if fields.has("after") and fields.has("with"):
        fields.problem("with", "is one way to say when, and `after` another", "keep one of them")
    return FaultNumbers(
        at_ns=fields.duration_ns("at", default="0s" if is_relative else None, low="0s", high="24h"),
        for_ns=fields.duration_ns("for", default="0s", low="0s", high="24h"),
        after=fields.text("after", ""),
        along=fields.text("with", ""),
        ready_within_ns=fields.duration_ns("whenReady", default="0s", low="0s", high="1h"),
        settings={key: one for key, one in fields.value.items() if key not in FAULT_TIMES},
    )


def _probe(fields: Fields) -> ProbeNumbers:
    numbers = ProbeNumbers(
        interval_ns=fields.duration_ns("interval", default="100ms", low="20ms", high="1m"),
        timeout_ns=fields.duration_ns("timeout", default="1s", low="20ms", high="1m"),
    )
    fields.done()
    return numbers


def _final_read(fields: Fields) -> FinalReadNumbers:
    waits = fields.has("wait")
    wait_ns = fields.duration_ns("wait", default="0s", low="0s", high="10m")
    numbers = FinalReadNumbers(
        wait_ns=wait_ns if waits else None,
        timeout_ns=fields.duration_ns("timeout", default="30s", low="1s", high="10m"),
    )
    fields.done()
    return numbers


def _population(fields: Fields) -> Population:
    population = Population(
        users=fields.whole("users", default=100, low=1, high=100_000),
        channels=fields.whole("channels", default=10, low=1, high=100_000),
        posts=fields.whole("posts", default=1_000, low=0, high=1_000_000),
    )
    fields.done()
    return population


def _ports(fields: Fields) -> dict[str, int]:
    """Take the fixed ports of parts; one of 0 is as good as absent: any free port."""
    ports = {part: fields.whole(part, default=0, low=0, high=65_535) for part in PORT_HOLDERS}
    fields.done()
    return {part: port for part, port in ports.items() if port}
