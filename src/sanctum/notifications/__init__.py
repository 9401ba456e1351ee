"""Notifications: what happened that a user may want to know.

Who is told of a post: everybody who shares a channel with its author, at most `READERS_MAX`, the
oldest accounts first. Who is told of a comment or a like: the author of the post, unless it is the
author's own. They are told in the transaction that stores the cause, so there is never one without
the other, and whoever reads the list after the cause was acknowledged finds it there. What is
deleted takes its notifications along, and a like that is taken back takes its own.

The same transaction appends an entry to each reader's inbox, which open sockets are sent at once.
"""
