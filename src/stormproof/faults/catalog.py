"""Which fault carries out which kind of planned fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from stormproof.faults.cache_eviction import CacheEviction
from stormproof.faults.cache_flush import CacheFlush
from stormproof.faults.database_exhaustion import DatabaseExhaustion
from stormproof.faults.database_load import DatabaseLoad
from stormproof.faults.database_lock import DatabaseLock
from stormproof.faults.database_statement import DatabaseStatement
from stormproof.faults.databases import Promise
from stormproof.faults.link_bandwidth import LinkBandwidth
from stormproof.faults.link_certificate import LinkCertificate
from stormproof.faults.link_latency import LinkLatency
from stormproof.faults.link_limit import LinkLimit
from stormproof.faults.link_partition import LinkPartition
from stormproof.faults.link_refusal import LinkRefusal
from stormproof.faults.link_reset import LinkReset
from stormproof.faults.link_slice import LinkSlice
from stormproof.faults.link_slow_close import LinkSlowClose
from stormproof.faults.links import TcpLink
from stormproof.faults.links.certificates import MISSING, is_available
from stormproof.faults.process_catalog import PROCESS_FAULTS
from stormproof.faults.running import RunningStack
from stormproof.faults.security_role import SecurityRole
from stormproof.faults.service_faults import service_fault
from stormproof.faults.stream_trim import StreamTrim
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused, SourceSilent
from stormproof.model.fault import KINDS
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault
from stormproof.servers.postgres import asyncpg_library

_ON_LINKS: Final[Mapping[str, Callable[[TcpLink, PlannedFault], Fault]]] = {
    "link-bandwidth": LinkBandwidth,
    "link-certificate": LinkCertificate,
    "link-latency": LinkLatency,
    "link-limit": LinkLimit,
    "link-partition": LinkPartition,
    "link-refusal": LinkRefusal,
    "link-reset": LinkReset,
    "link-slice": LinkSlice,
    "link-slow-close": LinkSlowClose,
}
_ON_SERVERS: Final[Mapping[str, Callable[[Server, PlannedFault], Fault]]] = {
    "cache-flush": CacheFlush,
    "database-exhaustion": DatabaseExhaustion,
    "database-load": DatabaseLoad,
    "database-lock": DatabaseLock,
    "stream-trim": StreamTrim,
}
# What they change stays if we die: they write down first what undoing them puts back.
_LASTING: Final[Mapping[str, Callable[[Server, PlannedFault, Promise], Fault]]] = {
    "cache-eviction": CacheEviction,
    "database-statement": DatabaseStatement,
    "security-role": SecurityRole,
}


def prepare(faults: Sequence[PlannedFault]) -> None:
    """Have at hand what the faults of a run need: imported later, under load, it would stop all
    links for a third of a second.

    Raises:
        EnvironmentFailure: it is not installed.
    """
    for planned in faults:
        if planned.kind == "link-certificate" and not is_available():
            what, _, fix = MISSING.partition(": ")
            raise EnvironmentFailure(f"{planned.name}: {what}", fix)
        if planned.kind in KINDS and KINDS[planned.kind].hits == "postgres":
            try:
                asyncpg_library()
            except SourceSilent as absent:
                what, _, fix = absent.why.partition(": ")
                raise EnvironmentFailure(f"{planned.name}: {what}", fix) from absent


def fault_on(stack: RunningStack, planned: PlannedFault) -> Fault:
    """Build a planned fault on a running stack.

    Raises:
        FaultRefused: the stack has no such link or part, or does not let it be broken.
    """
    if (service := stack.service(planned.part)) is not None:
        return service_fault(service, planned)
    if planned.kind in _ON_LINKS:
        return _ON_LINKS[planned.kind](stack.link(planned.part), planned)
    if planned.kind in _ON_SERVERS:
        return _ON_SERVERS[planned.kind](stack.server(planned.part), planned)
    if planned.kind in _LASTING:
        promise = partial(stack.promise, planned)
        return _LASTING[planned.kind](stack.server(planned.part), planned, promise)
    if planned.kind in PROCESS_FAULTS:
        return PROCESS_FAULTS[planned.kind](stack, planned)
    raise FaultRefused(f"no fault of the kind {planned.kind} is known")
