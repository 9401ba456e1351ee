"""The life of a fault, with faults that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.faults.disk import Disk

from stormproof.faults import in_force
from stormproof.faults.chronicle import Chronicle
from stormproof.faults.in_force import FaultsInForce
from stormproof.faults.journal import Journal, RestoreIntended, leftovers
from stormproof.kernel.errors import EnvironmentFailure, FaultLapsed, FaultRefused, StormproofError
from stormproof.model.event import Event, FaultEvent, FaultStep, WarningEvent
from stormproof.model.fault import FaultShape
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault

CUT = PlannedFault(name="cut", kind="link-partition", part="wire", at_ns=0, for_ns=1)
OTHER = PlannedFault(name="other", kind="link-partition", part="elsewhere", at_ns=0, for_ns=1)
KILL = PlannedFault(name="kill", kind="process-kill", part="server", at_ns=0, for_ns=1)
RESTART = PlannedFault(name="restart", kind="process-restart", part="server", at_ns=0)
OVER = [FaultStep.UNDOING, FaultStep.UNDONE, FaultStep.CLEAN]


class ScriptedFault:
    """A fault whose answers a test chooses; `calls` says what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.evidence: str | None = "it bites"
        self.left: str | None = None
        self.refusal: FaultRefused | None = None
        self.blindness: FaultRefused | None = None  # nobody can look
        self.undo_failure: StormproofError | None = None
        self.hold_witness = asyncio.Event()
        self.hold_witness.set()
        self.hold_residue = asyncio.Event()
        self.hold_residue.set()

    async def inject(self) -> str:
        self.calls.append("inject")
        if self.refusal is not None:
            raise self.refusal
        return "broken"

    async def witness(self) -> str | None:
        self.calls.append("witness")
        await self.hold_witness.wait()
        if self.blindness is not None:
            raise self.blindness
        return self.evidence

    async def undo(self) -> str:
        self.calls.append("undo")
        if self.undo_failure is not None:
            raise self.undo_failure
        return "whole"

    async def residue(self) -> str | None:
        self.calls.append("residue")
        await self.hold_residue.wait()
        if self.blindness is not None:
            raise self.blindness
        return self.left


class Bench:
    """Faults in force over a scripted fault, a record in memory and a journal on disk."""

    def __init__(self, folder: Path) -> None:
        self.disk = Disk()
        self.fault = ScriptedFault()
        self.journal = folder / "undo.jsonl"
        self.told: list[Event] = []
        self.chronicle = Chronicle(self.disk, Journal(self.journal), self.told.append)
        self.build: Callable[[PlannedFault], Fault] = lambda planned: self.fault
        self.faults = FaultsInForce([CUT, OTHER, KILL, RESTART], self._build, self.chronicle)

    def _build(self, planned: PlannedFault) -> Fault:
        return self.build(planned)

    def steps(self, fault: str = "cut") -> list[FaultStep]:
        events = [event for event, _ in self.disk.written if isinstance(event, FaultEvent)]
        return [event.step for event in events if event.fault == fault]

    def intended(self) -> list[str]:
        return list(leftovers(self.journal).faults)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_intent_is_on_disk_before_anything_is_broken(bench: Bench) -> None:
    """When the fault is asked to break something its intent stands in record and journal."""
    seen: list[tuple[list[FaultStep], list[str]]] = []

    class Looking(ScriptedFault):
        async def inject(self) -> str:
            seen.append((bench.steps(), bench.intended()))
            return await super().inject()

    bench.fault = Looking()
    await bench.faults.inject("cut")
    assert seen == [([FaultStep.INTENT], ["cut"])]
    assert dict(bench.disk.written)[bench.disk.written[0][0]] is True


async def test_disk_that_takes_no_intent_keeps_the_fault_from_being_injected(bench: Bench) -> None:
    """With a full disk nothing is broken, and the fault may be tried again later."""
    bench.disk.is_full = True
    with pytest.raises(EnvironmentFailure):
        await bench.faults.inject("cut")
    assert bench.fault.calls == []
    bench.disk.is_full = False
    await bench.faults.inject("cut")
    assert bench.fault.calls == ["inject", "witness"]


async def test_fault_without_evidence_is_not_witnessed(bench: Bench) -> None:
    """A fault that shows no effect stays in force, and is recorded as not witnessed: one whose
    effect may come late when it is undone, any other at once."""
    bench.fault.evidence = None
    await bench.faults.inject("cut")
    assert bench.steps() == [FaultStep.INTENT, FaultStep.INJECTED]
    await bench.faults.undo("cut")
    assert bench.steps()[2:] == [FaultStep.NOT_WITNESSED, *OVER]
    assert bench.fault.calls[-2:] == ["undo", "residue"]
    await bench.faults.inject("kill")
    assert bench.steps("kill")[-1] is FaultStep.NOT_WITNESSED


async def test_an_effect_that_comes_late_is_witnessed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that touches the target only later is witnessed then, once, and undone as ever."""
    monkeypatch.setattr(in_force, "LATE_LOOK_EVERY_S", 0.0)
    bench.fault.evidence = None
    await bench.faults.inject("cut")
    while bench.fault.calls.count("witness") < 3:
        await asyncio.sleep(0)
    assert bench.steps() == [FaultStep.INTENT, FaultStep.INJECTED]
    bench.fault.evidence = "it bites"
    while bench.steps()[-1] is not FaultStep.WITNESSED:
        await asyncio.sleep(0)
    await bench.faults.undo("cut")
    assert bench.steps()[2:] == [FaultStep.WITNESSED, *OVER]


async def test_a_late_look_that_fails_keeps_nobody_from_undoing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the look is told, and the fault is undone."""
    monkeypatch.setattr(in_force, "LATE_LOOK_EVERY_S", 0.0)

    class Failing(ScriptedFault):
        async def witness(self) -> str | None:
            if await super().witness() is None and self.calls.count("witness") > 1:
                raise ValueError("out of order")
            return None

    bench.fault = Failing()
    bench.fault.evidence = None
    await bench.faults.inject("cut")
    while bench.fault.calls.count("witness") < 2:
        await asyncio.sleep(0)
    for _ in range(3):  # until the look has ended by it
        await asyncio.sleep(0)
    await bench.faults.undo("cut")
    assert bench.steps()[-3:] == OVER
    assert "out of order" in bench.chronicle.problems[0]


async def test_residue_is_recorded(bench: Bench) -> None:
    """What is left of a fault after its undo is recorded and ends its life."""
    bench.fault.left = "still holds"
    await bench.faults.inject("cut")
    await bench.faults.undo("cut")
    assert bench.steps()[-2:] == [FaultStep.UNDONE, FaultStep.RESIDUE]
    assert bench.intended() == []


async def test_where_nobody_can_look_nothing_is_called_shown_or_clean(bench: Bench) -> None:
    """A witness that cannot look is no evidence, says why, and the fault is undone in its time; a
    search that cannot look is neither clean nor residue, and is warned of."""
    bench.fault.blindness = FaultRefused("postgres: no answer")
    await bench.faults.inject("cut")
    assert bench.steps()[-1] is FaultStep.NOT_WITNESSED
    told = [one.detail for one in bench.told if isinstance(one, FaultEvent)]
    assert told[-1] == "nobody could look: postgres: no answer"
    await bench.faults.undo("cut")
    assert bench.steps()[-1] is FaultStep.UNDONE
    assert bench.chronicle.problems == [
        "nobody could look for what cut left behind: postgres: no answer"
    ]
    assert bench.intended() == []


async def test_fault_that_had_ended_by_itself_is_undone_and_not_witnessed(bench: Bench) -> None:
    """An undo that finds nothing to undo any more says so, is no failure, and is searched for
    residue."""
    bench.fault.undo_failure = FaultLapsed("the server had ended it")
    await bench.faults.inject("cut")
    await bench.faults.undo("cut")
    last = [FaultStep.UNDOING, FaultStep.NOT_WITNESSED, FaultStep.UNDONE, FaultStep.CLEAN]
    assert bench.steps()[-4:] == last
    told = [one.detail for one in bench.told if isinstance(one, FaultEvent)]
    assert told[-3] == "the server had ended it"
    assert bench.intended() == []


class LapsingFault(ScriptedFault):
    """A scripted fault that sees when somebody else has ended it."""

    ended: str | None = None

    async def lapse(self) -> str | None:
        self.calls.append("lapse")
        if self.blindness is not None:
            raise self.blindness
        return self.ended


@pytest.mark.parametrize("is_blind", [False, True])
async def test_fault_that_others_ended_is_not_witnessed(bench: Bench, is_blind: bool) -> None:
    """It is looked at again before its undo: one that bites no more, or that nobody can look at,
    proves nothing, and is undone all the same."""
    bench.fault = fault = LapsingFault()
    await bench.faults.inject("cut")
    fault.ended = "it goes on"
    fault.blindness = FaultRefused("no way there") if is_blind else None
    await bench.faults.undo("cut")
    assert fault.calls[2:4] == ["lapse", "undo"]
    steps = bench.steps()
    assert steps.index(FaultStep.NOT_WITNESSED) == steps.index(FaultStep.UNDOING) - 1
    assert FaultStep.UNDONE in steps


async def test_fault_that_still_bites_is_not_doubted(bench: Bench) -> None:
    """The second look adds nothing to the record where the fault is still in force."""
    bench.fault = LapsingFault()
    await bench.faults.inject("cut")
    await bench.faults.undo("cut")
    assert FaultStep.NOT_WITNESSED not in bench.steps()


async def test_fault_that_refuses_to_be_injected_has_failed(bench: Bench) -> None:
    """A refusal is recorded as failed, is raised, and leaves nothing in force."""
    bench.fault.refusal = FaultRefused("not running")
    with pytest.raises(FaultRefused, match="not running"):
        await bench.faults.inject("cut")
    assert bench.steps() == [FaultStep.INTENT, FaultStep.FAILED]
    await bench.faults.undo("cut")
    assert bench.fault.calls == ["inject"]
    assert bench.intended() == []


async def test_fault_that_cannot_be_built_is_refused_before_its_intent(bench: Bench) -> None:
    """A fault on what the stack does not let be broken is recorded as failed and nothing else."""

    def refuse(planned: PlannedFault) -> Fault:
        raise FaultRefused("no such link")

    bench.build = refuse
    with pytest.raises(FaultRefused, match="no such link"):
        await bench.faults.inject("cut")
    assert bench.steps() == [FaultStep.FAILED]


async def test_fault_that_ends_by_itself_is_undone_at_once(bench: Bench) -> None:
    """A fault without a duration lives through all its steps in one go."""
    await bench.faults.inject("restart")
    assert bench.fault.calls == ["inject", "witness", "undo", "residue"]
    assert bench.steps("restart")[-1] is FaultStep.CLEAN


async def test_undo_waits_for_the_injection(bench: Bench) -> None:
    """An undo that comes while the fault is still being witnessed follows it, and comes once."""
    bench.fault.hold_witness.clear()
    injecting = asyncio.ensure_future(bench.faults.inject("cut"))
    await asyncio.sleep(0)
    undoing = [asyncio.ensure_future(bench.faults.undo("cut")) for _ in range(2)]
    await asyncio.sleep(0)
    assert bench.fault.calls == ["inject", "witness"]
    bench.fault.hold_witness.set()
    await asyncio.gather(injecting, *undoing)
    assert bench.fault.calls == ["inject", "witness", "undo", "residue"]


async def test_injection_that_was_cut_short_is_undone(bench: Bench) -> None:
    """A fault whose injection was cancelled half-way is among those that are undone at the end."""
    bench.fault.hold_witness.clear()
    injecting = asyncio.ensure_future(bench.faults.inject("cut"))
    await asyncio.sleep(0)
    injecting.cancel()
    await asyncio.gather(injecting, return_exceptions=True)
    await bench.faults.undo_all(after_death=True)
    assert bench.steps()[-3:] == [FaultStep.UNDOING, FaultStep.UNDONE, FaultStep.CLEAN]
    after = [event.after_death for event, _ in bench.disk.written if isinstance(event, FaultEvent)]
    assert after == [False, False, True, True, True]


async def test_faults_on_different_parts_go_together(bench: Bench) -> None:
    """Two faults may be in force at a time when they break different parts."""
    await bench.faults.inject("cut")
    await bench.faults.inject("other")
    await bench.faults.undo_all(after_death=False)
    assert bench.steps("cut")[-1] is FaultStep.CLEAN
    assert bench.steps("other")[-1] is FaultStep.CLEAN


async def test_undo_that_fails_at_the_end_is_reported(bench: Bench) -> None:
    """Undoing all never raises: what could not be undone is told and recorded as failed."""
    bench.fault.undo_failure = EnvironmentFailure("does not come up")
    await bench.faults.inject("cut")
    await bench.faults.undo_all(after_death=False)
    assert bench.steps()[-1] is FaultStep.FAILED
    assert "does not come up" in bench.chronicle.problems[0]


async def test_undo_that_failed_is_still_to_be_undone(bench: Bench) -> None:
    """The journal closes a fault only once it is undone."""
    bench.fault.undo_failure = EnvironmentFailure("does not come up")
    await bench.faults.inject("cut")
    with pytest.raises(EnvironmentFailure):
        await bench.faults.undo("cut")
    assert bench.intended() == ["cut"]


async def test_undo_that_takes_too_long_after_a_death_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the controller's death a slow search for residue does not keep the stack up."""
    monkeypatch.setattr(in_force, "UNDO_AFTER_DEATH_S", 0.01)
    bench.fault.hold_residue.clear()
    await bench.faults.inject("cut")
    await bench.faults.undo_all(after_death=True)
    assert bench.steps()[-1] is FaultStep.UNDONE
    assert "searched for residue" in bench.chronicle.problems[0]


async def test_undo_in_a_server_that_outlives_the_run_is_given_up_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be there after the run has a bound of its own after the controller's death."""
    monkeypatch.setattr(in_force, "UNDO_AFTER_DEATH_S", 1_000)
    monkeypatch.setattr(in_force, "UNDO_OUTLIVING_S", 0.01)
    bench.fault.hold_residue.clear()
    await bench.faults.inject("cut")
    line = RestoreIntended(fault="cut", kind="k", part="wire", values={}, is_kept=True)
    bench.chronicle.commit(None, line)
    await bench.faults.undo_all(after_death=True)
    assert "searched for residue" in bench.chronicle.problems[0]


async def test_faults_that_compose_are_on_one_link_together(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that compose are in force at once; a third that does not is refused."""
    slow = FaultShape(hits="link", composes=True)
    kinds = {"slow": slow, "thin": slow, "link-partition": FaultShape(hits="link")}
    monkeypatch.setattr("stormproof.model.fault.KINDS", kinds)
    planned = [
        PlannedFault(name=kind, kind=kind, part="wire", at_ns=0, for_ns=1)
        for kind in ("slow", "thin", "link-partition")
    ]
    faults = FaultsInForce(planned, lambda one: ScriptedFault(), bench.chronicle)
    await faults.inject("slow")
    await faults.inject("thin")
    with pytest.raises(FaultRefused, match="a slow and a link-partition do not go together"):
        await faults.inject("link-partition")
    await faults.undo_all(after_death=False)
    assert bench.steps("slow")[-1] is bench.steps("thin")[-1] is FaultStep.CLEAN


async def test_an_undo_waits_for_no_witness(bench: Bench) -> None:
    """A fault whose effect is still looked for is undone at once; it was not seen to bite."""
    bench.fault.hold_witness.clear()
    injecting = asyncio.ensure_future(bench.faults.inject("cut"))
    while "witness" not in bench.fault.calls:
        await asyncio.sleep(0)
    await bench.faults.undo("cut")
    await injecting
    assert bench.fault.calls == ["inject", "witness", "undo", "residue"]
    assert FaultStep.NOT_WITNESSED in bench.steps()
    assert bench.steps()[-1] is FaultStep.CLEAN


async def test_fault_that_nobody_undoes_ends_by_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault whose time is over is undone by the keeper, with a warning, even if nobody asks."""
    monkeypatch.setattr(in_force, "OVERDUE_S", 0.0)
    await bench.faults.inject("cut")
    async with asyncio.timeout(10.0):
        while FaultStep.CLEAN not in bench.steps():
            await asyncio.sleep(0)
    assert bench.fault.calls == ["inject", "witness", "undo", "residue"]
    assert bench.intended() == []
    assert bench.chronicle.problems == [
        "cut was not undone when its time was over; the keeper does so"
    ]
    codes = [one.code for one in bench.told if isinstance(one, WarningEvent)]
    assert codes == ["fault-overdue"]  # and not `keeper`: nothing is left behind


async def test_fault_that_is_undone_in_time_is_undone_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper's own limit ends with the fault."""
    monkeypatch.setattr(in_force, "OVERDUE_S", 0.001)
    await bench.faults.inject("cut")
    await bench.faults.undo("cut")
    fired = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, fired.set_result, None)
    await fired
    assert bench.fault.calls == ["inject", "witness", "undo", "residue"]
    assert bench.chronicle.problems == []


async def test_an_undo_that_hangs_keeps_nobody_from_stopping(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the stack is stopped such an undo is given up and reported; the others are done."""
    monkeypatch.setattr(in_force, "UNDO_AT_STOP_S", 0.05)

    class Hanging(ScriptedFault):
        async def undo(self) -> str:
            await asyncio.Event().wait()
            return "never"

    bench.build = lambda planned: Hanging() if planned.name == "cut" else ScriptedFault()
    await bench.faults.inject("cut")
    await bench.faults.inject("other")
    await bench.faults.undo_all(after_death=False)
    assert bench.chronicle.problems == ["cut could not be undone in time; the stack was stopped"]
    assert bench.steps("other")[-1] is FaultStep.CLEAN
    assert bench.intended() == ["cut"]
