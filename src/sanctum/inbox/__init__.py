"""Inboxes: all that a user is told, numbered without gaps, kept, and sent to every open socket.

Whoever tells a user something appends an entry to the user's inbox in the transaction that stores
the cause, so that there is never one without the other; after the commit the entry is published.
From there on it is a frame of a topic like any other: see `sanctum.gateway.topics`. Sockets on
`/api/ws/inbox` follow the inbox of the user that their ticket names.

Entries of kind `message` are made by the consumer of the message stream, which publishes them under
the same topic and in the same form. A message that is in no inbox was not delivered.
"""
