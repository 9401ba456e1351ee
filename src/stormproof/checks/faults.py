"""Did each planned fault bite, was it undone, and is nothing left of it?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from stormproof.checks.completeness import Completeness
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import FaultEvent, FaultStep
from stormproof.model.finding import Finding, Witness
from stormproof.model.plan import PlannedFault
from stormproof.model.record import Record

HELD_SHARE_MIN = 0.9  # of its planned time that a fault has to be in force
EFFECTIVE, UNDONE, RESIDUE = "fault_effective", "fault_undone", "fault_residue"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultStory:
    """What happened to one planned fault: its steps in order."""

    planned: PlannedFault
    steps: tuple[FaultEvent, ...]

    def at(self, *wanted: FaultStep) -> FaultEvent | None:
        """Return the first of the wanted steps, None when none was taken."""
        return next((event for event in self.steps if event.step in wanted), None)

    @property
    def was_injected(self) -> bool:
        """Return whether it was in force."""
        return self.at(FaultStep.INJECTED, FaultStep.WITNESSED) is not None

    @property
    def was_undone(self) -> bool:
        """Return whether it is over; one whose undo failed did not end by an undo, even if what it
        was put on has ended with its keeper since."""
        failed = False
        for event in self.steps:
            failed = failed or event.step is FaultStep.FAILED
            is_over = event.step in (FaultStep.UNDONE, FaultStep.CLEAN)
            if is_over and not (failed and event.after_death):
                return True
        return False

    @property
    def was_searched(self) -> bool:
        """Return whether somebody looked for what it may have left behind."""
        return self.at(FaultStep.CLEAN, FaultStep.RESIDUE) is not None

    def cut_short(self) -> str:
        """Say that it ended long before its time; empty when it did not, or is not over."""
        lapsed = self._lapsed()
        if lapsed is not None:
            return f"{self.planned.name} did not last: {lapsed.detail}"
        injected = self.at(FaultStep.INJECTED)
        undone = self.at(FaultStep.UNDONE, FaultStep.CLEAN)
        if injected is None or undone is None:
            return ""
        held_ns = undone.at_ns - injected.at_ns
        if held_ns >= HELD_SHARE_MIN * self.planned.for_ns:
            return ""
        held, planned = held_ns / SECOND_NS, self.planned.for_ns / SECOND_NS
        return f"{self.planned.name} was in force for {held:.3g} s of its {planned:.3g} s"

    def _lapsed(self) -> FaultEvent | None:
        """Return where somebody found that it had ended by itself; None where nobody did."""
        later = itertools.dropwhile(lambda one: one.step is not FaultStep.WITNESSED, self.steps)
        return next((one for one in later if one.step is FaultStep.NOT_WITNESSED), None)

    def doubt(self) -> tuple[str, str]:
        """Return why its effect proves nothing, and the remedy; empty when it was seen to bite."""
        name = self.planned.name
        skipped = self.at(FaultStep.SKIPPED)
        if skipped is not None:
            return (
                f"{name} was skipped: {skipped.detail}",
                "mend what kept it away",
            )
        if self.at(FaultStep.WITNESSED) is not None:
            short = self.cut_short()
            return (short, "run again: the fault has to last") if short else ("", "")
        if self.at(FaultStep.INTENT, FaultStep.INJECTED) is None:
            return f"{name} was never reached", "let the run go to its end"
        failed = self.at(FaultStep.NOT_WITNESSED, FaultStep.FAILED)
        told = f": {failed.detail}" if failed is not None and failed.detail else ""
        return f"{name} was not seen to bite{told}", "make sure that the load uses what it breaks"


def stories_of(record: Record) -> dict[str, FaultStory]:
    """Return the story of each planned fault, by name, in the plan's order."""
    steps: dict[str, list[FaultEvent]] = {}
    for event in record.events:
        if isinstance(event, FaultEvent):
            steps.setdefault(event.fault, []).append(event)
    return {
        planned.name: FaultStory(planned=planned, steps=tuple(steps.get(planned.name, ())))
        for planned in record.plan.faults
    }


def check_faults(stories: Mapping[str, FaultStory], completeness: Completeness) -> Outcome:
    """Check that each planned fault was witnessed, undone and left nothing behind.

    What it does: reads the steps that the keeper wrote down. Why it matters: a fault that did not
    bite proves nothing, one that stays breaks the next run. What a failure looks like: not-undone
    and residue fail the run; not-witnessed (skipped and never reached included), too-short (less
    than 0.9 of its planned time) and not-searched (for residue) leave it undecided. Limits: a
    record that was cut off cannot say that something was not undone. Source: Chaos Toolkit's and
    Jepsen's issue lists, where faults survive their runner.
    """
    findings: list[Finding] = []
    measured: dict[Key, Measurement] = {}
    for name, story in stories.items():
        findings += _findings_of(story, completeness)
        for metric, measurement in _measure([story], completeness).items():
            measured[metric, name] = measurement
    for metric, measurement in _measure(list(stories.values()), completeness).items():
        measured[metric, ""] = measurement
    return Outcome(findings=findings, measured=measured)


def _findings_of(story: FaultStory, completeness: Completeness) -> list[Finding]:
    name, findings = story.planned.name, []
    left = story.at(FaultStep.RESIDUE)
    if left is not None:
        title = f"{name} left something behind: {left.detail}"
        findings.append(_finding("residue", title, left, "stop the stack and run `heal`"))
    if _stayed(story, completeness):
        last = story.at(FaultStep.FAILED) or story.steps[-1]
        title = f"{name} was not undone: {last.detail or last.step.value}"
        findings.append(_finding("not-undone", title, last, "stop the stack and run `heal`"))
    return [*findings, *_unproven(story, completeness)]


def _unproven(story: FaultStory, completeness: Completeness) -> list[Finding]:
    """Find what keeps a fault from proving anything; a record that was cut off says so itself."""
    last = story.steps[-1] if story.steps else None
    why, remedy = story.doubt()
    if why and (story.was_injected or completeness.is_complete):
        kind = "too-short" if why == story.cut_short() else "not-witnessed"
        return [_finding(kind, why, last, remedy)]
    if story.was_undone and not story.was_searched and completeness.is_complete:
        title = f"nobody looked for what {story.planned.name} left behind"
        return [_finding("not-searched", title, last, "run again")]
    return []


def _finding(kind: str, title: str, event: FaultEvent | None, advice: str) -> Finding:
    witnesses = []
    if event is not None:
        what = f"{event.step.value}: {event.detail}" if event.detail else event.step.value
        witnesses.append(Witness(what=what, at_ns=event.at_ns))
    return Finding(kind=kind, title=title, count=1, witnesses=witnesses, advice=advice)


def _stayed(story: FaultStory, completeness: Completeness) -> bool:
    """Return whether the record proves that an injected fault was not undone."""
    if not story.was_injected or story.was_undone:
        return False
    return completeness.is_complete or story.at(FaultStep.FAILED) is not None


def _measure(stories: list[FaultStory], completeness: Completeness) -> dict[str, Measurement]:
    planned, injected = len(stories), [story for story in stories if story.was_injected]
    doubts = [doubt for story in stories if (doubt := story.doubt())[0]]
    why, remedy = doubts[0] if doubts else ("", "")
    over = sum(story.was_undone for story in injected)
    stayed = sum(_stayed(story, completeness) for story in injected)
    left = sum(story.at(FaultStep.RESIDUE) is not None for story in injected)
    unclear = "the record ends while a fault is in force" if over + stayed < len(injected) else ""
    unclear = unclear or (why if not injected else "")
    passed_over = [story.planned.name for story in injected if not story.was_searched]
    unsearched = f"nobody looked for what {passed_over[0]} left behind" if passed_over else ""
    return {
        EFFECTIVE: Measurement(
            value=(planned - len(doubts)) / planned if planned else None,
            samples=planned,
            why=why,
            remedy=remedy,
        ),
        UNDONE: Measurement(
            value=over / len(injected) if injected else None,
            samples=len(injected),
            why="" if stayed else unclear,
            remedy=remedy or "let the run go to its end",
        ),
        RESIDUE: Measurement(
            value=float(left),
            samples=len(injected),
            why="" if left else unclear or unsearched,
            remedy=remedy or "let the run go to its end",
        ),
    }
