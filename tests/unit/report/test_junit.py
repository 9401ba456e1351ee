"""JUnit XML for CI systems: valid always, and red exactly when the verdict is not PASS."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import msgspec
import pytest
from tests.unit.report.hostile import make_hostile
from tests.unit.report.verdicts import PASSED, make_fail, make_inconclusive, make_pass

from stormproof.model.objective import Status
from stormproof.model.verdict import Verdict
from stormproof.report.junit import render_junit

KINDS = [make_pass, make_fail, make_inconclusive]


def parse(verdict: Verdict) -> ET.Element:
    """Render a verdict and read it back."""
    return ET.fromstring(render_junit(verdict))  # noqa: S314 - our own bytes


def outcomes(root: ET.Element, suite: str) -> dict[str, str]:
    """Return case -> outcome of one suite, "passed" where nothing is said."""
    found = root.find(f"testsuite[@name='stormproof {suite}']")
    cases = [] if found is None else found.findall("testcase")
    return {case.get("name", ""): next((child.tag for child in case), "passed") for case in cases}


def test_pass_is_green() -> None:
    """A PASS has neither failures nor errors."""
    root = parse(make_pass())
    assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("0", "0", "0")
    assert root.get("tests") == str(1 + len(PASSED))


def test_fail_is_failure() -> None:
    """A breached objective and a finding are failures, met objectives pass."""
    root = parse(make_fail())
    objectives = outcomes(root, "objectives")
    assert list(objectives.values()).count("failure") == 3
    assert list(objectives.values()).count("passed") == len(PASSED) - 3
    assert set(outcomes(root, "findings").values()) == {"failure"}
    assert outcomes(root, "verdict") == {f"verdict of {make_fail().run}": "failure"}


def test_inconclusive_is_error() -> None:
    """What is INCONCLUSIVE is an error, what is not judged is skipped, problems are errors."""
    root = parse(make_inconclusive())
    assert list(outcomes(root, "objectives").values()).count("error") == 2
    assert set(outcomes(root, "not judged").values()) == {"skipped"}
    assert set(outcomes(root, "record").values()) == {"error"}
    assert set(outcomes(root, "verdict").values()) == {"error"}


def test_missing_evidence_is_no_failure() -> None:
    """A finding that says evidence is missing is an error and accuses nobody."""
    finding = msgspec.structs.replace(make_fail().findings[0], kind="not-witnessed")
    root = parse(msgspec.structs.replace(make_inconclusive(), findings=[finding]))
    assert set(outcomes(root, "findings").values()) == {"error"}


def test_not_blocking_is_skipped() -> None:
    """A breached objective that does not block leaves the build green."""
    one = msgspec.structs.replace(PASSED[0], status=Status.FAIL, value=400.0, blocking=False)
    root = parse(msgspec.structs.replace(make_pass(), objectives=[one]))
    assert outcomes(root, "objectives") == {one.name: "skipped"}
    assert root.get("failures") == "0"


def test_a_verdict_is_red_by_itself() -> None:
    """A FAIL stays red when no objective or finding says why."""
    root = parse(msgspec.structs.replace(make_fail(), objectives=[], findings=[]))
    assert root.get("failures") == "1"


@pytest.mark.parametrize("make", KINDS)
def test_totals_add_up(make: Callable[[], Verdict]) -> None:
    """The totals of the root are those of its cases."""
    root = parse(make())
    assert int(root.get("tests", "0")) == len(root.findall(".//testcase"))
    for total, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(root.get(total, "0")) == len(root.findall(f".//{tag}"))


def test_a_failure_says_what_and_where() -> None:
    """A failed case carries value, bar, margin and the seconds to look at."""
    root = parse(make_fail())
    failure = root.find("testsuite[@name='stormproof objectives']/testcase/failure")
    assert failure is not None
    assert failure.get("message") == "318 ms, bar < 300 ms"
    assert failure.text is not None
    assert "margin: 6 % above" in failure.text
    assert "where: 0:10 to 1:02" in failure.text


def test_hostile_text_stays_valid() -> None:
    """Markup and characters that XML forbids neither break the file nor get lost in silence."""
    verdict, _ = make_hostile()
    root = parse(verdict)
    finding = next(iter(outcomes(root, "findings")))
    assert "</script>" in finding
    assert "\\x1b[31m" in finding
