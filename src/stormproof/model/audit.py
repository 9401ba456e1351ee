"""Entries of the audit log: what was broken or loaded, by whom, where, why and when; data only."""

from __future__ import annotations

from typing import Final

import msgspec

from stormproof.model.event import FaultStep

RUN_BEGAN: Final = "run-began"
RUN_ENDED: Final = "run-ended"
# The steps of a fault that are entered, under the name "fault-" and the step's own.
AUDITED_STEPS: Final = (
    FaultStep.INTENT,
    FaultStep.INJECTED,
    FaultStep.UNDONE,
    FaultStep.RESIDUE,
    FaultStep.FAILED,
)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the log. No secrets: names, places, and the words that the user gave."""

    at: str  # UTC, ISO 8601 with milliseconds
    what: str
    who: str  # the user of the operating system, and the host
    run: str
    run_dir: str = ""
    target: str = ""  # the stack, or the base URL
    why: str = ""
    fault: str = ""
    kind: str = ""
    part: str = ""
    detail: str = ""


class AuditOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the entries of a run go, and what stands in all of them."""

    path: str
    who: str
    target: str
    why: str
