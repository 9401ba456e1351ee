"""Tell the story of a finding or an objective from the record.

What a reader can name: a finding's kind, a checker of the trial's file, the key of a message, a key
of the history, or an objective by its name or any part that only one has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import numpy as np

from stormproof.checks.completeness import completeness_of
from stormproof.checks.element_life import element_named, tell_element, without_told
from stormproof.checks.history import History, has_history
from stormproof.checks.history_life import keys_of, named_key, operations_near, tell_key
from stormproof.checks.message_life import life_of, tell_life
from stormproof.checks.objective_story import tell_objective
from stormproof.checks.operation_order import odd_operations
from stormproof.checks.own_checkers import checker_of
from stormproof.checks.record_history import history_of
from stormproof.checks.surroundings import (
    around_ns,
    final_reads_told,
    in_order,
    surroundings,
)
from stormproof.checks.tally import Tally, tally_deliveries
from stormproof.checks.wording import counted
from stormproof.kernel.limits import (
    EXPLAINED_ALL_MAX,
    EXPLAINED_MOMENTS_MAX,
    EXPLAINED_OPERATIONS_MAX,
    EXPLAINED_WITNESSES_MAX,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.finding import OWN_BREACH, Finding, Witness
from stormproof.model.history import FIRST_KIND
from stormproof.model.record import Record
from stormproof.model.story import Moment, Story
from stormproof.model.verdict import Judged, Verdict
from stormproof.rules.finding_kinds import OF_HISTORY
from stormproof.rules.windows import Windows, windows_of

_HEX = re.compile(r"[0-9a-fA-F]{1,16}")
AROUND_S = 5.0  # of a witness that is no message
EVER_NS = 2**62  # more than any run lasts
BESIDE_MAX = 6  # operations on the key of an element that is told, nearest to it
OF_FINAL_READS = frozenset(
    {"stored-lost", "stored-refused", "stored-surplus", "stored-repeated", "orphaned"}
)
KINDS_OF = {**OF_HISTORY} | {  # of delivery as well
    f"delivery_{kind}": (kind,)
    for kind in (
        "lost",
        "duplicated",
        "foreign",
        "corrupted",
        "unexpected",
        "misnumbered",
        "reordered",
    )
}
HISTORY_KINDS = frozenset(kind for kinds in OF_HISTORY.values() for kind in kinds)


class Unknown(LookupError):
    """Nothing has this name, or several have: `near` holds those that it may mean."""

    def __init__(self, near: list[str]) -> None:
        self.near = near
        super().__init__(", ".join(near))


def names_in(verdict: Verdict) -> list[str]:
    """Return everything that can be explained: kinds of findings, then objectives."""
    kinds = dict.fromkeys(finding.kind for finding in verdict.findings)
    return [*kinds, *(one.name for one in verdict.objectives)]


def explain(
    record: Record, verdict: Verdict, name: str, *, everything: bool = False
) -> list[Story]:
    """Return the stories of what `name` means.

    Args:
        record: everything observed.
        verdict: over it.
        name: what a reader calls it.
        everything: tell every witness that is listed, and every operation, up to 10,000 moments.

    Raises:
        Unknown: nothing has that name, or more than one has.
    """
    windows = windows_of(record)
    findings = [one for one in verdict.findings if _is_called(one, name, record)]
    if findings:
        return [
            story
            for one in findings
            for story in _tell_finding(record, windows, one, everything=everything)
        ]
    keyed = _with_key(verdict, name)
    if keyed is not None:
        finding, witness = keyed
        return [_tell_message(record, windows, finding, witness, _tally(record))]
    judged = next((one for one in verdict.objectives if one.name == name), None)
    if judged is None:
        story = _tell_entry(record, windows, name, everything=everything)
        if story is not None:
            return [story]
        judged = _objective(verdict, name)
    return _tell_answer(record, windows, verdict, judged, everything=everything)


def _is_called(finding: Finding, name: str, record: Record) -> bool:
    return bool(name) and name in (finding.kind, checker_of(finding, record.plan))


def _tell_answer(
    record: Record, windows: Windows, verdict: Verdict, judged: Judged, *, everything: bool
) -> list[Story]:
    """Tell an objective, and then the findings that its metric counts."""
    metric = judged.name.partition(":")[0].partition("{")[0].strip()
    kinds = KINDS_OF.get(metric, ())
    own = {
        one.source.function
        for one in record.plan.own_checkers
        if any(each.name == metric for each in one.metrics)
    }
    stories = [tell_objective(record, windows, verdict, judged)]
    for one in verdict.findings:
        if one.kind in kinds or checker_of(one, record.plan) in own:
            stories += _tell_finding(record, windows, one, everything=everything)
    return stories


def _objective(verdict: Verdict, name: str) -> Judged:
    """Return the only objective that has `name` in its own."""
    partly = [one for one in verdict.objectives if name and name in one.name]
    if len(partly) != 1:
        raise Unknown([one.name for one in partly])
    return partly[0]


def _tell_entry(record: Record, windows: Windows, name: str, *, everything: bool) -> Story | None:
    """Tell the message or the key of the history that is called so, witness of anything or not."""
    if _HEX.fullmatch(name) and _has_message(record, int(name, 16)):
        drained = completeness_of(record).drain is not None
        life = life_of(record, _tally(record), int(name, 16), drained=drained)
        return tell_life(record, windows, life, f"message {int(name, 16):x}")
    if not name or not has_history(record.ledger):
        return None
    history = _history(record)
    key = named_key(history, name)
    if key is None:
        return None
    most = EXPLAINED_ALL_MAX if everything else EXPLAINED_MOMENTS_MAX
    return tell_key(record, windows, history, key, most=most)


def _has_message(record: Record, key: int) -> bool:
    return key > 0 and any(
        bool(((part["key"] == np.uint64(key)) & (part["kind"] < FIRST_KIND)).any())
        for part in record.ledger
    )


def _with_key(verdict: Verdict, key: str) -> tuple[Finding, Witness] | None:
    """Return the witness that names a message's key."""
    return next(
        (
            (finding, witness)
            for finding in verdict.findings
            for witness in finding.witnesses
            if witness.key and witness.key == key.lower()
        ),
        None,
    )


def _tally(record: Record) -> Tally:
    completeness = completeness_of(record)
    return tally_deliveries(
        record.ledger,
        drained=completeness.drain is not None,
        whole=completeness.workers_whole,
    )


def _tell_finding(
    record: Record, windows: Windows, finding: Finding, *, everything: bool
) -> Iterator[Story]:
    """Yield the finding itself, then the lives of its first witnesses, or of all."""
    shown = finding.witnesses[: None if everything else EXPLAINED_WITNESSES_MAX]
    facts = []
    more = len(finding.witnesses) - len(shown)
    if more > 0:
        facts.append(
            f"the first {len(shown)} witnesses are told; others by their keys, or with --all:"
        )
        facts += [
            f"{one.key}: {one.what}" if one.key else one.what
            for one in finding.witnesses[len(shown) :][:10]
        ]
    if not shown:
        facts.append("no entry of the record is named as its witness")
    advice = [finding.advice] if finding.advice else []
    yield Story(
        title=f"{finding.kind}: {finding.title}", facts=facts, advice=[] if shown else advice
    )
    tally = _tally(record) if any(one.key for one in shown) else None
    is_history = bool(shown) and finding.kind in {*HISTORY_KINDS, OWN_BREACH}
    history = _history(record) if is_history else None
    for one in shown:
        if one.key and tally is not None:
            yield _tell_message(record, windows, finding, one, tally)
        else:
            yield _tell_instant(record, windows, finding, one, history, everything=everything)


def _operations(
    history: History, windows: Windows, key: int, at_ns: int, *, margin_ns: int, everything: bool
) -> tuple[list[Moment], int]:
    most = EXPLAINED_ALL_MAX if everything else EXPLAINED_OPERATIONS_MAX
    return operations_near(history, windows, key, at_ns, margin_ns, most)


def _history(record: Record) -> History:
    return history_of(record, completeness_of(record), list(odd_operations(record)))


def _tell_message(
    record: Record, windows: Windows, finding: Finding, witness: Witness, tally: Tally
) -> Story:
    title = f"{finding.kind}: {witness.what}"
    advice = [finding.advice] if finding.advice else []
    drained = completeness_of(record).drain is not None
    life = life_of(record, tally, int(witness.key, 16), drained=drained)
    told = tell_life(record, windows, life, title)
    return msgspec.structs.replace(told, advice=[*told.advice, *advice])


def _tell_instant(
    record: Record,
    windows: Windows,
    finding: Finding,
    witness: Witness,
    history: History | None,
    *,
    everything: bool,
) -> Story:
    """Tell what was around a witness that is no message, and what was done to its keys."""
    title = f"{finding.kind}: {witness.what}"
    advice = [finding.advice] if finding.advice else []
    if not witness.at_ns:
        return Story(title=title, facts=["the record does not say when"], advice=advice)
    from_ns, to_ns = around_ns([witness.at_ns], AROUND_S)
    facts = [f"at {windows.at_s(witness.at_ns):.3f} s; {AROUND_S:.0f} s on both sides are told"]
    # What the operations that a breach cites say together may lie a whole run apart.
    is_own = finding.kind == OWN_BREACH
    margin_ns = EVER_NS if is_own else round(AROUND_S * SECOND_NS)
    of_run = " in the whole run" * is_own
    done, more = list[Moment](), 0
    if history is not None:
        for key in keys_of(history, finding.kind, witness):
            told, left = _operations(
                history, windows, key, witness.at_ns, margin_ns=margin_ns, everything=everything
            )
            every, name = len(told) + left, history.key_text(key)
            element = element_named(history, key, witness)
            if element is not None:
                fact, life = tell_element(history, windows, key, element)
                facts.append(fact)
                told = [*life, *without_told(told, life)]
                told = told if everything else told[: len(life) + BESIDE_MAX]
            facts.append(
                f"of {counted(every, 'operation')} on {name}{of_run}, {len(told)} are told"
            )
            done, more = [*done, *told], more + every - len(told)
    near = surroundings(record, windows, from_ns, to_ns)
    if finding.kind in OF_FINAL_READS:
        near += [one for one in final_reads_told(record, windows) if one not in near]
    moments, left_out = in_order([*done, *near], keep="data")
    return Story(title=title, facts=facts, moments=moments, left_out=left_out + more, advice=advice)
