"""How much memory may still be taken: of the machine, or of the control group we run in."""

from __future__ import annotations

from pathlib import Path

MIB = 1 << 20


def available_mib(root: Path = Path("/")) -> int:
    """Return how many MiB can be had without swapping, at most what our control groups allow.

    A file of a container's group is where the group itself would be outside, so that the whole way
    up is looked at. `root` is the machine's, or a copy for tests. Source: proc(5), cgroups(7).
    """
    return min([_of_machine(root), *_of_groups(root)]) // MIB


def _of_machine(root: Path) -> int:
    for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _of_groups(root: Path) -> list[int]:
    """Return what each group above us still allows, in bytes, of both versions of groups."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []  # a kernel without control groups
    left: list[int] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            left += _up(root / "sys/fs/cgroup", path, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            left += _up(top, path, "memory.limit_in_bytes", "memory.usage_in_bytes")
    return left


def _up(top: Path, path: str, limit_name: str, usage_name: str) -> list[int]:
    folder = top / path.strip("/")
    folders = [folder, *(parent for parent in folder.parents if top in (parent, *parent.parents))]
    found = []
    for one in folders:
        try:
            limit, usage = _number(one / limit_name), _number(one / usage_name)
        except FileNotFoundError:
            continue
        if limit is not None and usage is not None:
            found.append(max(0, limit - usage))
    return found


def _number(path: Path) -> int | None:
    """Read a number of a control group; None for "max"."""
    text = path.read_text(encoding="ascii").strip()
    return int(text) if text.isdigit() else None
