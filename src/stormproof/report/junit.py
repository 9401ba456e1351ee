"""The verdict as JUnit XML, for CI systems: red exactly when the verdict is not PASS.

JUnit knows no "warn": what is INCONCLUSIVE becomes an <error>, what is FAIL a <failure>. An
objective that does not block becomes <skipped> when it is not met, since it may not turn a build
red that the verdict lets pass; so do objectives that are not judged at this scale.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from xml.etree import ElementTree as ET

from stormproof.model.finding import Finding
from stormproof.model.objective import Status
from stormproof.model.verdict import Judged, Verdict
from stormproof.report.margin import margin_text
from stormproof.report.printable import printable
from stormproof.report.standing import finding_status
from stormproof.report.wording import bar_text, value_text, where_text, window_text

Outcome = Literal["failure", "error", "skipped"]
_OUTCOMES: dict[Status, Outcome] = {Status.FAIL: "failure", Status.INCONCLUSIVE: "error"}


def render_junit(verdict: Verdict) -> bytes:
    """Render a verdict as JUnit XML in UTF-8; valid XML whatever the target answered."""
    root = ET.Element("testsuites", name="stormproof")
    suites = (
        ("verdict", [_verdict_case(verdict)]),
        ("objectives", [_objective_case(judged) for judged in verdict.objectives]),
        ("not judged", [_not_judged_case(one.objective, one.why) for one in verdict.not_judged]),
        ("findings", [_finding_case(finding) for finding in verdict.findings]),
        ("record", [_problem_case(problem) for problem in verdict.problems]),
    )
    for name, cases in suites:
        if cases:
            _add_suite(root, name, cases, verdict)
    for total in ("tests", "failures", "errors", "skipped"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _add_suite(root: ET.Element, name: str, cases: Iterable[ET.Element], verdict: Verdict) -> None:
    suite = ET.SubElement(root, "testsuite", name=f"stormproof {name}")
    properties = ET.SubElement(suite, "properties")
    facts = {
        "run": verdict.run,
        "scope": verdict.scope,
        "profile": verdict.profile,
        "seed": str(verdict.seed),
        "plan_sha256": verdict.plan_sha256,
        "stormproof": verdict.stormproof,
    }
    for key, value in facts.items():
        ET.SubElement(properties, "property", name=key, value=printable(value))
    suite.extend(cases)
    outcomes = [child.tag for case in suite.iter("testcase") for child in case]
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(outcomes.count("failure")))
    suite.set("errors", str(outcomes.count("error")))
    suite.set("skipped", str(outcomes.count("skipped")))
    suite.set("time", "0")


def _case(
    suite: str, name: str, outcome: Outcome | None, message: str = "", text: str = ""
) -> ET.Element:
    case = ET.Element("testcase", classname=f"stormproof.{suite}", name=printable(name), time="0")
    if outcome is not None:
        detail = ET.SubElement(case, outcome, message=printable(message))
        if outcome != "skipped":
            detail.set("type", outcome)
        detail.text = printable(text, layout=True)
    return case


def _verdict_case(verdict: Verdict) -> ET.Element:
    outcome = _OUTCOMES.get(verdict.verdict)
    return _case("verdict", f"verdict of {verdict.run}", outcome, verdict.headline_tail)


def _objective_case(judged: Judged) -> ET.Element:
    outcome = _OUTCOMES.get(judged.status)
    message = f"{value_text(judged)}, bar {bar_text(judged)}"
    if outcome is not None and not judged.blocking:
        outcome, message = "skipped", f"{judged.status.value}, not blocking: {message}"
    samples = f"{judged.evidence.samples} of at least {judged.evidence.samples_min} samples"
    lines = [
        judged.why,
        judged.remedy,
        f"margin: {margin_text(judged) or 'none'}",
        f"evidence: {samples}, {judged.evidence.seconds} s {window_text(judged)}",
        f"where: {where_text(judged) or 'nowhere'}",
    ]
    return _case("objectives", judged.name, outcome, message, "\n".join(filter(None, lines)))


def _not_judged_case(objective: str, why: str) -> ET.Element:
    return _case("not-judged", objective, "skipped", f"not judged at this scale: {why}")


def _finding_case(finding: Finding) -> ET.Element:
    witnesses = [f"{one.what} {one.key}".rstrip() for one in finding.witnesses]
    text = "\n".join([f"{finding.count} in all", *witnesses, finding.advice])
    outcome = _OUTCOMES[finding_status(finding)]
    return _case("findings", f"{finding.kind}: {finding.title}", outcome, finding.title, text)


def _problem_case(problem: str) -> ET.Element:
    return _case("record", problem, "error", problem)
