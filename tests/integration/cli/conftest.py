"""A small real target, and a trial and profile made for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

TRIAL = '''"""A target answers."""

from stormproof import Floors, Trial, TrialProbe, check, journey

TRIAL = Trial(
    name="small",
    title="A small target answers",
    stack="none",
    scenarios={"visit": "visit"},
    probes={"ready": TrialProbe(path="/health/ready")},
    floors=Floors(duration="5s"),
)


@journey
async def visit(user):
    answer = await user.http.get("/items/{id}", id=user.index)
    check(answer, "found", answer.status == 200)
'''

PROFILE: dict[str, Any] = {
    "description": "Five seconds.",
    "trial": "small",
    "workers": 1,
    "warmup": "2s",
    "duration": "5s",
    "scenarios": {
        "visit": {"executor": "constant-arrival-rate", "rate": 100, "preAllocatedVUs": 5}
    },
    "gate": {"http_req_failed{window:warmup}": ["rate<0.5"]},
    "thresholds": {
        "http_req_duration{scenario:visit}": ["p(90)<5000"],
        "http_req_failed{scenario:visit}": ["rate<0.2"],
    },
}


PROTOBUF = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
_COUNTING = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Answer every path with 200, or `/items` with what the test wants."""

    protocol_version = "HTTP/1.1"
    item_status = 200
    seen_headers: Mapping[str, str] = {}
    seen_path = ""
    metrics: Callable[[], str] | None = None  # what `/metrics` answers; it is not counted
    families: Callable[[], bytes] | None = None  # the same in protobuf, in its place
    answered = 0

    def do_GET(self) -> None:
        type(self).seen_headers, type(self).seen_path = dict(self.headers.items()), self.path
        status = self.item_status if self.path.startswith("/items") else 200
        body, kind = b'{"ok": true}', ""
        metrics = type(self).metrics
        families = type(self).families
        if self.path == "/metrics" and families is not None:
            body, kind = families(), PROTOBUF
        elif self.path == "/metrics" and metrics is not None:
            body = metrics().encode()
        else:
            with _COUNTING:
                type(self).answered += 1
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if kind:
            self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Project:
    """A folder with a trial, a profile, and a target that runs."""

    folder: Path
    target: str
    handler: type[Handler]

    @property
    def trial(self) -> str:
        return str(self.folder / "small.py")

    @property
    def profile(self) -> Path:
        return self.folder / "small.json"

    def change(self, change: Callable[[dict[str, Any]], object]) -> None:
        value = json.loads(self.profile.read_bytes())
        change(value)
        self.profile.write_text(json.dumps(value))

    def certify(self, *more: str) -> list[str]:
        return [
            "certify",
            self.trial,
            "--profile",
            str(self.profile),
            "--target",
            self.target,
            "--out",
            str(self.folder / "runs"),
            *more,
        ]

    def run_directory(self) -> Path:
        (only,) = (self.folder / "runs").iterdir()
        return only


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    handler = type("OneHandler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    (tmp_path / "small.py").write_text(TRIAL)
    (tmp_path / "small.json").write_text(json.dumps(PROFILE))
    try:
        yield Project(tmp_path, f"http://127.0.0.1:{server.server_port}", handler)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
