"""Check what journey files declare as their own metrics; they are Python, so it may be anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from stormproof.kernel.errors import Problem
from stormproof.kernel.limits import METRIC_TAGS_MAX, METRICS_MAX
from stormproof.model.metric import CustomMetric
from stormproof.model.tag import tag_problem
from stormproof.rules.catalog import CATALOG
from stormproof.rules.measure import OVERFLOW

TEXT_CHARACTERS_MAX = 200  # of a unit or a doc
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_TAKEN = frozenset({OVERFLOW, *CATALOG, *(metric.base for metric in CATALOG.values())})


def metric_problems(metrics: Sequence[CustomMetric], where: str) -> list[Problem]:
    """Find what a file declares and cannot be.

    Args:
        metrics: as declared.
        where: names the file in messages.
    """
    problems = [problem for one in metrics for problem in _problems_of(one, where)]
    names = Counter(repr(one.name) for one in metrics)
    problems += [
        Problem(where=f"{where}: metric {name}", what="is declared twice", fix="keep one of them")
        for name, count in names.items()
        if count > 1
    ]
    if len(metrics) > METRICS_MAX:
        what = f"declares {len(metrics)} metrics"
        problems.append(Problem(where=where, what=what, fix=f"<= {METRICS_MAX}"))
    return problems


def _problems_of(metric: CustomMetric, where: str) -> Iterator[Problem]:
    name: object = metric.name  # whatever the file says
    place = f"{where}: metric {name!r}"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        fix = "letters, digits and _, at most 64, a letter first"
        yield Problem(where=place, what="is no name of a metric", fix=fix)
    elif name in _TAKEN:
        fix = f"choose another, such as my_{name}"
        yield Problem(where=place, what="is a metric of stormproof's own", fix=fix)
    yield from _text_problems("unit", metric.unit, place)
    yield from _text_problems("doc", metric.doc, place)
    if len(metric.tags) > METRIC_TAGS_MAX:
        what = f"declares {len(metric.tags)} tags"
        yield Problem(where=place, what=what, fix=f"<= {METRIC_TAGS_MAX}")
    for tag in metric.tags:
        problem = _tag_problem(tag)
        if problem:
            yield Problem(where=place, what=problem)


def _text_problems(word: str, text: object, place: str) -> Iterator[Problem]:
    if not isinstance(text, str) or len(text) > TEXT_CHARACTERS_MAX:
        fix = f"text of at most {TEXT_CHARACTERS_MAX} characters"
        yield Problem(where=place, what=f"has a `{word}` that is no text, or too long", fix=fix)


def _tag_problem(tag: object) -> str:
    return tag_problem(tag) if isinstance(tag, str) else f"{tag!r} is no tag: write text"
