"""Bounds on everything that can grow, in one place."""

SERIES_MAX = 1_000  # a run; what comes later goes to the series `other`
TAG_VALUES_MAX = 64
TAG_SETS_MAX = 256  # a scenario, in one worker
TAG_KEYS_MAX = 8  # that a user carries beside its scenario's
NAMES_PER_CALL_SITE_MAX = 200
ERROR_KINDS_MAX = 200
FAILURES_PER_KIND_MAX = 10_000
FAILURE_BODIES_PER_KIND_MAX = 20
BODY_KEPT_BYTES_MAX = 4_096
RESPONSE_BYTES_MAX = 64 << 20
WS_MESSAGE_BYTES_MAX = 16 << 20
WS_INBOX_MESSAGES_MAX = 256  # a socket, waiting for the journey; then its reading pauses
WS_INBOX_BYTES_MAX = 256 << 10
WS_EXCHANGES_PENDING_MAX = 1_000  # a socket
WS_PINGS_PENDING_MAX = 16  # a socket
SEGMENT_FRAME_BYTES_MAX = 16 << 20
PROFILE_BYTES_MAX = 1 << 20
JOURNEY_BYTES_MAX = 1 << 20
RECORD_RESERVE_BYTES = 4 << 20  # preallocated, so that a full disk still seals
WORKERS_MAX = 64
USERS_MAX = 50_000
RATE_PER_S_MAX = 100_000
REQUESTS_MAX = 1_000_000_000  # a run
FINDINGS_LISTED_MAX = 100  # of a kind; all are counted
LOG_BYTES_MAX = 64 << 20
