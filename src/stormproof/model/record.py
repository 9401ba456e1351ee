"""The record as read back: everything observed in one run, ordered and joined, nothing judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from stormproof.model.event import Event, Failure, ProbeSample
from stormproof.model.plan import Plan
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.series import AnyFrame, Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before the run: who, where, with what."""

    run_id: str
    stormproof: str
    python: str
    machine: str
    cores: int
    memory_bytes: int
    kernel: str
    boot_id: str
    started_monotonic_ns: int
    started_wall_ns: int
    plan_sha256: str
    worker_cores: list[int] = []
    stack_cores: list[int] = []
    versions: dict[str, str] = {}
    who: str = ""  # the user of the operating system, and the host
    why: str = ""  # as it was asked for
    settings: dict[str, str] = {}  # taken from environment variables; secrets as ***


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """Written after the run: the digest of all it is judged by, so that a change shows."""

    run_id: str
    how: str
    segments: dict[str, tuple[int, str]]  # file -> (bytes, sha256)
    documents: dict[str, str] = {}  # plan.json and manifest.json -> sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything observed. `ledger` is one numpy structured array (`model.ledger.NUMPY_FIELDS`) a
    segment, in the order written. `problems` names every truncation, gap and mismatch of the
    files; a record with `sealed` False ended without its seal."""

    plan: Plan
    manifest: Manifest
    series: Mapping[int, Mapping[int, Series]]  # worker -> id -> series
    frames: tuple[AnyFrame, ...]  # ordered by (second, worker)
    events: tuple[Event, ...]  # ordered by instant
    probes: tuple[ProbeSample, ...]  # ordered by start
    failures: tuple[Failure, ...]
    ledger: tuple[NDArray[np.void], ...]
    observed: Mapping[int, ObservedSeries] = field(default_factory=dict)  # by id
    readings: tuple[SourceReading, ...] = ()  # ordered by start
    sealed: bool
    problems: tuple[str, ...]
