"""Kill the controller at random instants of a drill full of faults, and count what is left.

    .venv/bin/python -m tests.quality.kills [--count 50] [--seed 1] [--keep DIR]

Each run is a short one of feed and chat on the embedded stack, with every fault of processes, of
links and of the machine in it, some always in force at the same time. `kill -9` hits the controller
at an instant drawn from the seed: one in eight while the stack starts, the others under load or
while the run ends. Two seconds later no fault may be in force and no process, port or shared memory
be left; then the keeper clears the disk away and goes. `judge` has to end with a verdict on what
was recorded. It prints a line a run and a table, and ends with 1 if anything was left or a record
could not be judged. It takes about a minute a run, which is why no other check includes it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from tests.e2e.conftest import ROOT, Run

from stormproof.model.fault import KINDS

BAR_S: Final = 2.0
KEEPER: Final = "_keeper"
PATIENCE_S: Final = 30.0
START_S: Final = 12.0
LOAD_S: Final = 45.0
ENDING_S: Final = 8.0  # of the drain and the stop
VERDICTS: Final = (0, 1, 2)
PARTS: Final = ("postgres", "cache", "api", "dispatcher", "consumer")
LINKS: Final = ("database-link", "cache-link", "api-link")
NUMBERS: Final[dict[str, object]] = {
    "latency": "50ms",
    "rate": 200_000,
    "bytes": 2_000,
    "delay": "200ms",
    "mib": 64,
    "every": "500ms",
}


def kinds_of(hits: str) -> list[str]:
    """Return the kinds of faults that hit something and need no more than numbers, in order."""
    return sorted(
        kind
        for kind, shape in KINDS.items()
        if shape.hits == hits
        and all(name in NUMBERS or one.default is not None for name, one in shape.settings.items())
    )


def chains() -> dict[str, list[str]]:
    """Say which kinds of faults each part, link and the machine suffers, one after the other."""
    on_parts, on_links = kinds_of("part"), kinds_of("link")
    turned = {name: on_parts[turn:] + on_parts[:turn] for turn, name in enumerate(PARTS)}
    turned |= {name: on_links[3 * turn :] + on_links[: 3 * turn] for turn, name in enumerate(LINKS)}
    return {**turned, "host": kinds_of("host")}


def drill() -> tuple[str, dict[str, Any]]:
    """Return the trial's source and its profile, both with every fault of `chains`."""
    words, numbers = [], {}
    for part, kinds in chains().items():
        before = ""
        for kind in kinds:
            name = f"{part}-{kind}"
            words.append(f"        {name!r}: TrialFault(kind={kind!r}, part={part!r}),")
            times = {"after": before, "at": "1s"} if before else {"at": "4s"}
            settings = {one: NUMBERS[one] for one in KINDS[kind].settings if one in NUMBERS}
            numbers[name] = {**times, "for": "2s", **settings}
            before = name
    source = (ROOT / "tests/quality/kill_trial.py").read_text(encoding="utf-8")
    profile: dict[str, Any] = json.loads((ROOT / "load/profiles/ci.json").read_bytes())
    profile |= {"trial": "kill_trial", "warmup": "3s", "duration": f"{LOAD_S:g}s"}
    profile |= {"faults": numbers, "drain": "3s"}
    profile["thresholds"] = {"http_req_failed{scenario:feed,window:calm}": ["rate<0.01"]}
    return source.replace(
        "    faults={},", "    faults={\n" + "\n".join(words) + "\n    },"
    ), profile


@dataclass(frozen=True, kw_only=True)
class Alive:
    """What a run had, at the moment before its controller was killed."""

    processes: list[psutil.Process]
    ports: list[int]


class Drill(Run):
    """One run of the drill in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        source, profile = drill()
        self.trial = folder / "kill_trial.py"
        self.trial.write_text(source, encoding="utf-8")
        shutil.copy(ROOT / "trials/sanctum_journeys.py", folder)
        self.profile.write_text(json.dumps(profile))

    def kill(self) -> Alive:
        """Kill the controller."""
        assert self.process is not None
        controller = psutil.Process(self.process.pid)
        processes = {*self.ours(), *controller.children(recursive=True)}
        for one in list(processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                processes |= set(one.children(recursive=True))
        pids = {one.pid for one in processes}
        ports = [
            one.laddr.port
            for one in psutil.net_connections("tcp")
            if one.pid in pids and one.laddr and one.status == psutil.CONN_LISTEN
        ]
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return Alive(processes=[*processes - {controller}], ports=ports)

    def left(self, before: Alive) -> list[str]:
        """Name everything of the run that still acts: processes, ports, shared memory."""
        made_by = {one.pid for one in before.processes}
        alive = [one for one in {*before.processes, *self.ours()} if _is_alive(one)]
        return [
            *(f"process {one.pid}" for one in alive if _name(one) != KEEPER),
            *(f"port {port}" for port in before.ports if _accepts(port)),
            *_memory_of(made_by),
        ]

    def lying_about(self) -> list[str]:
        """Name what of the run still lies on the disk, and the keeper, who clears it away."""
        keepers = [f"keeper {one.pid}" for one in self.ours() if _name(one) == KEEPER]
        found = [*self.temporary.glob("*-kill_trial-*"), *self.temporary.glob("*/open/*")]
        return [*keepers, *map(str, found)]

    def faults_in_force(self) -> int:
        """Count the faults that were injected and not undone by what was told before the kill."""
        text = self.progress()
        return text.count(" injected: ") - text.count(" undone: ")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one kill left."""

    instant: str
    faults: int
    left: list[str]
    gone_s: float  # until nothing acted any more
    cleared_s: float  # until nothing lay about any more
    judged: int | None  # the exit code of `judge`; None: there was no record yet
    told: str = ""  # by `judge`, where that was no verdict

    def __str__(self) -> str:
        """Return its line."""
        return (
            f"{'ok ' if self.is_well else 'BAD'} {self.instant:24} {self.faults:2} faults, "
            f"gone after {self.gone_s:.2f} s, cleared after {self.cleared_s:.2f} s, "
            f"judge {self.judged} {self.told}{' '.join(self.left)}"
        )

    @property
    def is_well(self) -> bool:
        """Whether nothing was left, and the record could be judged."""
        return not self.left and (self.judged is None or self.judged in VERDICTS)


def kill_once(chance: random.Random, keep: Path | None) -> Outcome:
    """Run the drill and kill its controller at a random instant."""
    with tempfile.TemporaryDirectory(prefix="sp-kill-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        run = Drill(folder)
        try:
            outcome = _kill_at(run, chance)
            if keep is not None and not outcome.is_well:
                shutil.copytree(folder, keep / folder.name, ignore=_no_sockets)
            return outcome
        finally:
            run.end()


def _kill_at(run: Drill, chance: random.Random) -> Outcome:
    in_start = chance.random() < 1 / 8
    wait_s = chance.uniform(0.0, START_S if in_start else LOAD_S + ENDING_S)
    run.start(str(run.trial))
    if not in_start:
        run.wait_for("phase warmup")
    assert run.process is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.process.wait(wait_s)
    phase = run.progress().rpartition("phase ")[2].split("\n")[0] or "before all"
    faults = run.faults_in_force()
    before, killed = run.kill(), time.monotonic()
    gone_s, left = _wait(lambda: run.left(before), killed)
    cleared_s, lying = _wait(run.lying_about, killed)
    if gone_s > BAR_S and not left:
        left = [f"something for {gone_s:.1f} s"]
    judged, told = _judge(run)
    return Outcome(
        instant=f"{phase} +{wait_s:.1f}s",
        faults=faults,
        left=[*left, *lying],
        gone_s=gone_s,
        cleared_s=cleared_s,
        judged=judged,
        told=told,
    )


def _wait(look: Callable[[], list[str]], since: float) -> tuple[float, list[str]]:
    """Look until nothing is found; return after how long, or what was found to the end."""
    while True:
        found, passed_s = look(), time.monotonic() - since
        if not found or passed_s >= PATIENCE_S:
            return passed_s, found
        time.sleep(0.02)


def _judge(run: Drill) -> tuple[int | None, str]:
    folders = list(run.out.iterdir()) if run.out.exists() else []
    if not folders or not (folders[0] / "plan.json").exists():
        return None, ""
    judged = run.command("judge", str(folders[0]))
    told = "" if judged.returncode in VERDICTS else judged.stderr[-300:]
    return judged.returncode, told


def _memory_of(pids: set[int]) -> list[str]:
    """Name the shared memory that some processes made and that is still there."""
    lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    rows = [line.split() for line in lines]
    return [f"shared memory {row[1]}" for row in rows if int(row[4]) in pids]


def _name(process: psutil.Process) -> str:
    """Return the hidden subcommand that a process of ours runs."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return next((word for word in process.cmdline() if word == KEEPER), "")
    return ""


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _accepts(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def _no_sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_socket()]


def main() -> int:
    """Kill as often as asked; print what was seen."""
    parser = argparse.ArgumentParser(prog="kills", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for what is left of runs that failed")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)  # noqa: S311 - a draw to be repeated
    outcomes: list[Outcome] = []
    for number in range(1, asked.count + 1):
        one = kill_once(chance, asked.keep)
        outcomes.append(one)
        print(f"{number:3} {one}", flush=True)
    return report(outcomes)


def report(outcomes: Sequence[Outcome]) -> int:
    """Print the table; return 1 if anything was left or could not be judged."""
    bad = [one for one in outcomes if not one.is_well]
    in_force = sum(one.faults > 0 for one in outcomes)
    print(f"{len(outcomes)} kills, {in_force} of them with faults in force (at most "
          f"{max(one.faults for one in outcomes)}); {len(bad)} bad")  # fmt: skip
    for what, times in {
        "gone": sorted(one.gone_s for one in outcomes),
        "cleared": sorted(one.cleared_s for one in outcomes),
    }.items():
        print(f"{what} after {times[len(times) // 2]:.2f} s (median), {times[-1]:.2f} s (longest)")
    print(f"exit codes of judge: {dict(Counter(one.judged for one in outcomes))}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
