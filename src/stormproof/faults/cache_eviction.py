"""The fault `cache-eviction`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final

from stormproof.faults.caches import LOOK_EVERY_S, cache_on, statistics
from stormproof.faults.databases import Promise
from stormproof.kernel.errors import FaultRefused
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.resp import RespConnection, RespError

MEMORY, POLICY = "maxmemory", "maxmemory-policy"
REFUSING: Final = "noeviction"
WITNESS_S: Final = 2.0
_OUT_OF_MEMORY: Final = "OOM"
_TRIAL_MS: Final = "1000"  # what is written to see whether it is refused goes by itself


class CacheEviction:
    """Take a cache's memory away, so that it drops keys or refuses writes.

    What it does:
        Lowers the bound of the server's memory (maxmemory) so far that only the share `memory` of
        the data that it holds now has room, with the policy that says what goes: `noeviction`
        refuses all writes (OOM), `allkeys-..` drops any keys, `volatile-..` only those that
        expire. Both are set back to what they were on undo.
    Why it matters:
        A cache is small and fills up without anybody noticing. Then it drops what is needed most,
        or refuses writes while reads still work, which few services are ready for.
    What a failure looks like:
        Sessions and limits are forgotten; a stream is dropped with all its messages; refused
        writes fail requests that could do without a cache, or are retried without pause.
    Limits:
        The server's own memory and that of its clients' buffers is not taken into the share, as
        it cannot be dropped. Keys that were dropped do not come back. Where keys of a policy do
        not suffice writes are refused, too. Managed servers may refuse CONFIG SET, and so the
        fault.
    Source:
        Valkey's documentation of key eviction and of INFO.
    """

    def __init__(self, server: Server, planned: PlannedFault, promise: Promise) -> None:
        self._server = server
        self._promise = promise
        self._share = float(planned.settings["memory"])
        self._policy = str(planned.settings["policy"])
        self._before: dict[str, str] = {}
        self._bound = ""
        self._evicted_before = 0

    async def inject(self) -> str:
        """Lower the bound, having written down what it was."""
        async with cache_on(self._server, changes=True) as connection:
            now = await statistics(connection)
            if not {"used_memory", "used_memory_dataset", "evicted_keys"} <= now.keys():
                raise FaultRefused(f"{self._server.part} does not tell how much memory it uses")
            before = await _settings(connection)
            self._evicted_before = now["evicted_keys"]
            bound = now["used_memory"] - int((1 - self._share) * now["used_memory_dataset"])
            self._promise(before)
            self._before = before
            self._bound = str(max(1, bound))
            try:
                await connection.call("CONFIG", "SET", POLICY, self._policy)
                await connection.call("CONFIG", "SET", MEMORY, self._bound)
            except RespError:
                await put_back_memory(connection, before)
                raise
        return (
            f"{MEMORY} is {bound}, was {before[MEMORY]}, with {now['used_memory']} bytes in use; "
            f"{POLICY} is {self._policy}, was {before[POLICY]}"
        )

    async def witness(self) -> str | None:
        """Show keys that were dropped, or a write of our own that is refused (OOM)."""
        deadline = asyncio.get_running_loop().time() + WITNESS_S
        async with cache_on(self._server) as connection:
            while True:
                refusal = await _refusal_of_a_write(connection)
                now = await statistics(connection)
                evicted = now["evicted_keys"] - self._evicted_before
                if evicted > 0 or refusal:
                    told = f"{evicted} keys were dropped"
                    return f"{told}; a write is refused: {refusal}" if refusal else told
                if asyncio.get_running_loop().time() >= deadline:
                    return None
                await asyncio.sleep(LOOK_EVERY_S)

    async def lapse(self) -> str | None:
        """Show a bound or a policy that somebody else has changed."""
        async with cache_on(self._server) as connection:
            now = await _settings(connection)
        if now == {MEMORY: self._bound, POLICY: self._policy}:
            return None
        return f"{MEMORY} was {now[MEMORY]} and {POLICY} {now[POLICY]} before the undo"

    async def undo(self) -> str:
        """Set the bound and the policy back to what they were."""
        if not self._before:
            return "nothing was changed"
        async with cache_on(self._server, changes=True) as connection:
            return await put_back_memory(connection, self._before)

    async def residue(self) -> str | None:
        """Show a bound or a policy that is not what it was."""
        if not self._before:
            return None
        async with cache_on(self._server) as connection:
            now = await _settings(connection)
        left = [f"{name} is {now[name]}, was {was}"
                for name, was in self._before.items() if now[name] != was]  # fmt: skip
        return "; ".join(left) or None


async def put_back_memory(connection: RespConnection, values: Mapping[str, str]) -> str:
    """Set a server's bound and policy."""
    for name in (MEMORY, POLICY):
        await connection.call("CONFIG", "SET", name, values[name])
    return f"{MEMORY} is {values[MEMORY]} and {POLICY} is {values[POLICY]} again"


async def _settings(connection: RespConnection) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (MEMORY, POLICY):
        match await connection.call("CONFIG", "GET", name):
            case [str(), str(value)]:
                found[name] = value
            case _:
                raise ValueError(f"CONFIG GET {name} gives no value")
    return found


async def _refusal_of_a_write(connection: RespConnection) -> str:
    """Write a key that goes by itself; return the refusal, empty where it is taken."""
    key = f"stormproof:witness:{secrets.token_hex(8)}"
    try:
        await connection.call("SET", key, "1", "PX", _TRIAL_MS)
        await connection.call("UNLINK", key)
    except RespError as error:
        if not str(error).startswith(_OUT_OF_MEMORY):
            raise
        return str(error)
    return ""
