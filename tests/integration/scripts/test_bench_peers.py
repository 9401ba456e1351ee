"""`scripts/bench-peers.sh`: what `make bench` says and does where a peer is missing."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "bench-peers.sh"
PEERS = ("wrk", "hey", "nginx")
NEEDED = ("sh", "sed", "rm", "chmod")  # what the script itself calls


@dataclass(frozen=True)
class Machine:
    """A machine whose commands are the ones in a folder, and those below /usr/sbin."""

    folder: Path

    @property
    def policy(self) -> Path:
        return self.folder / "usr" / "sbin" / "policy-rc.d"

    def command(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(SCRIPT)],
            env={"PATH": str(self.folder / "bin"), "BENCH_ROOT": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a machine of an ordinary user with all peers but wrk, which no /usr/sbin holds."""
    made = Machine(tmp_path)
    (tmp_path / "bin").mkdir()
    made.policy.parent.mkdir(parents=True)
    for name in NEEDED:
        real = shutil.which(name)
        assert real is not None
        (tmp_path / "bin" / name).symlink_to(real)
    for name in ("hey", "nginx"):
        made.command(name, "exit 1")
    made.command("id", "echo 1000")
    return made


def apt_get(machine: Machine, install: str) -> None:
    """Give the machine an apt-get that notes how it was called, and its root."""
    machine.command("id", "echo 0")
    note = f'echo "$@ policy: $(if [ -x "{machine.policy}" ]; then echo denies; fi)"'
    log = machine.folder / "log"
    machine.command("apt-get", f'{note} >>"{log}"\n[ "$1" = update ] || {{ {install}; }}')


def test_nothing_happens_where_all_peers_are_there(machine: Machine) -> None:
    """With every peer on the PATH the script is silent and ends well."""
    machine.command("wrk", "exit 1")
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_ordinary_user_is_told_in_one_line_what_is_missing(machine: Machine) -> None:
    """Exit 69, the peer by its name, and the command that installs it."""
    done = machine.run()
    assert done.returncode == 69
    assert done.stderr == (
        "bench: missing: wrk; only root can install them (Debian: apt-get install wrk)\n"
    )
    assert done.stdout == ""


def test_root_without_apt_is_told_so(machine: Machine) -> None:
    """Another system than Debian is the environment's, exit 69."""
    machine.command("id", "echo 0")
    done = machine.run()
    assert done.returncode == 69
    assert "missing: wrk; there is no apt-get" in done.stderr


def test_root_installs_what_is_missing_and_no_service_starts(machine: Machine) -> None:
    """apt-get gets the missing package alone, under a policy that is gone afterwards."""
    target = machine.folder / "bin" / "wrk"
    apt_get(machine, f'printf "#!/bin/sh\\n" >"{target}"; chmod +x "{target}"')
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (machine.folder / "log").read_text().splitlines() == [
        "update -qq policy: denies",
        "install -y -qq --no-install-recommends wrk policy: denies",
    ]
    assert not machine.policy.exists()


def test_a_policy_of_the_machine_stays(machine: Machine) -> None:
    """Where the machine denies services by itself, its policy is neither changed nor removed."""
    machine.policy.write_text("theirs")
    apt_get(machine, "exit 1")
    assert machine.run().returncode == 69
    assert machine.policy.read_text() == "theirs"


@pytest.mark.parametrize(
    ("install", "why"),
    [("exit 100", "apt-get cannot install them"), (":", "apt-get installed them somewhere else")],
)
def test_an_installation_that_brings_nothing_is_told(
    machine: Machine, install: str, why: str
) -> None:
    """A failed or useless installation ends in 69, and the policy is gone."""
    apt_get(machine, install)
    done = machine.run()
    assert done.returncode == 69
    assert done.stderr.endswith(f"bench: missing: wrk; {why} (Debian: apt-get install wrk)\n")
    assert not machine.policy.exists()
