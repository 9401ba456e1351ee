"""The fault `host-disk`."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from stormproof.faults.host import Burden, Host, lift_all, what_has_ended, what_is_not_lifted
from stormproof.kernel.errors import FaultRefused

WITNESS_S = 10.0
MIB = 1 << 20
_BLOCK = 512  # what `st_blocks` counts in, whatever the disk
_LOOK_EVERY_S = 0.05


class HostDisk:
    """Take space on the disk that the stack's databases write to, or keep that disk busy.

    What it does:
        A process of ours holds a file of `mib` MiB in the stack's private folder; with `mode`
        "write" (default "fill") it also writes it over and over and waits for the disk each time.
        Undoing ends the process. The file has no name, so its space is free again with that,
        whoever ended the process and how.
    Why it matters:
        Logs, backups and neighbours fill disks, and a busy disk makes each commit wait. Databases
        stop or shut down where services hoped for an error.
    What a failure looks like:
        Writes hang or fail long after there is space again; what was acknowledged is missing;
        response times of reads rise with those of writes.
    Limits:
        Never below `leave_mib` MiB of free space (default 1024, at least 256): more is refused, and
        all is given back when others take what is left. So the disk is short, not full, unless the
        temporary folder lies on a small disk of its own. It ends by itself ten seconds after the
        fault should have ended.
    Source:
        Litmus' disk-fill and node-io-stress.
    """

    def __init__(
        self, host: Host, *, name: str, for_ns: int, mib: int, leave_mib: int, mode: str
    ) -> None:
        self._host = host
        self._name = name
        self._for_ns = for_ns
        self._mib = mib
        self._leave_mib = leave_mib
        self._mode = mode
        self._burdens: list[Burden] = []

    async def inject(self) -> str:
        """Start to take the space."""
        folder = str(self._host.folder)
        disk = os.statvfs(folder)
        free = disk.f_bavail * disk.f_frsize // MIB
        if free - self._mib < self._leave_mib:
            raise FaultRefused(
                f"{self._mib} MiB of disk are not taken: {free} MiB are free in {folder}, of which "
                f"{self._leave_mib} MiB have to be left"
            )
        words = ("disk", folder, str(self._mib), str(self._leave_mib // 2), self._mode)
        self._burdens.append(await self._host.burden(self._name, self._for_ns, *words))
        return f"taking {self._mib} MiB of the {free} MiB free in {folder}"

    async def witness(self) -> str | None:
        """Show that the file has its size, and with "write" that the disk has taken bytes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WITNESS_S
        while loop.time() < deadline and all(burden.is_there for burden in self._burdens):
            pids = [burden.process.pid for burden in self._burdens]
            held = sum(size for pid in pids for size in _nameless_files(pid)) // MIB
            written = sum(map(_written_bytes, pids)) // MIB if self._mode == "write" else 0
            if held >= self._mib and (written or self._mode != "write"):
                return f"{held} MiB are held" + (f", {written} MiB written" if written else "")
            await asyncio.sleep(_LOOK_EVERY_S)
        return None

    async def lapse(self) -> str | None:
        """Show a burden that has ended by itself."""
        return what_has_ended(self._burdens)

    async def undo(self) -> str:
        """Give the space back."""
        return await lift_all(self._burdens)

    async def residue(self) -> str | None:
        """Show a process that still holds space."""
        return what_is_not_lifted(self._burdens)


def _nameless_files(pid: int) -> Iterator[int]:
    """Yield the sizes on disk, in bytes, of files that a process holds and nobody can open."""
    for handle in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            status = handle.stat()
        except OSError:
            continue  # it was closed, or the process has ended
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
            yield status.st_blocks * _BLOCK


def _written_bytes(pid: int) -> int:
    """Return what a process has had written to disk; 0 for one that is gone. Source: proc(5)."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))
