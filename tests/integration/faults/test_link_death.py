"""What becomes of faults on links when the controller is killed under load."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.faults.dead_runs import controlled, open_run
from tests.integration.faults.small_stack import SmallStack, until

from stormproof.faults.processes import is_alive
from stormproof.model.event import EndEvent, FaultEvent, FaultStep
from stormproof.model.fault import KINDS, SettingValue
from stormproof.model.plan import PlannedFault

CLEANUP_DEADLINE_S = 10.0  # the bar is two seconds; nobody fails here for a busy machine
MS = 1_000_000
SETTINGS: dict[str, dict[str, SettingValue]] = {
    "link-latency": {"latency": 5 * MS},
    "link-slice": {"bytes": 100},
    "link-bandwidth": {"rate": 1_000_000},
    "link-slow-close": {"delay": 5 * MS},
    "link-limit": {"bytes": 1_000, "share": 0.2},
    "link-reset": {"share": 0.2},
    "link-partition": {"mode": "hold"},
    "link-refusal": {},
}


@contextmanager
def load(port: int) -> Iterator[None]:
    """Talk to the echo server on ever new connections, whatever happens to the connections."""
    ended = threading.Event()

    def talk() -> None:
        while not ended.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=0.2) as connection:
                    for _ in range(10):  # then it is closed, which a slow close delays
                        connection.sendall(bytes(500))
                        if not connection.recv(500):
                            break
            except OSError:
                ended.wait(0.01)  # cut, refused, silent, or not there any more

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_all_faults_on_a_link_are_undone_when_the_controller_is_killed(small: SmallStack) -> None:
    """With every kind in force at once on one link under load, kill -9 of the controller lets the
    keeper undo each, find no residue, and leave nothing."""
    composing = {kind for kind, one in KINDS.items() if one.hits == "link" and one.composes}
    assert set(SETTINGS) == composing
    faults = [
        PlannedFault(name=kind, kind=kind, part="wire", at_ns=0, for_ns=1, settings=settings)
        for kind, settings in SETTINGS.items()
    ]
    with load(small.ports["wire"]), controlled(small, *faults) as controller:
        keeper = open_run(small).keeper
        controller.kill()
        controller.wait()
        until(lambda: not is_alive(keeper), within_s=CLEANUP_DEADLINE_S)
    assert small.is_gone()
    segment = small.keeper_segment()
    end = segment.events[-1]
    assert isinstance(end, EndEvent)
    assert end.how == "controller-died"
    steps: dict[str, list[FaultStep]] = {kind: [] for kind in SETTINGS}
    for one in segment.events:
        if isinstance(one, FaultEvent):
            steps[one.fault].append(one.step)
    whole = [FaultStep.INTENT, FaultStep.INJECTED, FaultStep.WITNESSED, FaultStep.UNDOING,
             FaultStep.UNDONE, FaultStep.CLEAN]  # fmt: skip
    assert steps == dict.fromkeys(SETTINGS, whole)
