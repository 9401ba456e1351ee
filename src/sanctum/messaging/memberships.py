"""Memberships: who takes part in a conversation, kept at hand and never stale for long.

Every change of participants raises the conversation's `participants_version` in its transaction,
so that of two lists the newer one is known. A list is kept in the process and in the cache. A
change is applied in its own process and published to the others before it is acknowledged; an older
list that is still on its way from the database replaces no newer one.

A publication may be lost. While a process knows that it is not subscribed it trusts only the cache
and the database; and whatever it does not know, no list is trusted longer than `trusted_s` after
the database was last seen to agree with it. A sweep looks at that for all lists at once.

Only a list that names the user is believed: a refusal is always read from the database, so nobody
is locked out by what is stale.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import cast

import msgspec

from sanctum.backing.cache import Cache
from sanctum.backing.database import Database
from sanctum.backing.errors import CacheUnavailable, DatabaseUnavailable
from sanctum.messaging.metrics import MessagingMetrics

logger = logging.getLogger(__name__)

TOPIC = "sanctum:participants"
_KEY_PREFIX = "sanctum:participants:"
_LOAD = """
    SELECT version, ARRAY(SELECT user_id FROM participants WHERE conversation_id = $1)
    FROM participants_versions(ARRAY[$1::bigint])
"""
_VERSIONS = "SELECT conversation_id, version FROM participants_versions($1::bigint[])"
_PUT_NEWEST = """
local held = redis.call('GET', KEYS[1])
local readable, old = pcall(cjson.decode, held)
if readable and old.version and old.version >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class Membership(msgspec.Struct, frozen=True):
    """Hold who takes part in a conversation, as of a version of that list."""

    conversation: int
    version: int
    users: tuple[int, ...]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Membership)


class MembershipStorage:
    """Read participants past row-level security; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, conversation: int) -> Membership | None:
        """Read who takes part in a conversation, None when there is no such conversation."""
        row = await self._database.fetch_one("participants", _LOAD, conversation)
        if row is None:
            return None
        users = tuple(cast(list[int], row[1]))
        return Membership(conversation=conversation, version=cast(int, row[0]), users=users)

    async def versions(self, conversations: Collection[int]) -> dict[int, int]:
        """Give the version of the participants of each conversation that exists."""
        rows = await self._database.fetch("participants_versions", _VERSIONS, list(conversations))
        return {cast(int, row[0]): cast(int, row[1]) for row in rows}


@dataclass(slots=True)
class _Kept:
    membership: Membership
    trusted_until: float


class Memberships:
    """Find who takes part in a conversation, from the nearest place that may be trusted.

    Attributes:
        name: the topic on which changes are published.
        subscribed: whether what others publish reaches this process at present.
    """

    def __init__(
        self,
        storage: MembershipStorage,
        cache: Cache,
        metrics: MessagingMetrics,
        *,
        kept_max: int,
        trusted_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing kept.

        Args:
            storage: where the truth is.
            cache: what processes share.
            metrics: counts hits and misses.
            kept_max: lists kept in the process; the one used longest ago is forgotten first.
            trusted_s: seconds that a list is trusted after the database agreed with it.
            now: seconds that never go back.
        """
        self._storage = storage
        self._cache = cache
        self._metrics = metrics
        self._kept_max = kept_max
        self._trusted_s = trusted_s
        self._now = now
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self.name = TOPIC
        self.subscribed = False

    async def includes(self, conversation: int, user_id: int) -> bool | None:
        """Tell whether a user takes part; None when there is no such conversation.

        Raises:
            DatabaseUnavailable: when neither process nor cache know, and the database neither.
        """
        membership = await self._nearest(conversation)
        if membership is not None and user_id in membership.users:
            self._metrics.count_hit()
            return True
        self._metrics.count_miss()
        loaded = await self._load(conversation)
        return None if loaded is None else user_id in loaded.users

    async def exist(self, conversation: int) -> bool:
        """Tell whether there is such a conversation at all; raises DatabaseUnavailable."""
        return bool(await self._storage.versions([conversation]))

    async def users(self, conversation: int) -> tuple[int, ...]:
        """List who takes part as far as is known nearby; raises as `includes`."""
        membership = await self._nearest(conversation) or await self._load(conversation)
        return () if membership is None else membership.users

    def remember(self, membership: Membership) -> None:
        """Keep a list that was just committed and that nobody else can know yet."""
        self._keep(membership, self._now() + self._trusted_s)

    async def announce(self, membership: Membership) -> None:
        """Apply a committed change here and tell every other process of it."""
        self.remember(membership)
        encoded = _encoder.encode(membership)
        try:
            await self._cache.publish(TOPIC, [encoded])
            await self._share(membership, encoded, self._trusted_s)
        except CacheUnavailable as error:
            logger.debug("change is not announced", extra={"fields": {"reason": str(error)}})

    def offer(self, frame: bytes) -> None:
        """Take a change that another process made; raises msgspec.DecodeError."""
        # Kept also where nothing was: an older list may be on its way from the database.
        self.remember(_decoder.decode(frame))

    def all_fall_behind(self) -> None:
        """Trust nothing that is kept: a change may have been published that did not come here.

        It stays known how new each list is, so that an older one from the cache is not believed.
        """
        for kept in self._kept.values():
            kept.trusted_until = 0.0

    async def sweep(self) -> None:
        """Trust the lists that the database agrees with anew, forget others; or raise."""
        started = self._now()
        if not self._kept:
            return
        current = await self._storage.versions(list(self._kept))
        for conversation, kept in list(self._kept.items()):
            version = current.get(conversation)
            if version == kept.membership.version:
                kept.trusted_until = max(kept.trusted_until, started + self._trusted_s)
            elif version is None or version > kept.membership.version:
                self._kept.pop(conversation)

    async def _nearest(self, conversation: int) -> Membership | None:
        kept = self._kept.get(conversation)
        if kept is not None and self.subscribed and self._now() < kept.trusted_until:
            self._kept.move_to_end(conversation)
            return kept.membership
        try:
            shared = await self._cache.look_up(f"{_KEY_PREFIX}{conversation}")
        except CacheUnavailable:
            return None
        if shared is None:
            return None
        try:
            membership = _decoder.decode(shared.value)
        except msgspec.DecodeError:
            return None  # not of this service, or of another version of it
        if kept is not None and membership.version < kept.membership.version:
            return None
        self._keep(membership, self._now() + shared.ttl_s)
        return membership

    async def _load(self, conversation: int) -> Membership | None:
        started = self._now()
        loaded = await self._storage.load(conversation)
        if loaded is None:
            self._kept.pop(conversation, None)
            return None
        self._keep(loaded, started + self._trusted_s)
        trusted_s = started + self._trusted_s - self._now()
        try:
            await self._share(loaded, _encoder.encode(loaded), trusted_s)
        except CacheUnavailable as error:
            logger.debug("participants not shared", extra={"fields": {"reason": str(error)}})
        return loaded

    async def _share(self, membership: Membership, encoded: bytes, trusted_s: float) -> None:
        if trusted_s > 0:
            key = f"{_KEY_PREFIX}{membership.conversation}"
            ttl_ms = max(1, round(trusted_s * 1000))
            arguments: list[int | bytes] = [membership.version, encoded, ttl_ms]
            await self._cache.use(
                "put_newest", lambda client: client.register_script(_PUT_NEWEST)([key], arguments)
            )

    def _keep(self, membership: Membership, trusted_until: float) -> None:
        conversation = membership.conversation
        kept = self._kept.get(conversation)
        if kept is None or kept.membership.version < membership.version:
            self._kept[conversation] = _Kept(membership, trusted_until)
        elif kept.membership.version == membership.version:
            kept.trusted_until = max(kept.trusted_until, trusted_until)
        self._kept.move_to_end(conversation)
        if len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)


class MembershipSweep:
    """Look now and then whether a change was missed that nobody told of."""

    def __init__(self, memberships: Memberships, *, interval_s: float) -> None:
        self._memberships = memberships
        self._interval_s = interval_s

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._memberships.sweep()
            except DatabaseUnavailable as error:
                logger.info("sweep skipped", extra={"fields": {"reason": str(error)}})
