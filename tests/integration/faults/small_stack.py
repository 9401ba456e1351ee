"""A stack that starts in a tenth of a second: an echo server behind a link."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stormproof.model.audit import AuditOrigin
from stormproof.model.event import Event
from stormproof.model.part import Link, Part, Readiness, Server, StackPlan, Step
from stormproof.model.plan import PlannedFault
from stormproof.stack.kept import KeptStack
from stormproof.stack.ports import choose_ports
from stormproof.store.segment import SegmentContent, SegmentRecorder, read_segment

HERE = Path(__file__).parent
KEEPER_ARGV = [sys.executable, str(HERE / "keeper_entry.py")]
PATIENCE_S = 20.0

ECHO = """
import asyncio, sys
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def serve():
    server = await asyncio.start_server(echo, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(serve())
"""

CUT = PlannedFault(name="cut", kind="link-partition", part="wire", at_ns=0, for_ns=1)
RESTART = PlannedFault(name="restart", kind="process-restart", part="server", at_ns=0)


@dataclass(kw_only=True)
class SmallStack:
    """One run of the small stack below a test's folder."""

    root: Path
    keeper_argv: list[str] = field(default_factory=lambda: KEEPER_ARGV)
    events: list[Event] = field(default_factory=list)
    first_steps: list[Step] = field(default_factory=list)  # in place of the server
    extra_steps: list[Step] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.run_id = f"test-{secrets.token_hex(6)}"
        self.run_dir = self.root / self.run_id
        (self.run_dir / "record").mkdir(parents=True)
        self.audit = self.root / "audit.jsonl"
        self.index_dir = self.root / "index" / "open"
        self.private_dir = Path(tempfile.gettempdir()) / f"stormproof-{self.run_id}-0"
        self.ports = choose_ports(["server", "wire"], {})

    @property
    def plan(self) -> StackPlan:
        return StackPlan(
            run_id=self.run_id,
            run_dir=str(self.run_dir),
            private_dir=str(self.private_dir),
            base_url=f"http://127.0.0.1:{self.ports['wire']}",
            steps=[*(self.first_steps or [self.server()]), self.link(), *self.extra_steps],
            servers=self.servers,
        )

    def server(self, *, name: str = "server", port: int = 0) -> Part:
        port = port or self.ports["server"]
        return Part(
            name=name,
            argv=[sys.executable, "-I", "-S", "-c", ECHO, str(port)],
            cwd=str(self.root),
            ready=Readiness(kind="tcp", port=port),
            breakable=True,
        )

    def link(self) -> Link:
        return Link(name="wire", listen_port=self.ports["wire"], upstream_port=self.ports["server"])

    def kept(self, *faults: PlannedFault) -> KeptStack:
        origin = AuditOrigin(path=str(self.audit), who="us", target="small", why="a test")
        return KeptStack(
            self.keeper_argv, self.plan, faults, self.events.append, self.index_dir, origin
        )

    def is_gone(self) -> bool:
        """Whether no port answers, no folder and no index entry is left."""
        entries = list(self.index_dir.glob("*")) if self.index_dir.exists() else []
        ports = [port for port in self.ports.values() if accepts(port)]
        return not (entries or ports or self.private_dir.exists())

    def keeper_segment(self) -> SegmentContent:
        return self.segment("keeper.seg")

    def segment(self, name: str) -> SegmentContent:
        return read_segment((self.run_dir / "record" / name).read_bytes())


def accepts(port: int) -> bool:
    """Whether a loopback port takes connections."""
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def record_at(path: Path, writer: str) -> SegmentRecorder:
    """Open a segment."""
    return SegmentRecorder(path, writer=writer)


def until(condition: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come"
        time.sleep(0.01)


async def until_async(condition: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Wait for a condition in the event loop; fail when it does not come."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)
