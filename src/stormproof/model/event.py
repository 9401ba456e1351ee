"""Events: what happened once, at an instant; instants are CLOCK_MONOTONIC nanoseconds."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from stormproof.model.control_order import ControlKind, ControlOrder
from stormproof.model.final_read import Moment


class Phase(StrEnum):
    """The story of a run, in order."""

    START_STACK = "start-stack"
    PREPARE = "prepare"
    WARMUP = "warmup"
    LOAD = "load"
    DRAIN = "drain"
    STOP = "stop"
    SEALED = "sealed"


class FaultStep(StrEnum):
    """The life of a fault, in order; INTENT is on disk before anything is done."""

    INTENT = "intent"
    INJECTED = "injected"
    WITNESSED = "witnessed"
    NOT_WITNESSED = "not-witnessed"
    UNDOING = "undoing"
    UNDONE = "undone"
    CLEAN = "clean"
    RESIDUE = "residue"
    FAILED = "failed"
    SKIPPED = "skipped"


class PhaseEvent(msgspec.Struct, frozen=True, kw_only=True, tag="phase"):
    """A phase began. The LOAD phase of the lifecycle begins at `origin` + warm-up."""

    at_ns: int
    phase: Phase


class OriginEvent(msgspec.Struct, frozen=True, kw_only=True, tag="origin"):
    """The load starts at `at_ns`; written before it does."""

    at_ns: int


class FaultEvent(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    """A step in the life of a fault. `detail` says what was seen."""

    at_ns: int
    fault: str
    step: FaultStep
    detail: str = ""
    after_death: bool = False  # the keeper did it because the controller died


class PartEvent(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """A part of the stack was started, became ready, ended by itself, or was stopped."""

    at_ns: int
    part: str
    step: str  # "started", "ready", "exited", "stopped"
    pid: int = 0
    detail: str = ""


GATE_ACTIONS: Final = ("proceed", "skip-faults")
BREACH_ACTIONS: Final = ("abort", "undo")
BREACHES_UNSEEN: Final = "abort-off"  # the code of the warning that none is decided on any more
STEP_ACTIONS: Final = ("inject", "skip")


class DecisionEvent(msgspec.Struct, frozen=True, kw_only=True, tag="decision"):
    """A live decision: the rule, the seconds [from_second, to_second) it looked at, what it did.

    "proceed" and "skip-faults" are the gate's; "abort" ended the load because the rule was broken,
    "undo" the faults.
    "inject" and "skip" say whether the target was ready for the fault that `rule` names.

    `judge` computes it again from the same frames, or the same answers of the probe.
    """

    at_ns: int
    rule: str  # the objective's name
    from_second: int
    to_second: int
    status: str
    value: float | None
    bar: float | None = None
    asked_ns: int = 0  # since when an answer of the probe counted; 0: any did
    action: str  # "proceed", "skip-faults", "abort", "undo", "inject", "skip"


class DrainEvent(msgspec.Struct, frozen=True, kw_only=True, tag="drain"):
    """The drain ended: everything acknowledged had arrived, or its deadline passed."""

    at_ns: int
    caught_up: bool
    detail: str = ""


class FinalReadEvent(msgspec.Struct, frozen=True, kw_only=True, tag="final-read"):
    """A server was read, as the plan's final read says; its rows are a read in the ledger.

    With an `error` there are none: what was read in part is not kept.
    """

    at_ns: int  # its end
    name: str
    moment: Moment
    began_ns: int
    rows: int = 0
    left_out: int = 0  # entries of a stream that do not have the field
    error: str = ""


class WorkerEvent(msgspec.Struct, frozen=True, kw_only=True, tag="worker"):
    """A worker became ready, finished, or died."""

    at_ns: int
    worker: int
    step: str  # "ready", "finished", "died"
    detail: str = ""


class ClockEvent(msgspec.Struct, frozen=True, kw_only=True, tag="clock"):
    """The monotonic and the wall clock, read together."""

    at_ns: int
    wall_ns: int


class EndEvent(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """How the run ended: "completed", "stopped" (by a live decision), "interrupted",
    "controller-died", "aborted" (by an error), "healed"."""

    at_ns: int
    how: str
    detail: str = ""


class ControlEvent(msgspec.Struct, frozen=True, kw_only=True, tag="control"):
    """The load was changed while it ran, in every worker from `at_ns` on."""

    at_ns: int
    kind: ControlKind
    scenario: str = ""  # empty: all
    value: float = 0.0

    @property
    def order(self) -> ControlOrder:
        """What was ordered."""
        return ControlOrder(kind=self.kind, scenario=self.scenario, value=self.value)


class WarningEvent(msgspec.Struct, frozen=True, kw_only=True, tag="warning"):
    """Something a reader of the verdict should know; `code` is a stable word."""

    at_ns: int
    code: str
    text: str


Event = (
    PhaseEvent
    | OriginEvent
    | FaultEvent
    | PartEvent
    | DecisionEvent
    | DrainEvent
    | FinalReadEvent
    | WorkerEvent
    | ClockEvent
    | EndEvent
    | ControlEvent
    | WarningEvent
)


class ProbeSample(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One answer of a probe; `status` 0 when there was none, `error` says why."""

    probe: str
    start_ns: int
    end_ns: int
    status: int
    ok: bool
    error: str = ""
    body: str = ""  # kept when the answer changed, at most 1 KiB


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One failed operation, kept whole for the first of a kind."""

    worker: int
    user: int
    series: int
    kind: str  # family and detail: "http 503", "connect refused", "timeout"
    intended_ns: int
    start_ns: int
    end_ns: int
    status: int = 0
    body: str = ""
