"""The server process: uvicorn with bounded sockets and a bounded end."""

from __future__ import annotations

import signal
import socket
from types import FrameType

import uvicorn

from sanctum.app import Service
from sanctum.defects import Defects
from sanctum.gateway.frames import FRAME_BYTES_MAX
from sanctum.gateway.http import BoundedHttp
from sanctum.gateway.sockets import BoundedSocket
from sanctum.settings import Settings

BACKLOG = 2048
KEEP_ALIVE_S = 75
GRACE_S = 1


class Server(uvicorn.Server):
    """Serve until a signal; send every WebSocket away first and end within two seconds."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Ask for an orderly end; a second interrupt ends at once."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """End also when a background part of the service failed."""
        return await super().on_tick(counter) or self._service.failed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain the service, then stop."""
        self._service.drain()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Bind a listening socket; raises OSError when the address is in use or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def build_server(service: Service, settings: Settings) -> Server:
    """Configure the server of a service; ``run(sockets=[...])`` serves until a signal."""
    silent = Defects(settings.defects).pings_nobody()
    config = uvicorn.Config(
        service.app,
        loop="uvloop",
        http=BoundedHttp,
        ws=BoundedSocket,
        ws_max_size=FRAME_BYTES_MAX,
        ws_ping_interval=None if silent else settings.heartbeat_interval_s,
        ws_ping_timeout=settings.heartbeat_timeout_s,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=settings.connections_max,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config, service)
