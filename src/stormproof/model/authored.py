"""What a journey file declares at its top, as data for the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stormproof.model.metric import CustomMetric
from stormproof.model.plan import FeedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Authored:
    """What a journey file asks of a run beside its journeys.

    Args:
        setup: the name of the function that runs once before users are prepared; empty: none.
        teardown: the name of the function that runs once at the end; empty: none.
        secrets: names of secrets, never values.
        tags: keys of tags that its journeys set.
        metrics: its own, by name.
        checkers: function -> the metrics that it measures.
        feeds: the files that its journeys take rows from.
        files: what of them travels in the record, by its path below the journey file's folder.
    """

    setup: str = ""
    teardown: str = ""
    secrets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    metrics: tuple[CustomMetric, ...] = ()
    checkers: Mapping[str, tuple[CustomMetric, ...]] = field(default_factory=dict)
    feeds: tuple[FeedFile, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
