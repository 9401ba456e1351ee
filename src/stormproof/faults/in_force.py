"""The life of each fault in a run: intent, injection, witness, undo, residue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import FaultIntended, FaultUndone
from stormproof.kernel.errors import EnvironmentFailure, FaultLapsed, FaultRefused
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import FaultEvent, FaultStep
from stormproof.model.fault import may_bite_late
from stormproof.model.plan import PlannedFault, may_be_together
from stormproof.seams import Fault, MayLapse

OVERDUE_S = 5.0  # a fault that nobody undoes when its time is over is undone so long after
UNDO_AT_STOP_S = 10.0  # one that hangs must not keep the stack from being stopped, which ends it
LATE_LOOK_EVERY_S = 0.2  # at a fault that is in force and has touched nothing yet
# Of the two seconds in which everything has to be undone and stopped; most ends with the stack
# anyway, but not what was changed in a server that is there after it.
UNDO_AFTER_DEATH_S = 0.3
UNDO_OUTLIVING_S = 1.0
_UNSEEN = "nothing showed that it bites"


class _InForce:
    def __init__(self, planned: PlannedFault, fault: Fault) -> None:
        self.planned = planned
        self.fault = fault
        self.turn = asyncio.Lock()  # one step at a time: an undo waits for its injection
        self.is_undone = False
        self.is_wanted_back = False
        self.witnessing: asyncio.Future[str | None] | None = None
        self.late: asyncio.Task[None] | None = None  # looks on where nothing showed at first
        self.limit: asyncio.TimerHandle | None = None

    def recall(self) -> None:
        """Let nobody look any longer whether it bites: it is to be undone now."""
        self.is_wanted_back = True
        if self.late is not None:
            self.late.cancel()
        elif self.witnessing is not None:
            self.witnessing.cancel()

    async def evidence(self) -> str | None:
        """Return what shows that it bites, None once it is wanted back."""
        if self.is_wanted_back:
            return None
        self.witnessing = asyncio.ensure_future(self.fault.witness())
        try:
            return await self.witnessing
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the keeper ends, and with it what it was told to do
            return None
        finally:
            self.witnessing = None


class FaultsInForce:
    """The faults that a run has planned, and those that are in force now.

    `build` makes a planned fault, or refuses to with FaultRefused.
    """

    def __init__(
        self,
        planned: Sequence[PlannedFault],
        build: Callable[[PlannedFault], Fault],
        chronicle: Chronicle,
    ) -> None:
        self._planned = {fault.name: fault for fault in planned}
        self._build = build
        self._chronicle = chronicle
        self._in_force: dict[str, _InForce] = {}
        self._overdue: set[asyncio.Task[None]] = set()
        self.after_death = False

    async def inject(self, name: str) -> None:
        """Inject a fault: intent on disk, broken, witnessed. One that ends by itself (`for_ns` 0)
        is undone at once.

        Raises:
            FaultRefused: it is not planned, in force already, or cannot be done there.
            EnvironmentFailure: its intent cannot be written, or what it broke cannot be mended.
        """
        one = self._admit(name)
        async with one.turn:
            await self._break(one)
            self._limit(one)
        if one.planned.for_ns == 0:
            await self._mend(one)

    async def undo(self, name: str) -> None:
        """Undo a fault and look for residue; one that is not in force is fine.

        Raises:
            FaultRefused, EnvironmentFailure: what it broke cannot be mended.
        """
        one = self._in_force.get(name)
        if one is not None:
            self._unlimit(one)
            one.recall()
            await self._mend(one)

    async def undo_all(self, *, after_death: bool) -> None:
        """Undo everything in force, as far as it goes; what does not is reported."""
        self.after_death = after_death
        await asyncio.gather(*(self._undo_or_report(name) for name in list(self._in_force)))

    async def _undo_or_report(self, name: str) -> None:
        try:
            async with asyncio.timeout(self._patience_s(name)):
                await self.undo(name)
        except (FaultRefused, EnvironmentFailure) as error:
            self._chronicle.report(f"{name} was not undone before the stack was stopped: {error}")
        except TimeoutError:
            what = "undone" if name in self._in_force else "searched for residue"
            self._chronicle.report(f"{name} could not be {what} in time; the stack was stopped")

    def _patience_s(self, name: str) -> float:
        if not self.after_death:
            return UNDO_AT_STOP_S
        return UNDO_OUTLIVING_S if name in self._chronicle.outliving else UNDO_AFTER_DEATH_S

    def _limit(self, one: _InForce) -> None:
        """See to it that a fault ends even if the controller hangs, or forgets it."""
        allowed_s = one.planned.for_ns / SECOND_NS + OVERDUE_S
        one.limit = asyncio.get_running_loop().call_later(allowed_s, self._end_overdue, one)

    def _unlimit(self, one: _InForce) -> None:
        if one.limit is not None:
            one.limit.cancel()

    def _end_overdue(self, one: _InForce) -> None:
        name = one.planned.name
        overdue = f"{name} was not undone when its time was over; the keeper does so"
        self._chronicle.report(overdue, code="fault-overdue")  # nothing is left behind by that
        task = asyncio.get_running_loop().create_task(self._undo_or_report(name))
        self._overdue.add(task)
        task.add_done_callback(self._overdue.discard)

    def _admit(self, name: str) -> _InForce:
        """Build a planned fault, unless something speaks against it."""
        planned = self._planned.get(name)
        if planned is None:
            raise FaultRefused(f"no fault {name} is planned")
        try:
            if name in self._in_force:
                raise FaultRefused(f"{name} is in force already")
            for other in self._in_force.values():
                if not may_be_together(planned, other.planned):
                    raise FaultRefused(
                        f"{other.planned.name} is in force on {planned.part}; "
                        f"a {other.planned.kind} and a {planned.kind} do not go together on it"
                    )
            fault = self._build(planned)
        except FaultRefused as refusal:
            self._note(planned, FaultStep.FAILED, str(refusal))
            raise
        one = _InForce(planned, fault)
        self._in_force[name] = one
        return one

    async def _break(self, one: _InForce) -> None:
        planned = one.planned
        line = FaultIntended(fault=planned.name, kind=planned.kind, part=planned.part)
        try:
            self._chronicle.commit(self._event(planned, FaultStep.INTENT), line)
        except EnvironmentFailure as failure:
            del self._in_force[planned.name]
            self._note(planned, FaultStep.FAILED, f"not injected: {failure}")
            raise
        try:
            self._note(planned, FaultStep.INJECTED, await one.fault.inject())
        except FaultRefused as refusal:
            self._note(planned, FaultStep.FAILED, str(refusal))
            self._close(one)
            raise
        await self._look_for_effect(one)

    async def _look_for_effect(self, one: _InForce) -> None:
        try:
            evidence = await one.evidence()
        except FaultRefused as refusal:
            self._note(one.planned, FaultStep.NOT_WITNESSED, f"nobody could look: {refusal}")
            return
        if evidence is not None:
            self._note(one.planned, FaultStep.WITNESSED, evidence)
        elif may_bite_late(one.planned.kind) and not one.is_wanted_back:
            one.late = asyncio.get_running_loop().create_task(self._look_on(one))
        else:
            self._note(one.planned, FaultStep.NOT_WITNESSED, _UNSEEN)

    async def _look_on(self, one: _InForce) -> None:
        """Look until there is evidence."""
        evidence: str | None = None
        try:
            while evidence is None:
                await asyncio.sleep(LATE_LOOK_EVERY_S)
                evidence = await one.evidence()
        except FaultRefused as refusal:
            self._note(one.planned, FaultStep.NOT_WITNESSED, f"nobody could look: {refusal}")
        else:
            self._note(one.planned, FaultStep.WITNESSED, evidence)

    async def _look_no_more(self, one: _InForce) -> None:
        """Let the late look end; one that failed keeps nobody from undoing."""
        if one.late is None:
            return
        await asyncio.wait([one.late])
        if one.late.cancelled():
            self._note(one.planned, FaultStep.NOT_WITNESSED, _UNSEEN)
        elif (error := one.late.exception()) is not None:
            self._chronicle.report(f"whether {one.planned.name} bites was not seen: {error!r}")

    async def _mend(self, one: _InForce) -> None:
        async with one.turn:
            if one.is_undone:
                return
            await self._look_no_more(one)
            await self._look_again(one)
            planned = one.planned
            self._note(planned, FaultStep.UNDOING)
            try:
                self._note(planned, FaultStep.UNDONE, await one.fault.undo())
            except FaultLapsed as lapse:
                self._note(planned, FaultStep.NOT_WITNESSED, str(lapse))
                self._note(planned, FaultStep.UNDONE)
            except (FaultRefused, EnvironmentFailure) as error:
                # The last word on it: a stop later on must not make it look undone.
                self._note(planned, FaultStep.FAILED, str(error))
                self._forget(one)  # but not in the journal: it is still to be undone
                raise
            self._close(one)
            await self._look_for_residue(one)

    async def _look_again(self, one: _InForce) -> None:
        """Note that somebody else has ended a fault; nobody knows since when it broke nothing."""
        if self.after_death or not isinstance(one.fault, MayLapse):
            return
        try:
            lapse = await one.fault.lapse()
        except FaultRefused as refusal:
            lapse = f"nobody could look whether it still bites: {refusal}"
        if lapse is not None:
            self._note(one.planned, FaultStep.NOT_WITNESSED, lapse)

    async def _look_for_residue(self, one: _InForce) -> None:
        """Note what is left; that nobody could look is told by no note at all, and a warning."""
        try:
            left = await one.fault.residue()
        except FaultRefused as refusal:
            name = one.planned.name
            self._chronicle.report(f"nobody could look for what {name} left behind: {refusal}")
            return
        if left is None:
            self._note(one.planned, FaultStep.CLEAN)
        else:
            self._note(one.planned, FaultStep.RESIDUE, left)

    def _forget(self, one: _InForce) -> None:
        one.is_undone = True
        self._unlimit(one)
        self._in_force.pop(one.planned.name, None)

    def _close(self, one: _InForce) -> None:
        self._forget(one)
        self._chronicle.note(None, FaultUndone(fault=one.planned.name))

    def _note(self, planned: PlannedFault, step: FaultStep, detail: str = "") -> None:
        self._chronicle.note(self._event(planned, step, detail))

    def _event(self, planned: PlannedFault, step: FaultStep, detail: str = "") -> FaultEvent:
        return FaultEvent(
            at_ns=time.monotonic_ns(),
            fault=planned.name,
            step=step,
            detail=detail,
            after_death=self.after_death,
        )
