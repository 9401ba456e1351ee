"""A served Toxiproxy interface, an echo server behind it, and plain ways to talk to both."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 20.0


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65_536):
                self.request.sendall(data)
        except OSError:
            return  # a toxic has cut it


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False


@contextmanager
def echo_server() -> Iterator[str]:
    """Serve echoes; gives the address."""
    with _Server(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Served:
    """A running `stormproof proxy`."""

    def __init__(self, *arguments: str) -> None:
        argv = [sys.executable, "-m", "stormproof", "proxy", "--listen", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.host, self.port = "127.0.0.1", int(self.url.rpartition(":")[2] or 0)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask in JSON, or in bytes; return status and answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, sent)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if "json" in response.headers.get("Content-Type", ""):
            return response.status, json.loads(text)
        return response.status, text.decode()

    def raw(self, data: bytes) -> bytes:
        """Send bytes; return all that comes until the connection ends."""
        with socket.create_connection((self.host, self.port), PATIENCE_S) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while part := connection.recv(65_536):
                    answer += part
            except ConnectionResetError:
                return answer
            return answer

    def end(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


def dial(listen: str) -> socket.socket:
    """Connect to a proxy."""
    host, _, port = listen.rpartition(":")
    connection = socket.create_connection((host, int(port)), PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def received(connection: socket.socket, count: int) -> bytes:
    """Read `count` bytes, fewer where the connection is closed."""
    taken = b""
    while len(taken) < count and (part := connection.recv(count - len(taken))):
        taken += part
    return taken
