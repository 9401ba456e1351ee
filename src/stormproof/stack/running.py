"""A target that runs already: nothing of it is ours to start, to break or to stop."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.plan import Network, PlannedFault

REACH_TIMEOUT_S = 5.0


class RunningTarget:
    """Point the load at a URL that the user named (`stormproof.seams.Stack`)."""

    def __init__(self, url: str, network: Network | None = None) -> None:
        self._url = url
        self._network = network or Network()

    async def start(self) -> str:
        """Return the URL once its port answers.

        Raises:
            EnvironmentFailure: nothing answers there.
        """
        try:
            async with asyncio.timeout(REACH_TIMEOUT_S):
                writer = await self._knock()
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or "no answer"
            raise EnvironmentFailure(
                f"the target {self._url} cannot be reached: {why}", "start it, or correct --target"
            ) from error
        writer.close()
        await writer.wait_closed()
        return self._url

    async def _knock(self) -> asyncio.StreamWriter:
        if self._url.startswith("unix:"):
            _, writer = await asyncio.open_unix_connection(self._url.removeprefix("unix:"))
            return writer
        parts = urlsplit(self._network.proxy or self._url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        _, writer = await asyncio.open_connection(self._network.hosts.get(host, host), port)
        return writer

    async def inject(self, fault: PlannedFault) -> int:
        """Refuse: only a stack whose parts take their addresses from us can be broken."""
        raise EnvironmentFailure(f"{fault.name}: a running target cannot be broken", "use a stack")

    async def undo(self, fault: PlannedFault) -> None:
        """Refuse, as `inject` does."""
        raise EnvironmentFailure(f"{fault.name}: a running target cannot be broken", "use a stack")

    async def stop(self) -> None:
        """Leave it running; it is not ours."""
