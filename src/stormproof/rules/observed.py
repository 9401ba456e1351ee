"""Which series of a source an objective means, and why none fits.

A status is a number, `503`, or a class of them, `5xx`, under any of the usual tags; a word is none.
A summary's quantiles are gauges that no mean is made of: they are left out unless asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from stormproof.model.objective import Objective
from stormproof.model.observed import STREAM_LAG, STREAM_LAG_UNKNOWN, UNREAD, ObservedKind
from stormproof.model.reading import ObservedSeries
from stormproof.rules.catalog import REQUESTS_FAILED
from stormproof.rules.figures import Figures
from stormproof.rules.questions import suggestion

REQUESTS: Final = "requests_total"
STATUS_TAGS: Final = ("status", "code", "status_code")
BOUND: Final = "le"
QUANTILE: Final = "quantile"
LAST_BOUND: Final = ("+Inf", "Inf", "inf", "+inf")
PARTS: Final = ("", "_bucket", "_count", "_sum")  # of a family
LOST: Final = "lines_lost_total"  # of a log: what was cut off before it was read
_STATUS: Final = re.compile(r"[1-5](?:[0-9]{2}|[xX]{2})")


def name_of(objective: Objective) -> str:
    """Return the name of the figure that is asked for, without its source."""
    is_share = objective.metric == REQUESTS_FAILED
    return REQUESTS if is_share else objective.metric.partition(":")[2]


def family_of(name: str) -> set[str]:
    """Return the names of all figures that are written down together under one name."""
    return {name + part for part in PARTS}


def names_for(objective: Objective) -> set[str]:
    """Return the names of all figures whose values an objective may need."""
    return {UNREAD, LOST, *family_of(name_of(objective)), *unknown_of(name_of(objective))}


def unknown_of(name: str) -> set[str]:
    """Return the names of the gauges that say when a figure was not known."""
    return {STREAM_LAG_UNKNOWN} if name == STREAM_LAG else set()


def matching(figures: Figures, name: str, tags: Mapping[str, str], kind: ObservedKind) -> list[int]:
    """Return the series of a name and a kind that carry all of some tags."""
    return [
        key
        for key, one in figures.series.items()
        if one.name == name
        and one.kind is kind
        and not one.is_rest
        and tags.items() <= one.tags.items()
        and (QUANTILE not in one.tags or QUANTILE in tags or kind is not ObservedKind.GAUGE)
    ]


def counters_of(figures: Figures, name: str, tags: Mapping[str, str]) -> list[int]:
    """Return all counters of a family, whatever they are tagged with but for the part of a stack:
    they began together."""
    part = {key: value for key, value in tags.items() if key == "part"}
    return [
        key
        for one in sorted(family_of(name))
        for kind in (ObservedKind.COUNTER, ObservedKind.NATIVE)
        for key in matching(figures, one, part, kind)
    ]


def bound_of(series: ObservedSeries) -> float | None:
    """Return the upper bound of a bucket; None for one that has none."""
    text = series.tags.get(BOUND, "")
    try:
        bound = float("inf") if text in LAST_BOUND else float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def status_of(series: ObservedSeries) -> str:
    """Return the status that a series of requests carries; empty where it carries none."""
    said = (series.tags.get(key, "") for key in STATUS_TAGS)
    return next((text for text in said if _STATUS.fullmatch(text)), "")


def others_of_status(figures: Figures, name: str, tags: Mapping[str, str]) -> list[int]:
    """Return the counters that differ from those asked for in their status alone.

    None where one of them has no status of three digits, or where no such status is asked for:
    only beside those that were seen, one that was not is a true zero.
    """
    asked = [key for key in STATUS_TAGS if _is_status(tags.get(key, ""))]
    if len(asked) != 1:
        return []
    rest = {key: value for key, value in tags.items() if key != asked[0]}
    others = matching(figures, name, rest, ObservedKind.COUNTER)
    known = [figures.series[key].tags.get(asked[0], "") for key in others]
    return others if all(_is_status(value) for value in known) else []


def _is_status(value: str) -> bool:
    return _STATUS.fullmatch(value) is not None and value.isdecimal()


def why_unseen(objective: Objective, figures: Figures) -> tuple[str, str]:
    """Say that no series fits, and which was probably meant."""
    name = name_of(objective)
    named = [
        one for one in figures.series.values() if not one.is_rest and one.name in family_of(name)
    ]
    if not named:
        families = {_family(one) for one in figures.series.values() if not one.is_rest}
        return f"{objective.metric} was never seen", suggestion(name, families)
    for key, value in objective.tags.items():
        known = {one.tags[key] for one in named if key in one.tags}
        if not known:
            tags = {tag for one in named for tag in one.tags}
            return f"{name} has no tag {key!r}", suggestion(key, tags)
        if value not in known:
            return f"no series of {name} carries {key} {value!r}", suggestion(value, known)
    return f"{name} cannot be asked for {objective.aggregation}", _right(named)


def _family(series: ObservedSeries) -> str:
    """Return the name that is asked for: a histogram's own, not that of its buckets."""
    return series.name.removesuffix("_bucket") if BOUND in series.tags else series.name


def _right(named: Iterable[ObservedSeries]) -> str:
    """Say what can be asked of series that were seen under a name and with the tags."""
    kinds = {one.kind for one in named}
    if ObservedKind.NATIVE in kinds or any(BOUND in one.tags for one in named):
        return "it is a histogram: use p(N), med, avg, count or rate"
    if any(QUANTILE in one.tags for one in named):
        return "it is a summary: use avg, count or rate, or name one `quantile`"
    if ObservedKind.COUNTER in kinds:
        return "it is a counter: use count or rate"
    return "it is a gauge: use value, min, max or avg"


def tags_text(figures: Figures, ids: Sequence[int]) -> str:
    """Show the tags of the first of some series."""
    tags = figures.series[ids[0]].tags
    return ", ".join(f"{key}:{value}" for key, value in sorted(tags.items()))
