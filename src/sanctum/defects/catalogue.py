"""The catalogue of planted defects: what each is called, and which promise it breaks."""

from __future__ import annotations

from enum import Enum
from typing import Self


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
    MEMBERSHIP_STALE = (
        "membership_stale",
        (
            "who was removed from a conversation is refused from then on: of every 3rd removal"
            " nobody who keeps the participants at hand hears"
        ),
    )
    ROW_SECURITY_OFF = (
        "row_security_off",
        (
            "nobody sees a conversation without taking part: reading one is done on behalf of a"
            " participant, whoever asks"
        ),
    )
    PAYLOAD_CUT = (
        "payload_cut",
        "a payload is delivered as it was posted: of one above 32 KiB the rest is cut off",
    )
    PAYLOAD_BYTE_FLIPPED = (
        "payload_byte_flipped",
        ("a payload is delivered as it was posted: in every 10th above 16 KiB one bit is another"),
    )
    UNREAD_DRIFT = (
        "unread_drift",
        "the count of unread messages is exact: after every 5th mark it is one too high",
    )
    FEED_SKIPS = (
        "feed_skips",
        (
            "whoever pages through the feed sees every post: each 10th page after a first one"
            " begins one post too late"
        ),
    )
    LIKE_COUNTED_TWICE = (
        "like_counted_twice",
        "a post counts each who likes it once: every 10th like adds two",
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
    INBOX_CROSSTALK = (
        "inbox_crosstalk",
        (
            "an inbox is for its user's eyes only: every 20th entry that a process passes on is"
            " sent to an open socket of somebody else as well"
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
    INDEX_LOCKS_WRITERS = (
        "index_locks_writers",
        (
            "a migration stops nobody: while it builds an index every writer of the table waits"
            " for five seconds"
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
    ROLE_UNCHECKED = (
        "role_unchecked",
        "only admins may list users: whoever has logged in may",
    )
    REQUEST_LEAKS = (
        "request_leaks",
        "memory is steady however many requests were served: 1 KB is kept of each",
    )
    CONNECTION_LEAKS = (
        "connection_leaks",
        (
            "a refused change gives its connection to the database back: of every 5th that is"
            " refused within a transaction it is kept for ever"
        ),
    )
    UNREAD_MISCOUNTS = (
        "unread_miscounts",
        (
            "what was marked read is not counted as unread: every 7th that is marked stays unread,"
            " though the answer counts it"
        ),
    )
    SLOW_FEED = ("slow_feed", "the feed is fast: every read of it takes 300 ms longer")
