"""The pipeline: how a stored message gets into the inbox of everybody who takes part.

    outbox row  ->  dispatcher  ->  stream entry  ->  consumer  ->  inbox entries

Database and cache cannot commit together, and each process may die at any instant. So everything
on the way may happen more than once, and one thing decides what counts: the outbox row is the token
of its message. It is made in the transaction that stores the message, and taken away in the
transaction that writes the inboxes. From that follows what the pipeline promises:

- Nothing twice: an entry without a row was delivered before, and is only acknowledged.
- Nothing lost: a row whose entry is not in the stream any more (the cache came back empty, somebody
  trimmed) is relayed again. The consumer deletes entries only after its transaction, so a row whose
  entry vanished is a message on which nobody works.
- In order: an entry waits while a row of its conversation with a smaller number is there, wherever
  that one is (not relayed, dead, with another consumer). Numbers have no gaps and are committed in
  order, so whatever is relayed, claimed or repeated in any order is delivered in the right one.

While the cache is away, rows move to the dead-letter table after some attempts, so that operators
see them; once it is back the dispatcher replays them before anything newer. Only one dispatcher
works at a time, the others stand by; any number of consumers share the stream as one group.
"""
