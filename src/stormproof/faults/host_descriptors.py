"""The fault `host-descriptors`."""

from __future__ import annotations

from stormproof.faults.chronicle import Chronicle
from stormproof.faults.coming_back import running_process
from stormproof.faults.descriptor_limits import (
    limit_that_leaves,
    limits_of,
    numbers_in_use,
    set_soft_limit,
    spare_under,
)
from stormproof.faults.journal import LimitIntended
from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import ProcessId, descendants
from stormproof.kernel.errors import FaultRefused


class HostDescriptors:
    """Leave the processes of a part hardly any descriptor to open.

    What it does:
        Lowers the limit of descriptors (`RLIMIT_NOFILE`) of every process of the part so far that
        `spare` more can be opened (default 0); what is open stays open. Undoing gives each process
        back the limit that it had, and those born meanwhile that of the part.
    Why it matters:
        Each connection, file and pipe takes a descriptor. A leak or a rush of clients uses them up,
        and then accepting, connecting and opening fail all at once, mostly in code that was never
        seen to fail.
    What a failure looks like:
        The process dies or spins on accepting; health says "ready" while nobody gets in; after the
        undo connections stay refused, because the listener was closed or a pool broken for good.
    Limits:
        What the part closes under the limit it may open again. A process that raises its own limit
        is out of it, which the witness shows. The hard limit stays as it is, so that nobody has to
        be root to undo. Only processes of our own user can be limited.
    Source:
        prlimit(2); Litmus has no such fault.
    """

    def __init__(self, part: RunningPart, *, name: str, spare: int, chronicle: Chronicle) -> None:
        self._part = part
        self._name = name
        self._spare = spare
        self._chronicle = chronicle
        self._lowered: dict[ProcessId, LimitIntended] = {}
        self._root: ProcessId | None = None

    async def inject(self) -> str:
        """Lower the limit of each process, its old one on disk before."""
        self._root = running_process(self._part)
        tree = [self._root, *descendants(self._root)]
        try:
            for process in tree:
                self._lower(process)
        except FaultRefused:
            self._restore()
            raise
        return f"{len(self._lowered)} processes of {self._part.name} may open {self._spare} more"

    async def witness(self) -> str | None:
        """Show that the limits hold and how many descriptors can still be opened under them."""
        spares = []
        for process, line in self._lowered.items():
            now = limits_of(process)
            if now is not None and now[0] != line.lowered:
                return None
            if now is not None:
                spares.append(spare_under(now[0], numbers_in_use(process)))
        if not spares:
            return None
        most = max(spares)
        return f"{len(spares)} processes of {self._part.name} can open at most {most} more each"

    async def lapse(self) -> str | None:
        """Show processes whose limit somebody else has changed."""
        limits = {process: limits_of(process) for process in self._lowered}
        changed = [
            process
            for process, now in limits.items()
            if now is not None and now[0] != self._lowered[process].lowered
        ]
        pids = ", ".join(str(one.pid) for one in changed)
        return f"had their limit changed before: processes {pids}" if changed else None

    async def undo(self) -> str:
        """Give every process its limit back."""
        count = self._restore()
        return f"{count} processes of {self._part.name} have their limit back"

    async def residue(self) -> str | None:
        """Show a process whose limit is still lowered."""
        left = [
            process for process in self._tree() if self._old_limit_if_lowered(process) is not None
        ]
        pids = ", ".join(str(process.pid) for process in left)
        return f"still limited: processes {pids} of {self._part.name}" if left else None

    def _lower(self, process: ProcessId) -> None:
        now = limits_of(process)
        if now is None:
            return
        lowered = limit_that_leaves(self._spare, numbers_in_use(process))
        if lowered >= now[0]:
            return  # it can open no more than that anyway
        line = LimitIntended(fault=self._name, process=process, soft=now[0], lowered=lowered)
        self._chronicle.commit(None, line)
        self._lowered[process] = line
        set_soft_limit(process, lowered)

    def _restore(self) -> int:
        """Restore the limits, as far as they are still ours; return of how many processes."""
        limited = [(process, self._old_limit_if_lowered(process)) for process in self._tree()]
        return sum(set_soft_limit(process, old) for process, old in limited if old is not None)

    def _tree(self) -> list[ProcessId]:
        """Return the processes that were limited and those that may have inherited a limit."""
        below = [] if self._root is None else descendants(self._root)
        return list(dict.fromkeys([*self._lowered, *below]))

    def _old_limit_if_lowered(self, process: ProcessId) -> int | None:
        """Return the limit that a process is to have back; None when it has no lowered one."""
        now = limits_of(process)
        if now is None:
            return None
        if line := self._lowered.get(process):
            return line.soft if now[0] == line.lowered else None
        inherited = [line.soft for line in self._lowered.values() if line.lowered == now[0]]
        return inherited[0] if inherited else None
