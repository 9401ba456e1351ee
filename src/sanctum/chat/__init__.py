"""Chat: numbered messages in channels, delivered to every member exactly once and in order.

How a message travels: a socket's ``send`` becomes one statement that takes the channel's next
number and stores the message; after the commit the sender gets its ``ack`` and the message goes to
the publisher's queue. From there on it is a frame of a topic like any other: see
`sanctum.gateway.topics`.
"""
