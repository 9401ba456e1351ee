"""Messaging: conversations, their participants and messages, and the memberships kept at hand."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.messaging.access import Access
from sanctum.messaging.conversation_routes import build_conversations, build_participants
from sanctum.messaging.conversations import ConversationStorage
from sanctum.messaging.memberships import Memberships, MembershipStorage, MembershipSweep
from sanctum.messaging.message_routes import build_messages
from sanctum.messaging.messages import MessageStorage
from sanctum.messaging.metrics import MessagingMetrics
from sanctum.messaging.participants import ParticipantStorage


def build(shared: Shared) -> Domain:
    """Build the domain."""
    settings, database, gate = shared.settings, shared.database, shared.gate
    metrics = MessagingMetrics(shared.metrics)
    memberships = Memberships(
        MembershipStorage(database),
        shared.cache,
        metrics,
        kept_max=settings.participants_kept_max,
        trusted_s=settings.participants_trusted_s,
    )
    shared.hub.listen(memberships)
    sweep = MembershipSweep(memberships, interval_s=settings.sweep_interval_s)
    access = Access(database, memberships, metrics)
    conversations = ConversationStorage(database, access, memberships, shared.defects, metrics)
    participants = ParticipantStorage(access, memberships, shared.defects)
    messages = MessageStorage(database, access, shared.defects)
    return Domain(
        routers=(
            build_conversations(conversations, access, gate),
            build_participants(participants, access, gate),
            build_messages(messages, access, gate, metrics),
        ),
        work={"memberships": sweep.run},
    )
