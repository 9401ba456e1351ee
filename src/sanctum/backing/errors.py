"""What a backing service does to its callers when it does not answer."""


class Unavailable(Exception):
    """Say that a backing service did not answer; whether a write took place is unknown."""


class DatabaseUnavailable(Unavailable):
    """Say that PostgreSQL did not answer in time or cannot serve."""


class CacheUnavailable(Unavailable):
    """Say that the cache did not answer in time or cannot serve."""
