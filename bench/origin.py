"""nginx as the server that everybody is measured against: on one core, answering from memory."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import BenchFailure

READY_SECONDS = 10
BODY = '{"id": 17, "name": "bench", "items": [1, 2, 3]}'
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 60000; }}
http {{
    access_log off;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/json;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 '{body}'; }}
        location /orders {{ return 201 '{body}'; }}
    }}
}}
"""


@contextmanager
def nginx(core: int) -> Iterator[str]:
    """Serve on a free loopback port while the block lasts; gives the base URL.

    Raises:
        BenchFailure: it is not installed or does not come up.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise BenchFailure("nginx is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="stormproof-bench-") as folder:
        Path(folder).chmod(0o777)  # as root nginx leaves its worker to another user
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(
            _user_line() + _CONFIGURATION.format(folder=folder, port=port, body=BODY),
            encoding="utf-8",
        )
        argv = ["taskset", "-c", str(core), program, "-p", folder, "-c", str(configuration)]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await_port(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(READY_SECONDS)


def _user_line() -> str:
    return f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int) -> None:
    deadline_s = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchFailure(f"nothing listens on port {port} after {READY_SECONDS} s")
