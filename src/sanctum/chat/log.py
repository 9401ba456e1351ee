"""The chat's log: stored messages as the frames that members are sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sanctum.chat.frames import Message
from sanctum.chat.storage import ChatStorage
from sanctum.defects import Defects
from sanctum.gateway.frames import encode
from sanctum.gateway.members import Page

PAGE_MESSAGES = 100


class ChatLog:
    """Read the messages of channels; every method raises DatabaseUnavailable."""

    def __init__(self, storage: ChatStorage, defects: Defects) -> None:
        self._storage = storage
        self._defects = defects

    async def last_numbers(self, keys: Collection[int]) -> Mapping[int, int]:
        """Give the last number of each existing channel among those asked for."""
        return await self._storage.last_numbers(keys)

    async def after(self, key: int, number: int) -> Page:
        """Read a page of a channel's messages with a larger number."""
        stored = await self._storage.after(key, number, PAGE_MESSAGES)
        frames = [
            (
                message.number,
                encode(
                    Message(
                        channel=key,
                        number=message.number,
                        id=message.client_id,
                        from_=message.author_id,
                        body=message.body,
                    )
                ),
            )
            for message in stored
            if not self._defects.hides(message.ordinal)
        ]
        last = stored[-1].number if stored else number
        return Page(frames=frames, last=last, full=len(stored) == PAGE_MESSAGES)
