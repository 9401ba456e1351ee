"""How much memory may be taken, on machines made of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from stormproof.faults.memory_left import available_mib

MIB = 1 << 20
MACHINE = {"proc/meminfo": "MemTotal: 9999999 kB\nMemAvailable:    1024000 kB\n"}
VERSION_2 = {**MACHINE, "proc/self/cgroup": "0::/outer/inner\n"}
VERSION_1 = {**MACHINE, "proc/self/cgroup": "5:cpu,memory:/box\n0::/\n"}


def made_of(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return root


def group(folder: str, limit: str, usage: str) -> dict[str, str]:
    return {
        f"sys/fs/cgroup/{folder}/memory.max": f"{limit}\n",
        f"sys/fs/cgroup/{folder}/memory.current": f"{usage}\n",
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (MACHINE, 1000),
        (VERSION_2, 1000),
        ({**VERSION_2, **group("outer/inner", "max", "5")}, 1000),
        ({**VERSION_2, **group("outer/inner", str(700 * MIB), str(100 * MIB))}, 600),
        ({**VERSION_2, **group("outer", str(700 * MIB), str(100 * MIB))}, 600),
        ({**VERSION_2, **group("outer", str(1 * MIB), str(2 * MIB))}, 0),
        ({**VERSION_2, **group(".", str(300 * MIB), str(100 * MIB))}, 200),
        (
            {
                **VERSION_1,
                "sys/fs/cgroup/memory/box/memory.limit_in_bytes": str(500 * MIB),
                "sys/fs/cgroup/memory/box/memory.usage_in_bytes": str(100 * MIB),
            },
            400,
        ),
    ],
)
def test_memory_is_what_machine_and_groups_leave(
    tmp_path: Path, files: Mapping[str, str], expected: int
) -> None:
    """The tightest bound counts: the machine's, or that of any control group on the way up."""
    assert available_mib(made_of(tmp_path, files)) == expected


def test_machine_that_says_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Where the kernel does not say what is available, nothing may be taken."""
    assert available_mib(made_of(tmp_path, {"proc/meminfo": "MemTotal: 5 kB\n"})) == 0
