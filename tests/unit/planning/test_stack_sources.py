"""Which sources of figures a plan reads, and how often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stormproof.kernel.units import SECOND_NS
from stormproof.model.observed import SERVING_PARTS, SOURCES
from stormproof.model.plan import StackKind
from stormproof.model.profile import Profile
from stormproof.planning.profiles import read_profile
from stormproof.planning.sources import planned_sources


def read(folder: Path, sources: dict[str, Any]) -> tuple[Profile, str]:
    path = folder / "p.json"
    whole = {"duration": "30s", "thresholds": {"http_reqs": "count>1"}, "sources": sources}
    path.write_text(json.dumps(whole))
    profile, problems = read_profile(path)
    return profile, "\n".join(map(str, problems))


@pytest.mark.parametrize(("stack", "names"), [("embedded", SOURCES), ("none", ("target",))])
def test_what_is_read_depends_on_whose_stack_it_is(
    tmp_path: Path, stack: StackKind, names: tuple[str, ...]
) -> None:
    """Of a stack of our own everything is read, of a target that runs already its own figures."""
    profile, problems = read(tmp_path, {"log": {}})
    assert problems == ""
    planned = planned_sources(profile, stack)
    assert tuple(one.name for one in planned) == names
    assert {one.interval_ns for one in planned} == {5 * SECOND_NS}
    served = sum(name in ("target", *SERVING_PARTS) for name in names)
    assert [one.path for one in planned] == [*["/metrics"] * served, *[""] * (len(names) - served)]


def test_a_profile_says_how_often_each_is_read(tmp_path: Path) -> None:
    """Times that a profile gives are those of its source alone; an empty path asks for nothing."""
    profile, problems = read(tmp_path, {"process": {"interval": "2s"}, "target": {"path": ""}})
    assert problems == ""
    planned = {one.name: one.interval_ns for one in planned_sources(profile, "embedded")}
    assert planned["process"] == 2 * SECOND_NS
    assert planned["log"] == 5 * SECOND_NS
    assert "target" not in planned


@pytest.mark.parametrize(
    ("sources", "problem"),
    [({"proces": {}}, "proces: is no source"), ({"process": {"path": "/x"}}, "path")],
)
def test_what_is_no_source_is_told(tmp_path: Path, sources: dict[str, Any], problem: str) -> None:
    """A name that is no source, and a path where there is none, are problems of the profile."""
    assert problem in read(tmp_path, sources)[1]
