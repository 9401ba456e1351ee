"""Wire what is read of a stack: its servers, and of one of our own its processes and their logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from stormproof.faults.part_logs import log_path
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import BadInput, Problem
from stormproof.model.event import Event, WarningEvent
from stormproof.model.part import Part, Server, StackPlan
from stormproof.observe.cgroups import CgroupSource
from stormproof.observe.logs import OTHER_KINDS, LogSource
from stormproof.observe.parts import PartsInSight
from stormproof.observe.postgres_stats import PostgresSource
from stormproof.observe.processes import ProcessSource
from stormproof.observe.valkey_stats import ValkeySource
from stormproof.seams import Source

LOGGED: Final = "logged-error"  # the code of the warning that tells one of each kind


class StackSources:
    """The sources of one stack, fed by what its keeper tells; where the target runs already, only
    those of the servers that are known.

    Args:
        plan: of the stack; None where it is not ours.
        on_warning: records one line of each kind of error that a part logs, and tells it.
        servers: that keep statistics, of the stack or of a target that runs already.
        streams: of Valkey, that are looked at.

    Raises:
        BadInput: two servers are of one kind; their figures would be taken for one another's.
    """

    def __init__(
        self,
        plan: StackPlan | None,
        on_warning: Callable[[Event], None],
        servers: Sequence[Server],
        streams: Sequence[str] = (),
    ) -> None:
        _refuse_twins(servers)
        self._on_warning = on_warning
        self._parts = PartsInSight({} if plan is None else _logs(plan))
        self._urls = {} if plan is None else _urls(plan)
        self._log = LogSource(self._parts, self._on_kind, () if plan is None else plan.hidden)
        self._asked = [_asked(server, streams) for server in servers]
        self._sources: list[Source] = [*self._asked]
        if plan is not None:
            self._sources += [ProcessSource(self._parts), CgroupSource(self._parts), self._log]

    def note(self, event: Event) -> None:
        """Take what the keeper tells."""
        self._parts.note(event)

    def named(self, name: str) -> list[Source]:
        """Return the source of that name, where there is one."""
        return [source for source in self._sources if source.name == name]

    def urls_of(self, part: str) -> list[str]:
        """Return where a part serves by HTTP, past every link; nothing where it does not."""
        return self._urls.get(part, [])

    async def close(self) -> None:
        """Let go of connections and files."""
        for source in self._asked:
            await source.close()
        await self._log.close()

    def _on_kind(self, part: str, kind: str, example: str) -> None:
        more = "of a kind beyond the limit, " if kind == OTHER_KINDS else ""
        text = f"{part} logged an error, {more}such as: {example}"
        self._on_warning(WarningEvent(at_ns=monotonic_ns(), code=LOGGED, text=text))


def _logs(plan: StackPlan) -> dict[str, Path]:
    folder = Path(plan.run_dir) / "logs"
    parts = [step.name for step in plan.steps if isinstance(step, Part)]
    return {name: log_path(folder, name) for name in parts}


def _urls(plan: StackPlan) -> dict[str, list[str]]:
    parts = [step for step in plan.steps if isinstance(step, Part) and step.ready.kind == "http"]
    return {one.name: [f"http://{one.ready.host}:{one.ready.port}"] for one in parts}


def _refuse_twins(servers: Sequence[Server]) -> None:
    kinds = Counter(server.kind for server in servers)
    twins = [kind for kind, count in kinds.items() if count > 1]
    if twins:
        fix = "name one server of each kind"
        problems = [Problem(where=one, what="several servers are of it", fix=fix) for one in twins]
        raise BadInput(problems)


def _asked(server: Server, streams: Sequence[str]) -> PostgresSource | ValkeySource:
    if server.kind == "postgres":
        return PostgresSource(server.part, server.url)
    return ValkeySource(server.part, server.url, streams)
