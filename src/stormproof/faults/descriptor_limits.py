"""How many descriptors a process may open: lowered so that few are left, and given back.

A root without the capability for it, as in most containers, may neither see nor limit what runs
as another user: it does both as that user.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

from stormproof.faults.processes import ProcessId, is_alive
from stormproof.kernel.errors import FaultRefused


def limits_of(process: ProcessId) -> tuple[int, int] | None:
    """Return a process's soft and hard limit of descriptors; None when it is gone.

    Raises:
        FaultRefused: the kernel does not let us.
    """
    return _prlimit(process, None)


def numbers_in_use(process: ProcessId) -> set[int]:
    """Return the numbers of the descriptors that a process has open; none of one that is gone.

    Raises:
        FaultRefused: the kernel does not let us look.
    """
    try:
        with _as_its_user(process):
            return {int(entry.name) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    except PermissionError as error:
        raise FaultRefused(f"the descriptors of process {process.pid} cannot be seen") from error


def limit_that_leaves(spare: int, in_use: Iterable[int]) -> int:
    """Return the limit under which exactly `spare` more descriptors can be opened.

    A new descriptor gets the lowest free number, and all have to be below the limit.
    """
    taken, number, free = set(in_use), 0, 0
    while free < spare or number in taken:
        free += number not in taken
        number += 1
    return number


def spare_under(limit: int, in_use: Iterable[int]) -> int:
    """Return how many more descriptors can be opened under a limit."""
    return limit - sum(number < limit for number in in_use)


def set_soft_limit(process: ProcessId, soft: int) -> bool:
    """Set a process's soft limit, at most its hard one, which stays; say whether it was there.

    Raises:
        FaultRefused: the kernel does not let us.
    """
    now = limits_of(process)
    if now is None:
        return False
    _, hard = now
    allowed = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    return _prlimit(process, (allowed, hard)) is not None


def _prlimit(process: ProcessId, limits: tuple[int, int] | None) -> tuple[int, int] | None:
    if not is_alive(process):
        return None
    try:
        with _as_its_user(process):
            if limits is None:
                return resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            return resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError as error:
        raise FaultRefused(f"the limits of process {process.pid} may not be changed") from error


@contextlib.contextmanager
def _as_its_user(process: ProcessId) -> Iterator[None]:
    """Be the user that a process runs as, if we are root and it is not, and be root again.

    Both what prlimit(2) and what proc(5) ask for is that the real user is the same.
    """
    owner = Path(f"/proc/{process.pid}").stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    os.setresgid(owner.st_gid, owner.st_gid, 0)
    try:
        os.setresuid(owner.st_uid, owner.st_uid, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)
    finally:
        os.setresgid(0, 0, 0)
