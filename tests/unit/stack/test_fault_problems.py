"""Planned faults against the stack they are to happen on."""

from __future__ import annotations

from stormproof.model.part import Link, Part, Readiness, StackPlan
from stormproof.model.plan import PlannedFault
from stormproof.stack.kept import fault_problems

READY = Readiness(kind="tcp", port=1)
STACK = StackPlan(
    run_id="run",
    run_dir="/run",
    private_dir="/private",
    base_url="",
    steps=[
        Part(name="database", argv=[], cwd="/", ready=READY),
        Part(name="cache", argv=[], cwd="/", ready=READY, breakable=True),
        Link(name="wire", listen_port=1, upstream_port=2),
        Link(name="fixed", listen_port=3, upstream_port=4, breakable=False),
    ],
)


def cut(part: str) -> PlannedFault:
    return PlannedFault(name="one", kind="link-partition", part=part, at_ns=0, for_ns=1)


def restart(part: str) -> PlannedFault:
    return PlannedFault(name="two", kind="process-restart", part=part, at_ns=0)


def test_faults_on_what_may_be_broken_are_fine() -> None:
    """A cut of a link and a restart of a part that are breakable have no problems."""
    assert fault_problems(STACK, [cut("wire"), restart("cache")]) == []


def test_every_fault_that_cannot_happen_is_named_at_once() -> None:
    """Unknown, unbreakable and wrong kinds of parts are all named, with what would be right."""
    wrong = [cut("cache"), cut("fixed"), restart("wire"), restart("database"), restart("nothing")]
    problems = [str(problem) for problem in fault_problems(STACK, wrong)]
    assert problems == [
        "fault one: cache is no link of the stack that may be broken (name one of: wire)",
        "fault one: fixed is no link of the stack that may be broken (name one of: wire)",
        "fault two: wire is no part of the stack that may be broken (name one of: cache)",
        "fault two: database is no part of the stack that may be broken (name one of: cache)",
        "fault two: nothing is no part of the stack that may be broken (name one of: cache)",
    ]
