"""Sanctum: the reference service that stormproof certifies.

Sign-up and log-in, a feed of posts, and channel chat over WebSockets. PostgreSQL holds the
truth; Valkey carries single-use tickets and the fan-out of committed messages. Without the cache
the service goes on: messages are acknowledged and reach their readers from PostgreSQL, and only new
tickets are refused.
"""
