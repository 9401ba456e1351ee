"""Messaging: conversations, who takes part in them, and the messages that are posted to them.

A message is acknowledged once it is committed together with its outbox row; the pipeline brings it
to the inboxes from there. Who may reach a conversation is asked twice: a cache of participants
refuses most outsiders without a transaction, and PostgreSQL's row-level security shows nobody a row
of a conversation in which they take no part, whatever the cache believed.
"""
