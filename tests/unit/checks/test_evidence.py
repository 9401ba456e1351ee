"""Evidence that is known to be missing keeps a run from passing."""

from __future__ import annotations

import numpy as np
import pytest
from tests.builders import at, frames, healthy_record, plan

from stormproof.checks.evidence import TAKES_AWAY, check_evidence
from stormproof.checks.judge import judge
from stormproof.model.event import WarningEvent, WorkerEvent
from stormproof.model.ledger import EntryKind
from stormproof.model.objective import Status
from stormproof.rules.grammar import objective


@pytest.mark.parametrize("code", sorted(TAKES_AWAY))
def test_a_warning_that_takes_evidence_away_keeps_from_passing(code: str) -> None:
    """A worker's word that its own work was incomplete makes a healthy run INCONCLUSIVE."""
    healthy = healthy_record()
    told = WarningEvent(at_ns=at(3), code=code, text="what happened")
    record = healthy_record(events=(*healthy.events, told))
    assert judge(healthy, version="t").verdict is Status.PASS
    verdict = judge(record, version="t")
    assert verdict.verdict is Status.INCONCLUSIVE
    assert [one.kind for one in verdict.findings] == [code]


def test_another_warning_is_no_finding() -> None:
    """A warning about names or tags says nothing against the evidence."""
    told = WarningEvent(at_ns=at(3), code="names-folded", text="x")
    record = healthy_record(events=(*healthy_record().events, told))
    assert judge(record, version="t").verdict is Status.PASS


def test_a_sender_who_never_joined_is_named() -> None:
    """Without its JOINED entries a member is owed nothing that anybody could check; it is told."""
    healthy = healthy_record()
    kinds = [segment["kind"] for segment in healthy.ledger]
    silent = int(
        next(
            s["user"][k == EntryKind.INVOKE][0] for s, k in zip(healthy.ledger, kinds, strict=True)
        )
    )
    deaf = tuple(
        segment[
            ~(
                (segment["user"] == silent)
                & np.isin(segment["kind"], [EntryKind.JOINED, EntryKind.RECEIVED])
            )
        ]
        for segment in healthy.ledger
    )
    outcome = check_evidence(healthy_record(ledger=deaf))
    assert [one.kind for one in outcome.findings] == ["never-joined"]
    assert f"user {silent} never joined" in outcome.findings[0].witnesses[0].what
    assert check_evidence(healthy).findings == []


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        (range(42), "worker 1 wrote no frame of 42 of 42 s, the first of them 0"),
        (range(40, 42), "worker 1 wrote no frame of 2 of 42 s, the first of them 40"),
    ],
)
def test_a_worker_without_frames_keeps_exact_objectives_from_passing(
    gone: range, told: str
) -> None:
    """What a worker left out may have gone wrong, in the load as in the drain."""
    kept = tuple(one for one in frames() if (one.worker, one.second) not in {(1, s) for s in gone})
    asked = [objective("delivery_lost", "count==0")]
    verdict = judge(healthy_record(plan(gate=()), frames=kept), objectives=asked, version="t")
    assert verdict.verdict is Status.INCONCLUSIVE
    assert [one.title for one in verdict.findings] == [told]


def test_a_worker_that_died_is_not_blamed_twice() -> None:
    """The frames that a dead worker did not write are explained by its death."""
    healthy = healthy_record()
    died = WorkerEvent(at_ns=at(20), worker=1, step="died")
    kept = tuple(one for one in frames() if one.worker == 0 or one.second < 20)
    record = healthy_record(frames=kept, events=(*healthy.events, died))
    assert check_evidence(record).findings == []
