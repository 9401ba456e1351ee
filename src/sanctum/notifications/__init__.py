"""Notifications: what happened that a user may want to know.

Who is told of a post: everybody who shares a channel with its author, at most `READERS_MAX`, the
oldest accounts first. They are told in the statement that stores the post, so there is never one
without the other, and whoever reads the list after the post was acknowledged finds it there.
"""
