"""The checker of what is stored: what was acknowledged is in the database, or in the stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from stormproof.checks.final_looks import FinalLook
from stormproof.checks.history import Changes, Told
from stormproof.checks.ledger import Words
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.totals import lives_of
from stormproof.checks.word_sets import are_in, common, distinct, without
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function, Step, digest_word
from stormproof.rules.bar import holds
from stormproof.rules.history_metrics import WHAT

CUT: Final = "the record was cut off: what is missing from it may explain what was read"
TO_THE_END: Final = "let the run go to its end"
SAME_WORDS: Final = "have the read give what the journeys tell: `5` and `'5'` are two elements"
NEW_WORDS: Final = "have journeys add elements that no run before has added"
READ_FIRST: Final = "see why it was not read before the load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A final read held against the changes of its key; every field is a set of elements.

    `lost` were acknowledged, and are not in it; `refused` were always refused, `surplus` were
    removed or never added, and both are in it and were not there before; `repeated` are in it more
    than once. `sure` must be in it; of these `shown` say something: they are lost, or are rows that
    there are more of than before the load.
    """

    sure: Words
    shown: int
    lost: Words
    refused: Words
    surplus: Words
    repeated: Words
    matched: int  # rows that anybody added


def hold(look: FinalLook, changes: Changes) -> Held:
    """Hold a read against the adds and removals of its key, which are `changes`."""
    began_ns = look.after.began_ns
    rows, times = np.unique(look.after.rows, return_counts=True)
    new = without(rows, distinct(look.before.rows))
    adds, removes = changes.of(Function.ADD), changes.of(Function.REMOVE)
    added, is_made = adds.value, adds.step != Step.REFUSED
    is_owed = (adds.step == Step.OK) & (adds.ended_ns < began_ns)
    removed = distinct(removes.value[removes.step != Step.REFUSED])
    sure, made = without(distinct(added[is_owed]), removed), distinct(added[is_made])
    refused = without(distinct(added[~is_made]), made)
    lost = without(sure, rows)
    gone = gone_before(changes, began_ns)
    return Held(
        sure=sure,
        shown=len(lost) + len(common(sure, distinct(look.new))),
        lost=lost,
        refused=common(new, refused),
        surplus=without(without(new, without(made, gone)), refused),
        repeated=common(new, rows[times > 1]),
        matched=len(common(rows, distinct(added))),
    )


def gone_before(changes: Changes, at_ns: int) -> Words:
    """Return the elements of a key that were added, and removed for good before an instant."""
    removes = changes.of(Function.REMOVE)
    removed = distinct(removes.value[removes.step != Step.REFUSED])
    lives = lives_of(changes.where(are_in(changes.value, removed)))
    return distinct(lives.value[lives.maybe_to < at_ns])


def changes_of(told: Told, key: str) -> Changes:
    """Return the adds and removals of a key."""
    changes = told.history.changes.of(Function.ADD, Function.REMOVE)
    return changes.where(changes.key == np.uint64(digest_word(key)))


def check_stored(told: Told, looks: Sequence[FinalLook]) -> Outcome:
    """Check that what a server holds when all is over is what the journeys' changes make.

    What it does: takes the rows that a final read gave of a database or a stream, and holds them
    against the adds and removals of the ledger's key that the trial names. Lost: acknowledged,
    never to be removed, and not a row. Refused: every add was refused, a row all the same, and none
    before the load. Surplus: a row that no change explains. Repeated: a row more than once. Why it
    matters: an API may answer from a cache what the database does not hold. What a failure looks
    like: "2 acknowledged elements lost: not stored in messages", each with its instant. Limits:
    all but lost elements are wrong only where an objective says so, for what a set-up stores is
    told to no ledger; a read that failed or gave
    more rows than are kept, and a record that was cut off, leave the run undecided, and so does a
    read none of whose new rows is anything that was added: it is then of something else; elements
    that were there before the load, or may have been since nobody could look, show nothing of
    what is lost: they are no samples, and where there are no others the run is undecided.
    """
    findings: list[Finding] = []
    measured: dict[Key, Measurement] = {}
    for look in looks:
        if look.planned.of:
            found = _check_one(told, look)
            findings += found.findings
            measured |= found.measured
    return Outcome(findings=findings, measured={**measured, **over_all(measured)})


def over_all(measured: dict[Key, Measurement]) -> dict[Key, Measurement]:
    """Return what all reads come to together: an undecided one leaves their sum undecided, unless
    the others have found something."""
    together: dict[Key, Measurement] = {}
    for (metric, _), one in measured.items():
        before = together.get((metric, ""), Measurement(value=0.0, samples=0))
        value = (before.value or 0.0) + (one.value or 0.0)
        why = before.why or one.why
        together[metric, ""] = Measurement(
            value=value if value or not why else None,
            samples=before.samples + one.samples,
            why="" if value else why,
            remedy="" if value else before.remedy or one.remedy,
        )
    return together


def _check_one(told: Told, look: FinalLook) -> Outcome:
    held = hold(look, changes_of(told, look.planned.of))
    why, remedy = _doubt(told, look, held)
    doubt = Measurement(value=None, samples=0, why=why, remedy=remedy)
    first = look.before.why
    unknown = Measurement(
        value=None,
        samples=0,
        why=why
        or f"{look.name} was not read before the load, so what is new is not known: {first}",
        remedy=remedy or READ_FIRST,
    )

    def measure(elements: Words, *, needs_before: bool) -> Measurement:
        if why:
            return doubt
        if needs_before and first and len(elements):
            return unknown
        return Measurement(value=float(len(elements)), samples=max(len(held.sure), len(elements)))

    lost = measure(held.lost, needs_before=False)
    measured = {
        "stored_lost": lost if why else replace(lost, samples=held.shown),
        "stored_refused": measure(held.refused, needs_before=True),
        "stored_surplus": measure(held.surplus, needs_before=True),
        "stored_repeated": measure(held.repeated, needs_before=True),
    }
    if not why and first and not len(held.lost):  # rows of an earlier run may stand for ours
        measured["stored_lost"] = unknown
        why, remedy = unknown.why, unknown.remedy
    elif not why and not held.shown:
        why, remedy = _unshown(look, held), NEW_WORDS
        measured["stored_lost"] = Measurement(value=None, samples=0, why=why, remedy=remedy)
    findings = _findings(told, look, held, measured)
    if why and look.after.is_made and told.history.whole:
        findings.append(Finding(kind="final-unread", title=why, count=1, advice=remedy))
    return Outcome(
        findings=findings,
        measured={(metric, look.name): one for metric, one in measured.items()},
    )


def _unshown(look: FinalLook, held: Held) -> str:
    """Say that what was acknowledged had all been there before, an earlier run's perhaps."""
    sure = counted(len(held.sure), "acknowledged element")
    return f"{sure} of {look.name}, and none that was not there before the load"


def _doubt(told: Told, look: FinalLook, held: Held) -> tuple[str, str]:
    """Return why a read says nothing about the changes, and what to do."""
    name, key = look.name, look.planned.of
    if not look.after.is_made:
        return f"{name} was not read when all was over: {look.after.why}", TO_THE_END
    if not told.history.whole:
        return CUT, TO_THE_END
    if not len(held.sure):
        return f"no add to {key} was acknowledged for good", "check what the journey tells"
    others = len(look.new) + look.after.left_out
    if not held.matched and others:
        rows = f"{counted(others, 'new row')} of {name}"
        return f"none of {rows} is an element that was added to {key}", SAME_WORDS
    return "", ""


def _findings(
    told: Told, look: FinalLook, held: Held, measured: dict[str, Measurement]
) -> list[Finding]:
    """Return what is wrong: what is lost for sure, all else where that is asked."""
    where = f"in {look.name}, read at {told.at(look.after.began_ns)}"
    acknowledged = _acknowledged(told, look)

    def known(element: int) -> str:
        return f", acknowledged at {told.at(acknowledged[element])}, is not {where}"

    plain: dict[str, tuple[Words, str, Callable[[int], str], str]] = {
        "stored_lost": (
            held.lost,
            f"lost: acknowledged, and not stored in {look.name}",
            known,
            "follow an element from its acknowledgement to the statement that stores it",
        ),
        "stored_refused": (
            held.refused,
            f"refused, and stored in {look.name} all the same",
            lambda _: f", refused, is {where}",
            "refuse before anything is stored",
        ),
        "stored_surplus": (
            held.surplus,
            f"stored in {look.name} that no change explains",
            lambda _: f", which no change explains, is {where}",
            "look for what writes beside the API, or answers an error after it has written",
        ),
        "stored_repeated": (
            held.repeated,
            f"more than once in {look.name}",
            lambda _: f" is more than once {where}",
            "store an element once, by a key of its own",
        ),
    }
    findings = []
    for metric, (elements, title, text, advice) in plain.items():
        is_wrong = metric == "stored_lost" or is_asked(told, metric, look.name, len(elements))
        if not len(elements) or measured[metric].why or not is_wrong:
            continue
        witnesses = [
            Witness(
                what=f"{told.history.value_text(one)} of {look.planned.of}{text(one)}",
                at_ns=acknowledged.get(one, look.after.began_ns),
            )
            for one in elements[:FINDINGS_LISTED_MAX].tolist()
        ]
        findings.append(
            Finding(
                kind=metric.replace("_", "-"),
                title=f"{counted(len(elements), 'element')} {title}",
                count=len(elements),
                witnesses=witnesses,
                advice=advice,
            )
        )
    return findings


def _acknowledged(told: Told, look: FinalLook) -> dict[int, int]:
    """Return when the first add of each acknowledged element of a read's key had ended."""
    adds = told.history.changes.of(Function.ADD)
    word = np.uint64(digest_word(look.planned.of))
    adds = adds.where((adds.key == word) & (adds.step == Step.OK))
    order = np.argsort(-adds.ended_ns, kind="stable")
    return dict(zip(adds.value[order].tolist(), adds.ended_ns[order].tolist(), strict=True))


def is_asked(told: Told, metric: str, name: str, count: int) -> bool:
    """Return whether an objective on a final read, or on all of them, allows fewer than `count`."""
    return any(
        one.metric == metric
        and one.tags.get(WHAT, name) == name
        and not holds(float(count), one.operator, one.bar)
        for one in told.asked
    )
