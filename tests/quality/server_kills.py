"""Kill controllers, and every third time their keepers too, at random instants while servers that
outlive them are broken; count what is left.

    .venv/bin/python -m tests.quality.server_kills [ROUNDS] [SEED]

The small stack stands for the stack; a PostgreSQL and a Valkey outside of it are what its faults
break, while an application reads and writes there. After each kill: how long until the keeper is
gone, and are grants, tables, settings and sessions what they were? Where the keeper was killed as
well `heal` puts them right. Ends with 1 when anything was left.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import msgspec
from tests.integration.faults.controller_entry import Order
from tests.integration.faults.dead_runs import open_run
from tests.integration.faults.real_servers import (
    APPLICATION,
    DATABASE,
    MADE,
    TABLE,
    cache,
    database,
    fault,
)
from tests.integration.faults.small_stack import HERE, SmallStack, record_at
from tests.integration.observe.watched import connected
from tests.sanctum.servers import OWNER, Postgres, Valkey

from stormproof.faults.heal import heal
from stormproof.faults.processes import ProcessId, is_alive, send_signal
from stormproof.model.plan import PlannedFault
from stormproof.stack.ports import choose_ports

GONE_WITHIN_S = 2.0  # the bar
GIVE_UP_S = 15.0
LATEST_S = 2.5  # after the first fault's intent
FAULTS = {
    "role": fault("security-role", "server", role=APPLICATION, table=TABLE, privilege="select"),
    "lock": fault("database-lock", "server", table=TABLE, mode="access-exclusive"),
    "load": fault("database-load", "server", connections=4, work="disk"),
    "made": fault(
        "database-statement",
        "server",
        do="CREATE TABLE more ()",
        undo="DROP TABLE more",
        witness="SELECT to_regclass('more') IS NOT NULL",
    ),
    "less": fault("cache-eviction", "other", memory=0.5, policy="allkeys-lru"),
}
ALONE = {"full": fault("database-exhaustion", "server", left=2, sessions="end")}
LEFT = """
SELECT has_table_privilege('app', 'things', 'select') AS may_read,
       to_regclass('more') IS NOT NULL AS more,
       (SELECT count(*) FROM pg_stat_activity
         WHERE application_name LIKE 'stormproof%') AS sessions,
       (SELECT count(*) FROM pg_locks
         WHERE mode = 'AccessExclusiveLock' AND relation = 'things'::regclass) AS locks
"""
WHOLE = {"may_read": True, "more": False, "sessions": 0, "locks": 0, "policy": "noeviction"}


async def use(postgres: Postgres, valkey: Valkey, done: asyncio.Event) -> int:
    """Be an application; whatever is refused is tried again. Return how often it was served."""
    served = 0
    while not done.is_set():
        try:
            async with asyncio.timeout(0.5):
                connection = await asyncpg.connect(postgres.url(DATABASE, APPLICATION))
                try:
                    await connection.fetch(f"SELECT * FROM {TABLE}")  # noqa: S608 - a constant
                    served += 1
                finally:
                    connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(0.01)
    return served


async def state(postgres: Postgres, valkey: Valkey) -> dict[str, object]:
    """Look at all that the faults change."""
    (row,) = await postgres.fetch(LEFT)
    client = await connected(valkey)
    policy = await client.call("CONFIG", "GET", "maxmemory-policy")
    await client.close()
    return {**dict(row), "policy": policy[1] if isinstance(policy, list) else policy}


def start(small: SmallStack, faults: list[PlannedFault]) -> subprocess.Popen[bytes]:
    order = Order(
        keeper_argv=small.keeper_argv,
        plan=small.plan,
        faults=faults,
        index_dir=str(small.index_dir),
    )
    argv = [sys.executable, str(HERE / "controller_entry.py")]
    controller = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert controller.stdin is not None
    controller.stdin.write(msgspec.json.encode(order))
    controller.stdin.close()
    return controller


def begun(journal: Path) -> int:
    """Count the faults whose intent is written."""
    return journal.read_bytes().count(b'"fault-intended"') if journal.exists() else 0


def stack_at(root: Path, postgres: Postgres, valkey: Valkey) -> SmallStack:
    """Plan a stack whose two parts stand for the servers."""
    small = SmallStack(root=root)
    small.servers = [
        msgspec.structs.replace(database(postgres), part="server"),
        msgspec.structs.replace(cache(valkey), part="other"),
    ]
    port = choose_ports(["other"], {})["other"]
    small.extra_steps.append(small.server(name="other", port=port))
    return small


def heal_by_url(small: SmallStack, postgres: Postgres, valkey: Valkey) -> str:
    """Heal; return what was not, empty when all was."""
    journal = small.run_dir / "undo.jsonl"
    # The part that stands for the cache has ended, and the cache has not.
    lines = [one for one in journal.read_text().splitlines()
             if not ("part-started" in one and '"other"' in one)]  # fmt: skip
    journal.write_text("\n".join(lines) + "\n")
    urls = {
        "STORMPROOF_URL_SERVER": postgres.url(DATABASE, OWNER),
        "STORMPROOF_URL_OTHER": valkey.url,
    }
    report = heal(small.index_dir, None, record_at, urls)
    return "" if report.is_clean else "; ".join(report.lines)


async def break_and_kill(
    number: int, chance: random.Random, small: SmallStack
) -> tuple[ProcessId, int]:
    """Return the keeper, and how many faults had begun when the controller was killed."""
    named = ALONE if number % 5 == 4 else FAULTS
    planned = [msgspec.structs.replace(one, name=name) for name, one in named.items()]
    controller = start(small, planned)
    journal = small.run_dir / "undo.jsonl"
    while not begun(journal):
        await asyncio.sleep(0.01)
    await asyncio.sleep(chance.uniform(0, LATEST_S))
    keeper, faults = open_run(small).keeper, begun(journal)
    if is_with_keeper(number):
        send_signal(keeper, signal.SIGKILL)
    controller.kill()
    controller.wait()
    return keeper, faults


def is_with_keeper(number: int) -> bool:
    """Say whether the keeper is killed as well in a round."""
    return number % 3 == 2


async def one_round(
    number: int, chance: random.Random, postgres: Postgres, valkey: Valkey, root: Path
) -> tuple[float, int, dict[str, object]]:
    """Break, kill, wait; return the seconds until all had ended, how many faults had begun when it
    was killed, and what is left."""
    small = stack_at(root, postgres, valkey)
    keeper, faults = await break_and_kill(number, chance, small)
    killed, left = time.monotonic(), dict[str, object]()
    while is_alive(keeper) and time.monotonic() - killed < GIVE_UP_S:
        await asyncio.sleep(0.01)
    if is_with_keeper(number):
        left["heal"] = await asyncio.to_thread(heal_by_url, small, postgres, valkey)
    elif problem := small.keeper_segment().problem:
        left["record"] = problem
    took = time.monotonic() - killed
    while (found := await state(postgres, valkey)) != WHOLE:
        if time.monotonic() - killed > GONE_WITHIN_S:
            break
        await asyncio.sleep(0.05)
    left |= {name: value for name, value in found.items() if value != WHOLE[name]}
    left["stack"] = "" if small.is_gone() else "still there"
    return took, faults, {name: what for name, what in left.items() if what != ""}


async def main(rounds: int, seed: int) -> int:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    postgres, valkey = Postgres(max_connections="24"), Valkey()
    postgres.start()
    valkey.start()
    failed, times, in_force = 0, [], 0
    done = asyncio.Event()
    try:
        await postgres.execute(*MADE)
        await (await connected(valkey)).close()
        using = asyncio.ensure_future(use(postgres, valkey, done))
        with tempfile.TemporaryDirectory() as folder:
            for number in range(rounds):
                root = Path(folder) / str(number)
                root.mkdir()
                took, began, left = await one_round(number, chance, postgres, valkey, root)
                times.append(took)
                in_force += began
                failed += bool(left) or took > GONE_WITHIN_S
                note = "and keeper" if is_with_keeper(number) else ""
                ended = f"all ended in {took:.2f} s, left: {left or 'nothing'}"
                print(f"{number:3} killed {note:10} with {began} faults begun: {ended}", flush=True)
        done.set()
        served = await using
    finally:
        postgres.stop()
        valkey.kill()
    times.sort()
    median, slowest = times[len(times) // 2], times[-1]
    print(
        f"{rounds} kills, {in_force} faults begun, seed {seed}: {failed} left something or took "
        f"over {GONE_WITHIN_S:g} s; median {median:.2f} s, slowest {slowest:.2f} s; "
        f"the application was served {served} times"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(asyncio.run(main(*(given + [50, 1][len(given) :]))))
