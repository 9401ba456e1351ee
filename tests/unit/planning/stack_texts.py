"""Stack files as text: a sound one, and changes to it."""

from __future__ import annotations

from pathlib import Path

from stormproof.model.own_stack import OwnStack
from stormproof.planning.stack_files import read_stack

SOUND = """
base_url = "http://127.0.0.1:{ports.web}"

[ports]
web = 8123
cache = "any"
cache-link = "any"

[[start]]
part = "cache"
argv = ["valkey-server", "--port", "{ports.cache}"]
ready = { port = "cache" }
stop = { signal = "INT", deadline = "3s" }
breakable = true

[[start]]
link = "cache-link"
listen = "cache-link"
upstream = "cache"
breakable = true

[[start]]
task = "migrate"
argv = ["./migrate", '{"a": {"b": 1}}', "{{ports.web}}"]
deadline = "10s"

[[start]]
part = "web"
argv = ["./serve", "{ports.web}", "{private}/data"]
env = { CACHE = "valkey://:{secrets.CACHE_KEY}@127.0.0.1:{ports.cache-link}" }
cwd = "sub"
ready = { port = "web", path = "/health", deadline = "20s" }

[servers.cache]
kind = "valkey"
url = "valkey://:{secrets.CACHE_KEY}@127.0.0.1:{ports.cache}"
"""


def read(folder: Path, text: str = SOUND) -> tuple[OwnStack, str]:
    """Read a stack file of that text; return what it says, and its problems a line each."""
    path = folder / "stack.toml"
    path.write_text(text, encoding="utf-8")
    own, source, problems = read_stack(path)
    assert source == text.encode()
    return own, "\n".join(str(one).removeprefix(f"{path}: ") for one in problems)
