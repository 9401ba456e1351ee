"""Planted defects: known faults of the service, so that a tester can be tested.

All are off by default, switched on by name in ``SANCTUM_DEFECTS`` and refused in production. They
strike by count, never by chance, so that every run with a defect breaks the same promise. Every
other module asks at the place where a defect can bite, by a method named after what happens there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from typing import Self, TypeVar

LOSE_FIRST_ORDINAL = 500
LOSE_EVERY_ORDINAL = 1000
CHARGE_AGAIN_EVERY_RETRY = 3
OVERSELL_EVERY_REFUSAL = 3
DRIFT_EVERY_CHARGE = 4
STUCK_EVERY_ROOM = 5
OVERLOOK_EVERY_TURN = 3
SLOW_FEED_S = 0.3
SKIP_EVERY_POST = 5
PASS_OVER_EVERY_NOTIFICATION = 10
SKIP_EVERY_RESUME = 3
NEVER_REACHED = 2**40
HOLD_ACKNOWLEDGED_S = 0.5
HOLD_BACK_EVERY = 20
HOLD_BACK_S = 1.0
LOG_IN_SLOWER_S = 0.002
LOG_IN_SLOWER_MAX_S = 2.0

Bound = TypeVar("Bound", int, float)


class Defect(Enum):
    """Name a planted defect, with the promise of the service that it breaks."""

    broken_promise: str

    def __new__(cls, name: str, broken_promise: str) -> Self:
        """Make the name the value, so that a defect is found by it."""
        member = object.__new__(cls)
        member._value_ = name
        member.broken_promise = broken_promise
        return member

    LOSE_MESSAGE = (
        "lose_message",
        (
            "an acknowledged message reaches every member: the 500th committed message and every"
            " 1000th after it are never delivered, neither live nor by catch-up"
        ),
    )
    LOGIN_SLOWS = (
        "login_slows",
        (
            "a log-in takes as long after many as after few: each one that a process serves takes"
            " 2 ms longer than the one before, up to 2 s"
        ),
    )
    ROOM_STUCK = (
        "room_stuck",
        (
            "whoever may move can: in every 5th room that is opened each move of the second player"
            " is refused as out of turn"
        ),
    )
    TURN_UNCHECKED = (
        "turn_unchecked",
        "players move by turns: every 3rd move that a process gets out of turn is made",
    )
    IDLE_ROOMS_KEPT = (
        "idle_rooms_kept",
        "a room that nobody plays in ends by itself: none does",
    )
    CHARGE_DOUBLES = (
        "charge_doubles",
        (
            "a payment is charged once, however often it is asked for: of the repeated requests"
            " that a process gets every 3rd charges the card again"
        ),
    )
    SEAT_OVERSOLD = (
        "seat_oversold",
        (
            "no more seats of a course are taken than it has: every 3rd who comes to a process"
            " for a course that is full gets in"
        ),
    )
    REVENUE_DRIFTS = (
        "revenue_drifts",
        (
            "the ledger holds what was charged: for every 4th charge of a process it holds one cent"
            " less"
        ),
    )
    NO_CACHE_RECONNECT = (
        "no_cache_reconnect",
        (
            "the service recovers by itself when the cache is back: once the connection was lost it"
            " is never made again"
        ),
    )
    REFRESH_REUSABLE = (
        "refresh_reusable",
        (
            "a refresh token is good for one use: one that was used before gives new tokens again,"
            " and its session does not end"
        ),
    )
    SKIP_READER = (
        "skip_reader",
        (
            "everybody who shares a channel with its author is told of a post: of every 5th post"
            " that a process stores one reader is not told"
        ),
    )
    SEND_QUEUE_UNBOUNDED = (
        "send_queue_unbounded",
        (
            "a client that does not read is closed before it costs memory: what waits for one"
            " socket grows without end, and the socket stays open"
        ),
    )
    TICKET_REUSABLE = (
        "ticket_reusable",
        "a ticket opens one socket: it opens any number while it is valid",
    )
    NOTIFICATION_SKIPS_SUBSCRIBER = (
        "notification_skips_subscriber",
        (
            "every open socket gets each notification of its user: of every 10th that a process"
            " passes on one open socket hears nothing, though the lists hold it"
        ),
    )
    RESUME_SKIPS = (
        "resume_skips",
        (
            "a socket that resumes after a number gets everything later: every 3rd that resumes"
            " misses the first of it"
        ),
    )
    HEARTBEAT_MISSING = (
        "heartbeat_missing",
        "a client that is gone is noticed: no socket is ever pinged, so it stays open",
    )
    ACKNOWLEDGE_FIRST = (
        "acknowledge_first",
        (
            "a consumer that is killed loses nothing: it acknowledges messages half a second before"
            " it delivers them, so that those are lost which it holds when it dies"
        ),
    )
    REPEAT_RECLAIMED = (
        "repeat_reclaimed",
        (
            "a message is delivered once: what was taken over from a dead consumer is in each inbox"
            " twice"
        ),
    )
    SKIP_WAITING = (
        "skip_waiting",
        (
            "what is acknowledged is relayed, however long it waited: a dispatcher throws away what"
            " waits for it when it starts"
        ),
    )
    DROP_DEAD_LETTERS = (
        "drop_dead_letters",
        (
            "a dead letter is delivered once the cache is back: it is thrown away instead of being"
            " replayed"
        ),
    )
    SWAP_MESSAGES = (
        "swap_messages",
        (
            "the messages of a conversation arrive in its order: every 20th message is relayed a"
            " second late, and those after it do not wait for it"
        ),
    )
    DEAD_LETTERS_UNCOUNTED = (
        "dead_letters_uncounted",
        "operators see dead letters: messaging_outbox_dead_total never rises",
    )
    KEEP_BREAKER_OPEN = (
        "keep_breaker_open",
        (
            "the service recovers by itself when a dependency is back: a breaker that opened once"
            " never closes again"
        ),
    )
    KEEP_CONNECTIONS = (
        "keep_connections",
        (
            "after a peak the connections to the database that nobody needs are given back: none"
            " ever is"
        ),
    )
    LIE_ABOUT_HEALTH = (
        "lie_about_health",
        "health tells the truth: the database is called UP while it is away",
    )
    CRASH_ON_OUTAGE = (
        "crash_on_outage",
        (
            "the process outlives its dependencies and answers 503: it ends as soon as it misses"
            " the database that it had before"
        ),
    )
    LIMIT_AS_SUCCESS = (
        "limit_as_success",
        (
            "a request beyond the limit on requests at once is refused with 429: it is answered"
            " 200 with nothing in it, and counted as a success"
        ),
    )
    LIMIT_HITS_UNCOUNTED = (
        "limit_hits_uncounted",
        "every request refused with 429 is counted: rate_limit_hits_total never rises",
    )
    SLOW_FEED = ("slow_feed", "the feed is fast: every read of it takes 300 ms longer")


class Defects:
    """Answer, at each place where a defect can bite, whether it does."""

    def __init__(self, planted: Iterable[Defect] = ()) -> None:
        self._planted = frozenset(planted)
        self._counts: Counter[Defect] = Counter()

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

    def numbers_skipped_on_resume(self) -> int:
        """Give how many numbers a socket that resumes is not sent."""
        return int(self._strikes(Defect.RESUME_SKIPS, every=SKIP_EVERY_RESUME))

    def pings_nobody(self) -> bool:
        """Tell whether clients are never asked whether they are still there."""
        return Defect.HEARTBEAT_MISSING in self._planted
