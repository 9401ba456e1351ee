"""Each fault of processes and of the machine on the real thing that it breaks, without a keeper."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tests.integration.faults.small_stack import SmallStack, accepts, record_at, until, until_async

from stormproof.faults import pausing
from stormproof.faults.chronicle import Chronicle
from stormproof.faults.descriptor_limits import limits_of, set_soft_limit
from stormproof.faults.host import Host
from stormproof.faults.host_cpu import HostCpu
from stormproof.faults.host_descriptors import HostDescriptors
from stormproof.faults.host_disk import HostDisk
from stormproof.faults.host_memory import HostMemory
from stormproof.faults.journal import Journal, Line, leftovers
from stormproof.faults.parts import RunningPart
from stormproof.faults.pausing import is_stopped
from stormproof.faults.process_crash_loop import ProcessCrashLoop
from stormproof.faults.process_kill import ProcessKill
from stormproof.faults.process_pause import ProcessPause
from stormproof.faults.process_slow_start import ProcessSlowStart
from stormproof.faults.processes import ProcessId, descendants, identify_self, is_alive
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import Event
from stormproof.model.part import Part, Readiness
from stormproof.seams import Fault, MayLapse

FORKING = """
import os, socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = server.accept()
    if os.fork() == 0:
        os.setsid()
        server.close()
        while data := connection.recv(65536):
            connection.sendall(data)
        os._exit(0)
    connection.close()
"""


@dataclass(kw_only=True)
class Ground:
    """What faults are tried on: a server with a process for each connection, and the machine."""

    small: SmallStack
    part: RunningPart
    chronicle: Chronicle
    host: Host

    def fault(self, kind: str) -> Fault:
        """Build a fault that lasts some seconds."""
        builders: dict[str, Callable[[], Fault]] = {
            "kill": lambda: ProcessKill(self.part, "KILL"),
            "term": lambda: ProcessKill(self.part, "TERM"),
            "pause": lambda: ProcessPause(self.part),
            "slow-start": lambda: ProcessSlowStart(self.part),
            "crash-loop": self.crash_loop,
            "descriptors": self.descriptors,
            "cpu": lambda: HostCpu(self.host, name="cpu", for_ns=SECOND_NS, burners=1, share=0.5),
            "memory": lambda: HostMemory(self.host, name="memory", for_ns=SECOND_NS, mib=16),
            "disk": lambda: self.disk("fill"),
            "disk-write": lambda: self.disk("write"),
        }
        return builders[kind]()

    def crash_loop(self) -> ProcessCrashLoop:
        return ProcessCrashLoop(self.part, every_ns=10**8, times=2, for_ns=20 * SECOND_NS)

    def descriptors(self) -> HostDescriptors:
        return HostDescriptors(self.part, name="few", spare=0, chronicle=self.chronicle)

    def disk(self, mode: str) -> HostDisk:
        return HostDisk(self.host, name="disk", for_ns=SECOND_NS, mib=8, leave_mib=256, mode=mode)

    @property
    def process(self) -> ProcessId:
        assert self.part.process is not None
        return self.part.process


@contextmanager
def connected(ground: Ground) -> Iterator[socket.socket]:
    """Hold a connection to the server, for which it has a process with a session of its own."""
    port = ground.small.ports["server"]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        until(lambda: len(descendants(ground.process)) == 1)
        yield connection


def forking_server(small: SmallStack) -> Part:
    argv = [sys.executable, "-I", "-S", "-c", FORKING, str(small.ports["server"])]
    return msgspec.structs.replace(small.server(), argv=argv)


@pytest.fixture
async def ground(small: SmallStack) -> AsyncIterator[Ground]:
    """Run the server; whatever is left of a fault afterwards is a failure."""
    recorder = record_at(small.run_dir / "record" / "keeper.seg", "keeper")
    chronicle = Chronicle(recorder, Journal(small.run_dir / "undo.jsonl"), lambda event: None)
    part = RunningPart(
        forking_server(small), run_id=small.run_id, logs=small.root, chronicle=chronicle
    )
    await part.start()
    host = Host(folder=small.root, run_id=small.run_id, logs=small.root, chronicle=chronicle)
    yield Ground(small=small, part=part, chronicle=chronicle, host=host)
    await part.stop()
    chronicle.close("completed")
    assert chronicle.problems == []


@pytest.mark.parametrize(
    ("kind", "injected", "evidence", "left", "undone"),
    [
        ("kill", "ended by SIGKILL", "does not serve", "does not run", "is ready as"),
        ("term", "SIGTERM, ended by SIGTERM", "does not serve", "does not run", "is ready as"),
        ("pause", "processes of server stand", "had been answered before", "still stand", "go on"),
        ("slow-start", "held before it begins", "runs and port", "runs but", "is ready as"),
        ("crash-loop", "killed again 0.1s", "killed 2 times", "", "killed 2 times; server is"),
        (
            "descriptors",
            "may open 0 more",
            "2 processes of server can open at most 0",
            "still limited",
            "limit back",
        ),
        ("cpu", "0.5 of a core each", "burners use", "burdens still run", "1 burdens lifted"),
        ("memory", "taking 16 MiB", "16 MiB are held", "burdens still run", "1 burdens lifted"),
        ("disk", "taking 8 MiB", "8 MiB are held", "burdens still run", "1 burdens lifted"),
        ("disk-write", "taking 8 MiB", "MiB written", "burdens still run", "1 burdens lifted"),
    ],
)
async def test_faults_keep_their_contract(
    ground: Ground, kind: str, injected: str, evidence: str, left: str, undone: str
) -> None:
    """A fault bites, is residue of itself while in force, and is gone after one undo or two."""
    with connected(ground):
        fault = ground.fault(kind)
        assert injected in await fault.inject()
        assert evidence in (await fault.witness() or "")
        assert left in (await fault.residue() or "")
        if isinstance(fault, MayLapse):
            assert await fault.lapse() is None
        assert undone in await fault.undo()
        await fault.undo()
        assert await fault.residue() is None
    assert leftovers(ground.small.run_dir / "undo.jsonl").parts.keys() == {ground.process}
    assert accepts(ground.small.ports["server"])


@pytest.mark.parametrize("kind", ["kill", "pause", "slow-start", "crash-loop", "descriptors"])
async def test_part_that_has_died_cannot_be_broken(ground: Ground, kind: str) -> None:
    """A part that does not run any more is refused by name, and nothing is started."""
    fault = ground.fault(kind)
    os.kill(ground.process.pid, signal.SIGKILL)
    until(lambda: not is_alive(ground.process))
    await ground.part.stop()
    with pytest.raises(FaultRefused, match="server is not running"):
        await fault.inject()
    assert ground.part.process is None


async def test_connection_goes_on_after_a_pause(ground: Ground) -> None:
    """What was sent to a paused part waits, and is answered on the same connection afterwards; the
    connection's process has a session of its own and stood still like its parent."""
    fault = ground.fault("pause")
    with connected(ground) as connection:
        (backend,) = descendants(ground.process)
        await fault.inject()
        assert is_stopped(ground.process)
        assert is_stopped(backend)
        connection.sendall(b"word")
        await fault.undo()
        assert connection.recv(4) == b"word"


async def test_children_born_while_their_parents_are_stopped_stand_still_too(
    small: SmallStack, ground: Ground
) -> None:
    """A tree that forks all the time is stopped whole: nothing of it runs, nothing is born."""
    script = (
        "import os, sys, socket\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True:\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os._exit(0)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    await ground.part.stop()
    argv = [sys.executable, "-I", "-S", "-c", script, str(small.ports["server"])]
    ground.part._part = msgspec.structs.replace(small.server(), argv=argv)
    await ground.part.start()
    for _ in range(5):
        tree = await pausing.pause_tree(ground.process)
        assert all(map(is_stopped, tree))
        assert {ground.process, *descendants(ground.process)} == set(tree)
        assert set(pausing.continue_all([ground.process])) == set(tree)
        assert not is_stopped(ground.process)


async def test_tree_that_does_not_stop_goes_on(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where something cannot be stopped in time the fault is refused, and nothing stays stopped."""
    monkeypatch.setattr(pausing, "PAUSE_DEADLINE_NS", 0)
    with pytest.raises(FaultRefused, match="does not stop where it stands"):
        await ground.fault("pause").inject()
    assert not is_stopped(ground.process)


async def test_part_that_ends_while_it_is_paused_is_told(ground: Ground) -> None:
    """A paused part that is killed by somebody else is named as what is left of the fault."""
    fault = ground.fault("pause")
    await fault.inject()
    os.kill(ground.process.pid, signal.SIGKILL)
    until(lambda: ground.part.process is None or not is_alive(ground.process))
    assert await fault.witness() is None
    await fault.undo()
    assert "has ended while it was paused" in (await fault.residue() or "")
    await ground.part.start()


async def test_part_that_somebody_lets_go_on_is_paused_no_more(ground: Ground) -> None:
    """A process that goes on before the undo is named, as what ended the fault."""
    fault = ground.fault("pause")
    await fault.inject()
    os.kill(ground.process.pid, signal.SIGCONT)
    await until_async(lambda: not is_stopped(ground.process))
    assert isinstance(fault, MayLapse)
    assert f"went on before: processes {ground.process.pid}" in (await fault.lapse() or "")
    await fault.undo()


async def test_paused_part_is_stopped_in_order(ground: Ground) -> None:
    """A part that stands still ends by its own stop signal, for it is continued to hear it."""
    with connected(ground):
        fault = ground.fault("pause")
        await fault.inject()
        assert "SIGTERM, ended by SIGTERM" in await ground.part.stop()
        assert await fault.undo() == "0 processes of server go on"
    await ground.part.start()


@pytest.mark.parametrize("kind", ["kill", "slow-start", "crash-loop"])
async def test_part_stays_down_while_the_stack_goes_down(ground: Ground, kind: str) -> None:
    """When everything is being stopped a part that a fault took down is not started again."""
    fault = ground.fault(kind)
    await fault.inject()
    ground.part.is_closing = True
    assert "stays stopped" in await fault.undo()
    assert await fault.residue() is None
    with pytest.raises(FaultRefused, match="the whole stack is being stopped"):
        await ground.part.start()


async def test_part_that_does_not_come_back_is_told_with_what_to_do(
    small: SmallStack, ground: Ground
) -> None:
    """An undo that fails quotes the part's log and says what can be done."""
    fault = ground.fault("kill")
    await fault.inject()
    argv = [sys.executable, "-I", "-S", "-c", "raise SystemExit('no room')"]
    ground.part._part = msgspec.structs.replace(small.server(), argv=argv)
    with pytest.raises(EnvironmentFailure, match=r"server ended .*(.|\n)*no room(.|\n)*run again"):
        await fault.undo()
    assert await fault.residue() == "server does not run"


async def test_crash_loop_ends_by_itself_and_leaves_the_part_running(ground: Ground) -> None:
    """After its kills the loop lets the part live, without anybody who undoes it."""
    fault = ground.crash_loop()
    first = ground.process
    await fault.inject()
    await fault.witness()
    await fault._looping  # type: ignore[misc]
    assert ground.process != first
    assert await fault.residue() is None
    with pytest.raises(FaultRefused, match="shorter than its `for`: 2s is not below 1s"):
        ProcessCrashLoop(ground.part, every_ns=2 * SECOND_NS, times=0, for_ns=SECOND_NS)


async def test_limits_of_descriptors_hold_and_come_back(ground: Ground) -> None:
    """Under the fault a new connection is not served; afterwards each process, one born meanwhile
    too, has the limit that it had; one that raises its own shows no effect."""
    fault = ground.descriptors()
    before = limits_of(ground.process)
    await fault.inject()
    assert limits_of(ground.process) != before
    assert set_soft_limit(ground.process, 64)
    assert await fault.witness() is None
    with connected(ground):
        (child,) = descendants(ground.process)
        assert before is not None
        (line,) = fault._lowered.values()
        assert set_soft_limit(ground.process, line.lowered)
        assert set_soft_limit(child, line.lowered)
        await fault.undo()
        assert limits_of(child) == limits_of(ground.process) == before
    assert await fault.residue() is None


async def test_burdens_beyond_what_is_free_are_refused(ground: Ground) -> None:
    """More than half of the memory, or a disk below its floor, is refused with the figures."""
    memory = HostMemory(ground.host, name="memory", for_ns=SECOND_NS, mib=1 << 20)
    with pytest.raises(FaultRefused, match=r"1048576 MiB of memory .* MiB are available, of which"):
        await memory.inject()
    disk = HostDisk(
        ground.host, name="disk", for_ns=SECOND_NS, mib=1 << 40, leave_mib=256, mode="fill"
    )
    with pytest.raises(FaultRefused, match=r"MiB are free in .*, of which 256 MiB have to be left"):
        await disk.inject()


async def test_burden_that_gave_up_is_no_evidence(ground: Ground) -> None:
    """A burden that has ended by itself shows no effect, and its undo quotes its last words."""
    fault = ground.disk("fill")
    await fault.inject()
    gone = await ground.host.burden("gone", 0, "memory", "1", str(1 << 40))
    fault._burdens.append(gone)
    await until_async(lambda: not gone.is_there)
    assert await fault.witness() is None
    assert "1 of 2 burdens had ended: gave up: " in (await fault.lapse() or "")
    assert "1 had ended before: gave up: " in await fault.undo()


async def test_start_is_given_up_when_the_stack_goes_down(
    small: SmallStack, ground: Ground
) -> None:
    """A part that is not ready yet when everything is being stopped is not waited for."""
    fault = ground.fault("kill")
    await fault.inject()
    argv = [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]
    ground.part._part = msgspec.structs.replace(small.server(), argv=argv)
    undoing = asyncio.ensure_future(fault.undo())
    await until_async(lambda: ground.part.process is not None)
    ground.part.is_closing = True
    assert "stays stopped" in await undoing
    assert ground.part.process is None
    assert await fault.residue() is None


async def test_part_that_others_keep_from_being_ready_is_back(
    small: SmallStack, ground: Ground
) -> None:
    """A part that answers at its deadline that it is not ready is undone, and no residue; at the
    first start that is not enough."""
    script = (
        "import socket, sys\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True:\n"
        "    connection, _ = server.accept()\n"
        "    connection.recv(65536)\n"
        "    connection.sendall(b'HTTP/1.1 503 Service Unavailable\\r\\n\\r\\n')\n"
        "    connection.close()\n"
    )
    fault = ground.fault("kill")
    await fault.inject()
    port = small.ports["server"]
    ready = Readiness(kind="http", port=port, path="/ready", deadline_ns=300_000_000)
    argv = [sys.executable, "-I", "-S", "-c", script, str(port)]
    ground.part._part = msgspec.structs.replace(small.server(), argv=argv, ready=ready)
    with pytest.raises(EnvironmentFailure, match="was not ready within 300ms"):
        await ground.part.start()
    assert "answers that it is not ready" in await fault.undo()
    assert await fault.residue() is None


async def test_burden_that_cannot_be_written_down_is_ended(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes no line lets no burden stay, one that was put on before included."""
    commit, lines = ground.chronicle.commit, [0]

    def fail_second(event: Event | None, line: Line) -> None:
        lines[0] += 1
        if lines[0] == 2:
            raise EnvironmentFailure("the disk is full")
        commit(event, line)

    monkeypatch.setattr(ground.chronicle, "commit", fail_second)
    fault = HostCpu(ground.host, name="cpu", for_ns=SECOND_NS, burners=2, share=0.1)
    with pytest.raises(EnvironmentFailure, match="the disk is full"):
        await fault.inject()
    burners = [one for one in descendants(identify_self()) if is_burner(one)]
    assert len(burners) == 1
    await fault.undo()
    assert not any(is_burner(one) for one in descendants(identify_self()))


def is_burner(process: ProcessId) -> bool:
    return b"burden.py" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
