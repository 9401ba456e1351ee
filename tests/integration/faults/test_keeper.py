"""The keeper as a process: it starts, breaks, mends and stops a stack, whatever becomes of us."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec
import pytest
from tests.integration.faults.small_stack import (
    CUT,
    ECHO,
    KEEPER_ARGV,
    RESTART,
    SmallStack,
    accepts,
    record_at,
    until_async,
)

from stormproof.faults.audit_log import read_log
from stormproof.faults.heal import heal
from stormproof.faults.index import OpenRun
from stormproof.faults.journal import JOURNAL_NAME, Ended, leftovers
from stormproof.faults.processes import ProcessId, identify, is_alive
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused, OwnFault
from stormproof.model.event import EndEvent, FaultEvent, FaultStep, PartEvent, WarningEvent
from stormproof.model.part import Task
from stormproof.model.plan import PlannedFault
from stormproof.stack import kept

STEPS_OF_A_FAULT = [
    FaultStep.INTENT,
    FaultStep.INJECTED,
    FaultStep.WITNESSED,
    FaultStep.UNDOING,
    FaultStep.UNDONE,
    FaultStep.CLEAN,
]


async def talk(small: SmallStack) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Exchange a word with the server through the link, and keep the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", small.ports["wire"])
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    return reader, writer


def fault_steps(small: SmallStack, fault: PlannedFault) -> list[FaultStep]:
    events = small.keeper_segment().events
    return [one.step for one in events if isinstance(one, FaultEvent) and one.fault == fault.name]


def pid_of(small: SmallStack, part: str) -> int:
    started = [
        one.pid
        for one in small.events
        if isinstance(one, PartEvent) and one.part == part and one.step == "started"
    ]
    return started[-1]


def threads_of(process: ProcessId) -> int:
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


def open_run(small: SmallStack) -> OpenRun:
    (entry,) = small.index_dir.glob("*.json")
    return msgspec.json.decode(entry.read_bytes(), type=OpenRun)


async def test_stack_comes_up_and_goes_without_a_trace(small: SmallStack) -> None:
    """A started stack serves through its link; a stopped one leaves no process, port, folder or
    index entry, and a closed journal and segment."""
    stack = small.kept()
    assert await stack.start() == small.plan.base_url
    _, writer = await talk(small)
    keeper = open_run(small).keeper
    assert threads_of(keeper) == 1, "what runs between fork and exec needs a keeper of one thread"
    assert small.private_dir.stat().st_mode & 0o777 == 0o700
    await stack.stop()
    await stack.stop()
    writer.close()
    assert small.is_gone()
    assert not is_alive(keeper)
    assert leftovers(small.run_dir / JOURNAL_NAME).ended == Ended(how="completed")
    segment = small.keeper_segment()
    assert segment.problem == ""
    steps = [(one.part, one.step) for one in segment.events if isinstance(one, PartEvent)]
    assert steps == [
        ("server", "started"), ("server", "ready"), ("wire", "ready"),
        ("server", "stopped"), ("wire", "stopped"),
    ]  # fmt: skip
    assert segment.events == small.events


async def test_partition_holds_traffic_and_lets_it_go(small: SmallStack) -> None:
    """A cut link keeps what is sent until it is undone, is witnessed by that, and leaves no
    residue; undoing twice changes nothing."""
    stack = small.kept(CUT)
    await stack.start()
    reader, writer = await talk(small)
    injecting = asyncio.ensure_future(stack.inject(CUT))
    await until_async(lambda: any(isinstance(one, FaultEvent) and one.step is FaultStep.INJECTED
                                  for one in small.events))  # fmt: skip
    writer.write(b"held")
    await injecting
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.readexactly(4)
    await stack.undo(CUT)
    assert await reader.readexactly(4) == b"held"
    await stack.undo(CUT)
    writer.close()
    await stack.stop()
    assert fault_steps(small, CUT) == STEPS_OF_A_FAULT


async def test_partition_without_traffic_is_not_witnessed(small: SmallStack) -> None:
    """A cut that held nothing back is recorded as without effect."""
    stack = small.kept(CUT)
    await stack.start()
    await stack.inject(CUT)
    await stack.undo(CUT)
    await stack.stop()
    assert fault_steps(small, CUT)[2] is FaultStep.NOT_WITNESSED


async def test_restart_replaces_the_process(small: SmallStack) -> None:
    """A restart ends the old process, brings up a new one that serves, and ends by itself."""
    stack = small.kept(RESTART)
    await stack.start()
    old = pid_of(small, "server")
    await stack.inject(RESTART)
    assert pid_of(small, "server") != old
    assert identify(old) is None
    _, writer = await talk(small)
    await stack.undo(RESTART)
    writer.close()
    await stack.stop()
    assert fault_steps(small, RESTART) == STEPS_OF_A_FAULT


async def test_part_that_does_not_come_back_is_the_last_word(small: SmallStack) -> None:
    """A restart whose part does not come up again is recorded as failed, no stop later on makes it
    look undone, and healing names it though nothing is left to do."""
    once = small.root / "once"
    script = f"import os; os.close(os.open({str(once)!r}, os.O_CREAT | os.O_EXCL))\n{ECHO}"
    server = small.server()
    argv = [*server.argv[:4], script, *server.argv[5:]]
    small.first_steps = [msgspec.structs.replace(server, argv=argv)]
    stack = small.kept(RESTART)
    await stack.start()
    with pytest.raises(EnvironmentFailure, match=r"server ended .*(.|\n)*FileExistsError"):
        await stack.inject(RESTART)
    await stack.undo(RESTART)
    await stack.stop()
    assert fault_steps(small, RESTART) == [*STEPS_OF_A_FAULT[:4], FaultStep.FAILED]
    assert small.is_gone()
    healed = heal(small.index_dir, small.run_dir, record_at)
    assert healed.is_clean
    assert "restart (process-restart of server) was never undone" in healed.lines[0]


async def test_second_fault_on_a_part_is_refused(small: SmallStack) -> None:
    """Where two do not go together, the second is refused and recorded as failed, the first stays
    in force."""
    down = msgspec.structs.replace(RESTART, name="down", for_ns=1)
    stack = small.kept(down, RESTART)
    await stack.start()
    await stack.inject(down)
    with pytest.raises(FaultRefused, match="do not go together on it"):
        await stack.inject(RESTART)
    with pytest.raises(FaultRefused, match="in force already"):
        await stack.inject(down)
    await stack.undo(down)
    await stack.stop()
    assert fault_steps(small, RESTART) == [FaultStep.FAILED]
    assert FaultStep.UNDONE in fault_steps(small, down)


async def test_faults_are_entered_in_the_audit_log(small: SmallStack) -> None:
    """Intent, injection and undo stand there as they come, with who, what, where and why."""
    stack = small.kept(CUT)
    await stack.start()
    await stack.inject(CUT)
    held, _ = read_log(small.audit)
    assert [one.what for one in held] == ["fault-intent", "fault-injected"]
    await stack.undo(CUT)
    await stack.stop()
    entries, unread = read_log(small.audit)
    assert (entries[-1].what, unread) == ("fault-undone", 0)
    last = entries[-1]
    assert (last.fault, last.kind, last.part) == ("cut", "link-partition", "wire")
    assert (last.who, last.target, last.why, last.run) == ("us", "small", "a test", small.run_id)


async def test_fault_that_is_not_planned_is_refused(small: SmallStack) -> None:
    """The keeper breaks nothing that the plan does not name."""
    stack = small.kept()
    await stack.start()
    with pytest.raises(FaultRefused, match="no fault cut is planned"):
        await stack.inject(CUT)
    await stack.stop()


async def test_part_that_ends_by_itself_is_recorded(small: SmallStack) -> None:
    """A part that dies under way is told and recorded at once, with the signal that ended it."""
    stack = small.kept()
    await stack.start()
    os.kill(pid_of(small, "server"), signal.SIGKILL)
    await until_async(lambda: small.events[-1].__class__ is PartEvent
                      and small.events[-1].step == "exited")  # fmt: skip
    assert "SIGKILL" in small.events[-1].detail  # type: ignore[union-attr]
    await stack.stop()
    assert small.is_gone()


async def test_children_of_parts_are_ended_too(small: SmallStack) -> None:
    """What a part has started and left behind is ended with the stack."""
    orphan = small.root / "orphan"
    script = (
        "import os, signal, sys\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"    open({str(orphan)!r}, 'w').write(str(os.getpid()))\n"
        "    signal.pause()\n"
    )
    argv = [sys.executable, "-I", "-S", "-c", script]
    small.extra_steps.append(Task(name="leave", argv=argv, cwd=str(small.root)))
    stack = small.kept()
    await stack.start()
    await until_async(lambda: orphan.exists() and orphan.read_text() != "")
    pid = int(orphan.read_text())
    assert identify(pid) is not None
    await stack.stop()
    assert identify(pid) is None


async def test_keeper_that_is_told_to_end_cleans_up(small: SmallStack) -> None:
    """A keeper that gets SIGTERM undoes, stops and records that, and the controller hears of
    it."""
    stack = small.kept(CUT)
    await stack.start()
    await stack.inject(CUT)
    os.kill(open_run(small).keeper.pid, signal.SIGTERM)
    await until_async(lambda: isinstance(small.events[-1], WarningEvent))
    with pytest.raises(EnvironmentFailure, match="keeper has died"):
        await stack.inject(CUT)
    with pytest.raises(EnvironmentFailure, match="keeper has died"):
        await stack.stop()
    assert small.is_gone()
    end = small.keeper_segment().events[-1]
    assert isinstance(end, EndEvent)
    assert end.how == "aborted"
    assert "SIGTERM" in end.detail


async def test_keeper_that_is_killed_takes_the_parts_with_it(small: SmallStack) -> None:
    """When the keeper is killed the kernel ends its parts, and every command says what to do."""
    stack = small.kept()
    await stack.start()
    os.kill(open_run(small).keeper.pid, signal.SIGKILL)
    await until_async(lambda: not accepts(small.ports["server"]))
    with pytest.raises(EnvironmentFailure, match="stormproof heal"):
        await stack.stop()
    assert small.private_dir.exists()


def test_keeper_without_a_controller_ends(tmp_path: Path) -> None:
    """A keeper whose controller is gone before it said anything ends with nothing done."""
    ours, theirs = socket.socketpair()
    with theirs:
        pid = os.posix_spawn(
            KEEPER_ARGV[0],
            KEEPER_ARGV,
            dict(os.environ),
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
        )
    ours.close()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


async def test_controller_that_dies_while_the_stack_stops_makes_it_hurry(
    small: SmallStack,
) -> None:
    """A stop that waits for a slow part is cut short at the controller's end of file."""
    script = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{ECHO}"
    server = small.server()
    argv = [*server.argv[:4], script, *server.argv[5:]]
    hour_ns = 3600 * 10**9
    small.first_steps = [msgspec.structs.replace(server, argv=argv, stop_deadline_ns=hour_ns)]
    stack = small.kept()
    await stack.start()
    keeper = open_run(small).keeper
    stopping = asyncio.ensure_future(stack.stop())
    await asyncio.sleep(0)
    assert stack._writer is not None
    stack._writer.close()
    await until_async(lambda: not is_alive(keeper))
    await asyncio.gather(stopping, return_exceptions=True)
    assert small.is_gone()
    end = small.keeper_segment().events[-1]
    assert isinstance(end, EndEvent)
    assert end.how == "controller-died"


async def test_keeper_that_hangs_is_killed(
    small: SmallStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keeper that answers no more is given up, killed, and `heal` is named."""
    stack = small.kept()
    await stack.start()
    keeper = open_run(small).keeper
    os.kill(keeper.pid, signal.SIGSTOP)
    monkeypatch.setattr(kept, "ANSWER_MARGIN_NS", -(10**10))
    monkeypatch.setattr(kept, "CLEANUP_DEADLINE_S", 0.1)
    with pytest.raises(OwnFault, match="was killed; stormproof heal"):
        await stack.stop()
    assert not is_alive(keeper)
    await until_async(lambda: not accepts(small.ports["server"]))
