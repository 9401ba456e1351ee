"""Planted defects: known faults of the service, so that a tester can be tested.

All are off by default, switched on by name in ``SANCTUM_DEFECTS`` and refused in production. They
strike by count, never by chance, so that every run with a defect breaks the same promise. Every
other module asks at the place where a defect can bite, by a method named after what happens there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from sanctum.defects.catalogue import Defect

__all__ = ["Defect", "Defects"]

LOSE_FIRST_ORDINAL = 500
LOSE_EVERY_ORDINAL = 1000
CHARGE_AGAIN_EVERY_RETRY = 3
OVERSELL_EVERY_REFUSAL = 3
DRIFT_EVERY_CHARGE = 4
STUCK_EVERY_ROOM = 5
OVERLOOK_EVERY_TURN = 3
SLOW_FEED_S = 0.3
INDEX_LOCKS_S = 5.0
SKIP_EVERY_POST = 5
PASS_OVER_EVERY_NOTIFICATION = 10
STRAY_EVERY_ENTRY = 20
SKIP_EVERY_RESUME = 3
NEVER_REACHED = 2**40
HOLD_ACKNOWLEDGED_S = 0.5
HOLD_BACK_EVERY = 20
HOLD_BACK_S = 1.0
KEPT_OF_REQUEST_BYTES = 1024
KEEP_CONNECTION_EVERY = 5
LEFT_UNREAD_EVERY = 7
LIKE_TWICE_EVERY = 10
SKIP_POST_EVERY_PAGE = 10
LOG_IN_SLOWER_S = 0.002
LOG_IN_SLOWER_MAX_S = 2.0
HUSH_EVERY_REMOVAL = 3
CUT_ABOVE_BYTES = 32 * 1024
FLIP_ABOVE_BYTES = 16 * 1024
FLIP_EVERY_PAYLOAD = 10
DRIFT_EVERY_MARK = 5

Bound = TypeVar("Bound", int, float)


class Defects:
    """Answer, at each place where a defect can bite, whether it does."""

    def __init__(self, planted: Iterable[Defect] = ()) -> None:
        self._planted = frozenset(planted)
        self._counts: Counter[Defect] = Counter()
        self._kept: list[bytearray] = []

    @property
    def names(self) -> list[str]:
        """List the defects that are on, by name."""
        return sorted(defect.value for defect in self._planted)

    def _strikes(self, defect: Defect, *, every: int) -> bool:
        """Count one occasion; tell whether it is the `every`-th one, the next such one, ..."""
        if defect not in self._planted:
            return False
        self._counts[defect] += 1
        return self._counts[defect] % every == 0

    def hides(self, ordinal: int) -> bool:
        """Tell whether a committed message is lost, by its count over all channels."""
        lost = ordinal % LOSE_EVERY_ORDINAL == LOSE_FIRST_ORDINAL
        return lost and Defect.LOSE_MESSAGE in self._planted

    def withholds_turns(self, room_id: int) -> bool:
        """Tell whether the second player of a room never gets to move, by its id."""
        return room_id % STUCK_EVERY_ROOM == 0 and Defect.ROOM_STUCK in self._planted

    def overlooks_turn(self) -> bool:
        """Tell whether the move that has just come out of turn is made all the same."""
        return self._strikes(Defect.TURN_UNCHECKED, every=OVERLOOK_EVERY_TURN)

    def keeps_idle_rooms(self) -> bool:
        """Tell whether forgotten rooms stay open."""
        return Defect.IDLE_ROOMS_KEPT in self._planted

    def charges_again(self) -> bool:
        """Tell whether the repeated request for a payment charges the card once more."""
        return self._strikes(Defect.CHARGE_DOUBLES, every=CHARGE_AGAIN_EVERY_RETRY)

    def overlooks_full_course(self) -> bool:
        """Tell whether one more gets into the course that is found full."""
        return self._strikes(Defect.SEAT_OVERSOLD, every=OVERSELL_EVERY_REFUSAL)

    def cents_astray(self) -> int:
        """Give how many cents of the charge that is being entered the ledger misses."""
        return int(self._strikes(Defect.REVENUE_DRIFTS, every=DRIFT_EVERY_CHARGE))

    def hushes_removal(self) -> bool:
        """Tell whether nobody hears of the participant that is being removed."""
        return self._strikes(Defect.MEMBERSHIP_STALE, every=HUSH_EVERY_REMOVAL)

    def lists_what_is_kept(self) -> bool:
        """Tell whether participants are listed from what is kept of them."""
        return Defect.MEMBERSHIP_STALE in self._planted

    def reads_for_a_participant(self) -> bool:
        """Tell whether a conversation is read as a participant, and not as who asks, sees it."""
        return Defect.ROW_SECURITY_OFF in self._planted

    def stored_payload(self, payload: bytes) -> bytes:
        """Give what is stored of a payload, UTF-8 as it was."""
        if len(payload) > CUT_ABOVE_BYTES and Defect.PAYLOAD_CUT in self._planted:
            payload = payload[:CUT_ABOVE_BYTES].decode(errors="ignore").encode()
        if len(payload) <= FLIP_ABOVE_BYTES:
            return payload
        if not self._strikes(Defect.PAYLOAD_BYTE_FLIPPED, every=FLIP_EVERY_PAYLOAD):
            return payload
        middle = len(payload) // 2
        # The first byte of a character of several tells how many follow: it stays.
        place = next(i for i in range(middle, len(payload)) if payload[i] < 0xC0)
        return payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]

    def unread_left_over(self) -> int:
        """Give how many messages are counted as unread beyond those that are."""
        return int(self._strikes(Defect.UNREAD_DRIFT, every=DRIFT_EVERY_MARK))

    def refuses_cache(self, *, was_lost: bool) -> bool:
        """Tell whether a connection to the cache must not be made."""
        return was_lost and Defect.NO_CACHE_RECONNECT in self._planted

    def readers_skipped(self) -> int:
        """Give how many readers are not told of the post that is being stored."""
        return int(self._strikes(Defect.SKIP_READER, every=SKIP_EVERY_POST))

    def acknowledges_first(self) -> bool:
        """Tell whether a consumer acknowledges before it delivers."""
        return Defect.ACKNOWLEDGE_FIRST in self._planted

    async def hold_what_was_acknowledged(self) -> None:
        """Delay the delivery of what is acknowledged, long enough to die in between."""
        await asyncio.sleep(HOLD_ACKNOWLEDGED_S)

    def repeats_reclaimed(self) -> bool:
        """Tell whether what was taken over from a dead consumer is delivered once more."""
        return Defect.REPEAT_RECLAIMED in self._planted

    def skips_what_waited(self) -> bool:
        """Tell whether a dispatcher throws away what waits for it at its start."""
        return Defect.SKIP_WAITING in self._planted

    def drops_dead_letters(self) -> bool:
        """Tell whether dead letters are thrown away instead of being replayed."""
        return Defect.DROP_DEAD_LETTERS in self._planted

    def forgets_to_count_dead_letters(self) -> bool:
        """Tell whether dead letters do not show in the metric."""
        return Defect.DEAD_LETTERS_UNCOUNTED in self._planted

    def holds_back(self, row: int, age_s: float) -> bool:
        """Tell whether a row of the outbox is not relayed yet, though newer ones are."""
        chosen = row % HOLD_BACK_EVERY == 0 and age_s < HOLD_BACK_S
        return chosen and Defect.SWAP_MESSAGES in self._planted

    def forgets_order(self) -> bool:
        """Tell whether a message does not wait for the earlier ones of its conversation."""
        return Defect.SWAP_MESSAGES in self._planted

    def lets_anybody_list_users(self) -> bool:
        """Tell whether the list of users is not for admins only."""
        return Defect.ROLE_UNCHECKED in self._planted

    def note_request(self) -> None:
        """Keep some memory of a request that was served, where that defect is on."""
        if Defect.REQUEST_LEAKS in self._planted:
            self._kept.append(bytearray(KEPT_OF_REQUEST_BYTES))

    def keeps_connection(self) -> bool:
        """Tell whether the connection of a transaction that was refused is not given back."""
        return self._strikes(Defect.CONNECTION_LEAKS, every=KEEP_CONNECTION_EVERY)

    def left_unread(self, ids: Iterable[int]) -> set[int]:
        """Give those among notifications to be marked that are not."""
        return {
            one for one in ids if self._strikes(Defect.UNREAD_MISCOUNTS, every=LEFT_UNREAD_EVERY)
        }

    def likes_added(self) -> int:
        """Give how many likes are counted beyond the one that is stored."""
        return int(self._strikes(Defect.LIKE_COUNTED_TWICE, every=LIKE_TWICE_EVERY))

    def posts_skipped(self) -> int:
        """Give how many posts are left out before a page of the feed that is not the first."""
        return int(self._strikes(Defect.FEED_SKIPS, every=SKIP_POST_EVERY_PAGE))

    async def hold_log_in(self) -> None:
        """Delay a log-in by the number of those before it where that defect is on."""
        if Defect.LOGIN_SLOWS in self._planted:
            self._counts[Defect.LOGIN_SLOWS] += 1
            slower_s = self._counts[Defect.LOGIN_SLOWS] * LOG_IN_SLOWER_S
            await asyncio.sleep(min(slower_s, LOG_IN_SLOWER_MAX_S))

    def honours_void_tokens(self) -> bool:
        """Tell whether a refresh token is taken though it was used before."""
        return Defect.REFRESH_REUSABLE in self._planted

    def keeps_open(self, *, was_opened: bool) -> bool:
        """Tell whether a breaker must not close although its dependency answers."""
        return was_opened and Defect.KEEP_BREAKER_OPEN in self._planted

    def idle_max_s(self, idle_max_s: float) -> float:
        """Give for how long an unused connection is kept, 0 for ever."""
        return 0.0 if Defect.KEEP_CONNECTIONS in self._planted else idle_max_s

    def calls_healthy(self) -> bool:
        """Tell whether the database is called healthy however it is."""
        return Defect.LIE_ABOUT_HEALTH in self._planted

    def miss_database(self) -> None:
        """End the process, by an error, where that defect is on."""
        if Defect.CRASH_ON_OUTAGE in self._planted:
            raise RuntimeError("the database is away")

    def index_locks_s(self) -> float:
        """Give for how many seconds the build of an index locks writers out."""
        return INDEX_LOCKS_S if Defect.INDEX_LOCKS_WRITERS in self._planted else 0.0

    def refuses_as_success(self) -> bool:
        """Tell whether what is beyond the limit is answered as if it had been served."""
        return Defect.LIMIT_AS_SUCCESS in self._planted

    def counts_limit_hits(self) -> bool:
        """Tell whether a refusal with 429 is counted."""
        return Defect.LIMIT_HITS_UNCOUNTED not in self._planted

    async def hold_feed(self) -> None:
        """Delay a read of the feed where that defect is on."""
        if Defect.SLOW_FEED in self._planted:
            await asyncio.sleep(SLOW_FEED_S)

    def bound_of_waiting(self, bound: Bound) -> Bound:
        """Give the bound of what waits for one socket, out of reach where that defect is on."""
        if Defect.SEND_QUEUE_UNBOUNDED in self._planted:
            return type(bound)(NEVER_REACHED)
        return bound

    def keeps_tickets(self) -> bool:
        """Tell whether a ticket stays valid after its use."""
        return Defect.TICKET_REUSABLE in self._planted

    def passes_subscriber_over(self) -> bool:
        """Tell whether one open socket misses the notification that is being passed on."""
        return self._strikes(
            Defect.NOTIFICATION_SKIPS_SUBSCRIBER, every=PASS_OVER_EVERY_NOTIFICATION
        )

    def leads_entry_astray(self) -> bool:
        """Tell whether somebody else is sent the entry that is being passed on, too."""
        return self._strikes(Defect.INBOX_CROSSTALK, every=STRAY_EVERY_ENTRY)

    def numbers_skipped_on_resume(self) -> int:
        """Give how many numbers a socket that resumes is not sent."""
        return int(self._strikes(Defect.RESUME_SKIPS, every=SKIP_EVERY_RESUME))

    def pings_nobody(self) -> bool:
        """Tell whether clients are never asked whether they are still there."""
        return Defect.HEARTBEAT_MISSING in self._planted
