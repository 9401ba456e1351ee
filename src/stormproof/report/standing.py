"""How verdicts and objectives are put to people, the same in every rendering."""

from __future__ import annotations

from collections.abc import Iterable

from stormproof.model.finding import ACCUSING, Finding
from stormproof.model.objective import Status
from stormproof.model.verdict import Judged

_SEVERITY = {Status.FAIL: 0, Status.INCONCLUSIVE: 1, Status.PASS: 2}


def ordered(objectives: Iterable[Judged]) -> list[Judged]:
    """Return objectives worst first, otherwise in the plan's order."""
    return sorted(objectives, key=lambda judged: _SEVERITY[judged.status])


def finding_status(finding: Finding) -> Status:
    """Return what a finding makes of the verdict: evidence that is missing accuses nobody."""
    return Status.FAIL if finding.kind in ACCUSING else Status.INCONCLUSIVE
