"""Tell the story of a finding or an objective from the record.

What a reader can name: a finding's kind, the key of a message that a witness names, or an
objective by its name or any part that only one has.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from stormproof.checks.completeness import completeness_of
from stormproof.checks.history import History, read_history
from stormproof.checks.history_life import key_of, operations_near
from stormproof.checks.message_life import life_of, tell_life
from stormproof.checks.objective_story import tell_objective
from stormproof.checks.surroundings import around_ns, in_order, surroundings
from stormproof.checks.tally import Tally, tally_deliveries
from stormproof.checks.wording import counted
from stormproof.kernel.limits import EXPLAINED_WITNESSES_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.finding import Finding, Witness
from stormproof.model.record import Record
from stormproof.model.story import Moment, Story
from stormproof.model.verdict import Judged, Verdict
from stormproof.rules.windows import Windows, windows_of

AROUND_S = 5.0  # of a witness that is no message
OF_HISTORY = {  # a metric of the history -> the kinds that it counts, or that leave it undecided
    "set_lost": ("set-lost", "set-unread"),
    "set_stale": ("set-stale",),
    "set_stale_s": ("set-stale",),
    "set_unexpected": ("set-unexpected",),
    "set_repeated": ("set-repeated",),
    "set_refused_seen": ("set-refused-seen",),
    "counter_off": ("counter-off", "counter-unread"),
    "ids_duplicated": ("id-duplicated",),
    "register_nonlinearizable": ("register-nonlinearizable",),
    "reads_not_own_writes": ("read-not-own-write",),
    "reads_not_monotonic": ("read-stepped-back",),
    "reads_stale": ("read-stale",),
    "reads_stale_s": ("read-stale",),
    "isolation_foreign": ("isolation-foreign",),
    "effects_duplicated": ("effect-duplicated",),
    "totals_off": ("total-off", "total-unread"),
    "final_off": ("final-off",),
}
KINDS_OF = OF_HISTORY | {  # of delivery as well
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


def explain(record: Record, verdict: Verdict, name: str) -> list[Story]:
    """Return the stories of what `name` means.

    Raises:
        Unknown: nothing has that name, or more than one has.
    """
    windows = windows_of(record)
    findings = [one for one in verdict.findings if one.kind == name]
    if findings:
        return [story for one in findings for story in _tell_finding(record, windows, one)]
    keyed = _with_key(verdict, name)
    if keyed is not None:
        finding, witness = keyed
        return [_tell_message(record, windows, finding, witness, _tally(record))]
    judged = _objective(verdict, name)
    kinds = KINDS_OF.get(judged.name.partition(":")[0].partition("{")[0].strip(), ())
    stories = [tell_objective(record, windows, verdict, judged)]
    for one in verdict.findings:
        if one.kind in kinds:
            stories += _tell_finding(record, windows, one)
    return stories


def _objective(verdict: Verdict, name: str) -> Judged:
    """Return the objective with a name, or the only one that has `name` in its own."""
    exact = [one for one in verdict.objectives if one.name == name]
    partly = [one for one in verdict.objectives if name and name in one.name]
    found = exact or partly
    if len(found) != 1:
        raise Unknown([one.name for one in partly])
    return found[0]


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


def _tell_finding(record: Record, windows: Windows, finding: Finding) -> Iterator[Story]:
    """Yield the finding itself, then the lives of its first witnesses."""
    shown = finding.witnesses[:EXPLAINED_WITNESSES_MAX]
    facts = []
    more = len(finding.witnesses) - len(shown)
    if more > 0:
        facts.append(f"the first {len(shown)} witnesses are told; others by their keys:")
        facts += [
            f"{one.key or 'no key'}: {one.what}" for one in finding.witnesses[len(shown) :][:10]
        ]
    if not shown:
        facts.append("no entry of the record is named as its witness")
    advice = [finding.advice] if finding.advice else []
    yield Story(
        title=f"{finding.kind}: {finding.title}", facts=facts, advice=[] if shown else advice
    )
    tally = _tally(record) if any(one.key for one in shown) else None
    is_history = bool(shown) and finding.kind in HISTORY_KINDS
    history = _history(record) if is_history else None
    for one in shown:
        if one.key and tally is not None:
            yield _tell_message(record, windows, finding, one, tally)
        else:
            yield _tell_instant(record, windows, finding, one, history)


def _history(record: Record) -> History:
    return read_history(record.ledger, whole=completeness_of(record).workers_whole)


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
    record: Record, windows: Windows, finding: Finding, witness: Witness, history: History | None
) -> Story:
    """Tell what was around a witness that is no message, and what was done to its key."""
    title = f"{finding.kind}: {witness.what}"
    advice = [finding.advice] if finding.advice else []
    if not witness.at_ns:
        return Story(title=title, facts=["the record does not say when"], advice=advice)
    from_ns, to_ns = around_ns([witness.at_ns], AROUND_S)
    facts = [f"at {windows.at_s(witness.at_ns):.3f} s; {AROUND_S:.0f} s on both sides are told"]
    done, more = list[Moment](), 0
    key = None if history is None else key_of(history, finding.kind, witness)
    if history is not None and key is not None:
        margin_ns = round(AROUND_S * SECOND_NS)
        done, more = operations_near(history, windows, key, witness.at_ns, margin_ns)
        name = history.key_text(key)
        facts.append(f"of {counted(len(done) + more, 'operation')} on {name}, {len(done)} are told")
    near = surroundings(record, windows, from_ns, to_ns)
    moments, left_out = in_order([*done, *near], keep="data")
    return Story(title=title, facts=facts, moments=moments, left_out=left_out + more, advice=advice)
