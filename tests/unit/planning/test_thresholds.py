"""Thresholds as they are written: k6's short form and its long one."""

from __future__ import annotations

from typing import Any

import pytest

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Abort
from stormproof.planning.thresholds import read_thresholds

METRIC = "http_req_duration{scenario:feed}"


def _read(*thresholds: Any, exact: bool = False) -> tuple[list[Any], list[str]]:
    read, problems = read_thresholds({METRIC: thresholds}, "p: thresholds", exact=exact)
    return read, [str(one) for one in problems]


def test_both_forms_are_read() -> None:
    """Short and long forms stand side by side, several to a metric."""
    read, problems = _read(
        "p(95)<300",
        {"threshold": "p(99)<1000", "abortOnFail": True, "delayAbortEval": "10s"},
        {"threshold": "max<5000", "abortOnFail": True},
        {"threshold": "avg<200", "abortOnFail": False},
        {"threshold": "med<200"},
    )
    assert problems == []
    assert [one.name.partition(": ")[2] for one in read] == [
        "p(95)<300",
        "p(99)<1000",
        "max<5000",
        "avg<200",
        "med<200",
    ]
    assert [one.abort for one in read] == [
        None,
        Abort(after_ns=10 * SECOND_NS),
        Abort(),
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        ({"abortOnFail": True}, "threshold: is missing"),
        ({"threshold": 5}, "threshold: must be a string"),
        ({"threshold": "p(95)<300", "abortOnFail": "yes"}, "must be true or false"),
        ({"threshold": "p(95)<300", "abortOnfail": True}, "did you mean 'abortOnFail'?"),
        (
            {"threshold": "p(95)<300", "abortOnFail": True, "delayAbortEval": "soon"},
            "is not a duration",
        ),
        ({"threshold": "p(95)<300", "delayAbortEval": "5s"}, "nothing without abortOnFail"),
        ({"threshold": "p95<300", "abortOnFail": True}, "write p(95)"),
    ],
)
def test_a_broken_long_form_says_what_would_be_right(raw: Any, hint: str) -> None:
    """Whatever is wrong with a long form is told with its place and its cure."""
    _, problems = _read(raw)
    assert any(hint in one for one in problems)
    assert all(one.startswith(f"p: thresholds {METRIC!r}") for one in problems)


def test_all_problems_are_told_at_once() -> None:
    """A broken threshold hides neither the next one nor a good one."""
    read, problems = _read({"threshold": "p(95)<"}, "p(95)<300", {"treshold": "max<1"})
    assert [one.name for one in read] == [f"{METRIC}: p(95)<300"]
    assert len(problems) >= 3


def test_an_exact_objective_has_no_long_form() -> None:
    """What one witness fails is told at the end; its trial writes it as text."""
    _, problems = _read({"threshold": "max<1", "abortOnFail": True}, exact=True)
    assert problems == [f"p: thresholds {METRIC!r}: must be text ('p(95)<300')"]
