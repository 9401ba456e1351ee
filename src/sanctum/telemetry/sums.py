"""The metrics of several processes as one: what each tells is added up.

A count never falls: what a process had counted when it was last asked stays in the sum after it
has ended. So every sum that was ever told is at most the next one, however often processes die;
what one counted after it was last asked dies with it, as with every process that is scraped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]
Combine = Callable[[float, float], float]
# What is true of the whole service, or told by each process of the same thing, is not added up.
_NOT_ADDED: dict[str, Combine] = {
    "game_rooms_open": max,
    "process_start_time_seconds": min,
    "storage_circuit_breaker_open": max,
}
# A share is taken of the sums: the counters of all, and those of the good ones. A counter is named
# with the value of its label `result`, where it has one.
_LOGINS, _READS = "auth_logins_total", "storage_cache_reads_total"
_HITS, _MISSES = (f"messaging_participant_cache_{what}_total" for what in ("hits", "misses"))
Counted = tuple[str, str | None]
SHARES: dict[str, tuple[Sequence[Counted], Sequence[Counted]]] = {
    "auth_login_success_rate": ([(_LOGINS, None)], [(_LOGINS, "success")]),
    "storage_cache_hit_ratio": ([(_READS, None)], [(_READS, "hit")]),
    "messaging_participant_cache_hit_ratio": ([(_HITS, None), (_MISSES, None)], [(_HITS, None)]),
}


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """Hold one value of a family."""

    name: str
    labels: Labels
    value: float


class Family(msgspec.Struct, frozen=True, array_like=True):
    """Hold one metric of one process; `kind` as Prometheus names it."""

    name: str
    documentation: str
    kind: str
    samples: tuple[Sample, ...]

    @property
    def counts(self) -> bool:
        """Tell whether its values only ever rise."""
        return self.kind != "gauge"


_decoder = msgspec.msgpack.Decoder(tuple[Family, ...])


def encode_families(registry: CollectorRegistry) -> bytes:
    """Encode what a process measures at this moment."""
    return msgspec.msgpack.encode(
        [
            Family(
                family.name,
                family.documentation,
                family.type,
                tuple(
                    Sample(one.name, tuple(sorted(one.labels.items())), one.value)
                    for one in family.samples
                ),
            )
            for family in registry.collect()
        ]
    )


class Sums(Collector):
    """Add up what processes told last; those that ended keep their counts."""

    def __init__(self) -> None:
        self._living: dict[int, tuple[Family, ...]] = {}
        self._ended: dict[str, Family] = {}

    def note(self, process: int, families: bytes) -> None:
        """Take what a process measures; raises msgspec.DecodeError."""
        self._living[process] = _decoder.decode(families)

    def end(self, process: int) -> None:
        """Keep the counts of a process that has ended, and nothing else of it."""
        counts = (family for family in self._living.pop(process, ()) if family.counts)
        self._ended = _added([*self._ended.values(), *counts])

    def render(self) -> bytes:
        """Render the sums in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterable[Metric]:
        """Give the sums, family by family."""
        told = [family for families in self._living.values() for family in families]
        sums = _added([*self._ended.values(), *told])
        for family in sums.values():
            share = SHARES.get(family.name)
            metric = Metric(family.name, family.documentation, family.kind)
            for sample in family.samples:
                value = sample.value if share is None else _share(sums, *share)
                metric.add_sample(sample.name, dict(sample.labels), value)
            yield metric


def _added(families: Iterable[Family]) -> dict[str, Family]:
    """Add families of the same name up, sample by sample."""
    values: dict[str, dict[Key, float]] = {}
    first: dict[str, Family] = {}
    for family in families:
        first.setdefault(family.name, family)
        own = values.setdefault(family.name, {})
        combine = _NOT_ADDED.get(family.name, float.__add__)
        for sample in family.samples:
            key, value = (sample.name, sample.labels), float(sample.value)
            own[key] = combine(own[key], value) if key in own else value
    return {
        name: msgspec.structs.replace(
            family, samples=tuple(Sample(*key, value) for key, value in values[name].items())
        )
        for name, family in first.items()
    }


def _share(sums: dict[str, Family], every: Sequence[Counted], good: Sequence[Counted]) -> float:
    """Give the good ones among all that counters counted; of nothing there is no share."""
    total = _counted(sums, every)
    return _counted(sums, good) / total if total else math.nan


def _counted(sums: dict[str, Family], counters: Sequence[Counted]) -> float:
    return sum(
        sample.value
        for name, result in counters
        for family in sums.values()
        for sample in family.samples
        if sample.name == name and result in (None, dict(sample.labels).get("result"))
    )
