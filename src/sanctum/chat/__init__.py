"""Chat: numbered messages in channels, delivered to every member exactly once and in order.

How a message travels: a socket's ``send`` becomes one statement that takes the channel's next
number and stores the message; after the commit the sender gets its ``ack`` and the message goes to
the publisher's queue. The publisher hands it to the cache's pub/sub, from where every process's
subscription offers it to the members it serves.

Pub/sub is only the fast path. Numbers have no gaps, so a member that is offered any number but the
next one knows that it missed something and reads it from PostgreSQL. The same catch-up serves a
resumed socket, a lost subscription, a message that could not be published, and the periodic sweep:
a member is either in step, or behind and reading pages until it is in step again.
"""
