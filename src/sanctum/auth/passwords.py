"""Passwords under argon2id, always in a bounded pool of threads and never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_COST_KIB = 19_456
TIME_COST = 2
PARALLELISM = 1

T = TypeVar("T")

_hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_COST_KIB, parallelism=PARALLELISM)


class PasswordsOverloaded(Exception):
    """Say that too many passwords wait to be verified already."""


def hash_password(password: str) -> str:
    """Hash a password; takes some 20 ms of one core."""
    return _hasher.hash(password)


def verify_password(password_hash: str, password: str) -> bool:
    """Tell whether a password belongs to a hash; takes some 20 ms of one core."""
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hash_of_nobody() -> str:
    return hash_password("no account has this password")


class Passwords:
    """Hash and verify in a few threads, with a bound on how many requests wait for one."""

    def __init__(self, *, threads: int, waiting_max: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._pending_max = threads + waiting_max
        self._pending = 0

    async def hash(self, password: str) -> str:
        """Hash a password; raises PasswordsOverloaded."""
        return await self._run(hash_password, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Verify a password, taking as long for an unknown account as for a known one.

        Args:
            password_hash: the stored hash, None where there is no such account.
            password: what the client sent.

        Raises:
            PasswordsOverloaded: when too many wait already.
        """
        if password_hash is None:
            await self._run(_verify_nobody, password)
            return False
        return await self._run(verify_password, password_hash, password)

    def close(self) -> None:
        """Give up what waits; a hash being computed ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._pending >= self._pending_max:
            raise PasswordsOverloaded
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, *arguments)
        finally:
            self._pending -= 1


def _verify_nobody(password: str) -> bool:
    return verify_password(_hash_of_nobody(), password)
