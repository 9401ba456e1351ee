"""A stand-in of the docker command line, for tests: NOT docker.

It writes down every command that it is given, and keeps the "services" of one project as plain
processes that answer HTTP: paused is stopped by SIGSTOP, killed is killed. It lives in a folder:

    services.json   service -> port           written by the test
    mode.json       {"hang": "pause"}, {"fail": "up"}, {"garbage": "ps"}: what goes wrong
    calls.jsonl     a line for each command
    state.json      service -> pid and state
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HOME = Path(os.environ["DOCKER_STANDIN"])
VERBS = ("version", "up", "down", "ps", "logs", "pause", "unpause", "stop", "start", "kill")
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
State = dict[str, dict[str, Any]]


def read(name: str, default: Any) -> Any:
    file = HOME / name
    return json.loads(file.read_bytes()) if file.exists() else default


def save(state: State) -> None:
    (HOME / "state.json").write_text(json.dumps(state))


def begin(port: int) -> int:
    """Start a server that belongs to nobody's run, as a container does."""
    env = {key: one for key, one in os.environ.items() if not key.startswith("STORMPROOF")}
    argv = [sys.executable, "-I", "-S", "-c", SERVER, str(port)]
    null = subprocess.DEVNULL
    started = subprocess.Popen(
        argv, env=env, stdin=null, stdout=null, stderr=null, start_new_session=True
    )
    return started.pid


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def carry_out(verb: str, words: list[str], state: State) -> State:
    """Do what a verb asks for; return how things are then."""
    services: dict[str, int] = read("services.json", {})
    named = [word for word in words if word in services] or list(services)
    match verb:
        case "up":
            return {name: {"pid": begin(services[name]), "state": "running"} for name in services}
        case "down":
            for one in state.values():
                send(one["pid"], signal.SIGKILL)
            return {}
        case "start":
            fresh = {name: {"pid": begin(services[name]), "state": "running"} for name in named}
            return {**state, **fresh}
        case "stop" | "kill" | "pause" | "unpause":
            number, new = {
                "pause": (signal.SIGSTOP, "paused"),
                "unpause": (signal.SIGCONT, "running"),
            }.get(verb, (signal.SIGKILL, "exited"))
            for name in named:
                send(state[name]["pid"], number)
            return {**state, **{name: {**state[name], "state": new} for name in named}}
        case "ps":
            sys.stdout.write('time="now" level=warning msg="`version` is obsolete"\n')
            for name, one in state.items():
                sys.stdout.write(json.dumps({"Service": name, "State": one["state"]}) + "\n")
        case "logs":
            sys.stdout.write("web-1  | the last words of web\n")
    return state


def main() -> int:
    """Take one command."""
    words = sys.argv[1:]
    with (HOME / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    verb = next((word for word in words if word in VERBS), "")
    mode: dict[str, str] = read("mode.json", {})
    if mode.get("hang") == verb:
        signal.pause()
    if mode.get("fail") == verb:
        sys.stderr.write("Cannot connect to the Docker daemon. Is the docker daemon running?\n")
        return 1
    if mode.get("garbage") == verb:
        sys.stdout.write("<html>proxy error</html>\n")
        return 0
    save(carry_out(verb, words, read("state.json", {})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
