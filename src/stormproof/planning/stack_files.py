"""Read a stack file: TOML that says how a target of one's own is started.

    base_url = "http://127.0.0.1:{ports.web}"

    [ports]
    web = "any"          # or a number
    cache = "any"
    cache-link = "any"

    [[start]]            # one after the other, as they stand here
    part = "cache"
    argv = ["valkey-server", "--port", "{ports.cache}"]
    ready = { port = "cache" }
    breakable = true

    [[start]]
    link = "cache-link"
    listen = "cache-link"
    upstream = "cache"
    breakable = true

    [[start]]
    task = "migrate"
    argv = ["./migrate"]

    [[start]]
    part = "web"
    argv = ["./serve", "--port", "{ports.web}"]
    env = { CACHE = "127.0.0.1:{ports.cache-link}", KEY = "{secrets.SHOP_KEY}" }
    ready = { port = "web", path = "/health", deadline = "20s" }

    [servers.cache]
    kind = "valkey"
    url = "valkey://127.0.0.1:{ports.cache}"

Whatever is wrong with it is found at once, with its place.
"""

from __future__ import annotations

import re
import signal
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, get_args

import msgspec

from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import STACK_ARGUMENTS_MAX, STACK_FILE_BYTES_MAX, STACK_STEPS_MAX
from stormproof.model.own_stack import (
    How,
    OwnCompose,
    OwnLink,
    OwnPart,
    OwnReadiness,
    OwnServer,
    OwnService,
    OwnStack,
    OwnStackKind,
    OwnStep,
    OwnTask,
    ServerKind,
)
from stormproof.planning.compose_files import ComposeFile, look_into, service_problems
from stormproof.planning.fields import Fields, suggest
from stormproof.planning.stack_texts import NAME, secrets_of, text_problems, word_of

SUFFIX: Final = ".toml"
ANY: Final = "any"  # a port that is free
ASKED: Final[tuple[How, ...]] = ("tcp", "http", "postgres")  # of a port
STEPS: Final = ("part", "task", "link", "service")
SIGNALS: Final = ("TERM", "INT", "QUIT", "HUP", "KILL", "USR1", "USR2")
OURS: Final = ("keeper",)  # whose log lies among those of the parts
_PORT_MAX: Final = 65_535
_PATH: Final = re.compile(r"/[!-~]*")
_EXAMPLE: Final = 'part = "web"'


class ReadStack(NamedTuple):
    """What a stack file says, its bytes, and all that is wrong with it."""

    own: OwnStack
    source: bytes
    problems: list[Problem]


def read_stack(path: Path) -> ReadStack:
    """Read a stack file with all that is wrong with it; the stack is whole even then.

    Raises:
        BadInput: the file cannot be read at all.
    """
    data = _bytes_of(path)
    problems: list[Problem] = []
    fields = Fields(_tables(data, str(path)), f"{path}:", problems)
    kind: OwnStackKind = "processes"
    if fields.has("kind") and fields.choice("kind", get_args(OwnStackKind)) == "compose":
        kind = "compose"
    compose, found = _compose(fields, path.parent) if kind == "compose" else (None, None)
    stack = OwnStack(
        kind=kind,
        compose=compose,
        file=path.name,
        sha256=sha256_hex(data),
        folder=str(path.parent.resolve()),
        base_url=fields.text("base_url", ""),
        ports=_ports(fields.inner("ports")),
        outside=_outside(fields.inner("outside")),
        steps=tuple(_steps(fields)),
        servers=tuple(_server(name, one) for name, one in fields.inner("servers").objects()),
    )
    fields.done()
    problems += _name_problems(stack, str(path))
    problems += text_problems(stack, str(path))
    if found is not None:
        problems += service_problems(stack, found, str(path))
    own = msgspec.structs.replace(stack, secrets=secrets_of(stack))
    return ReadStack(own, data, problems)


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(STACK_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        fix = "name a stack file, such as stack.toml"
        problem = Problem(where=f"stack {path}", what=f"cannot be read: {why}", fix=fix)
        raise BadInput([problem]) from error
    if len(data) > STACK_FILE_BYTES_MAX:
        what = f"is over {STACK_FILE_BYTES_MAX} bytes"
        raise BadInput([Problem(where=f"stack {path}", what=what)])
    return data


def _tables(data: bytes, where: str) -> Mapping[str, object]:
    """Parse TOML.

    Raises:
        BadInput: it is none.
    """
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 at byte {error.start}"
    except tomllib.TOMLDecodeError as error:
        what = f"is not TOML: {error}"
    except RecursionError:
        what = "is nested too deeply"
    except ValueError as error:  # a number of thousands of digits, a date that there is not
        what = f"cannot be read: {error}"
    raise BadInput([Problem(where=where, what=what)])


def _ports(fields: Fields) -> dict[str, int]:
    """Take the ports by name: "any" or a number."""
    ports: dict[str, int] = {}
    for name, value in fields.value.items():
        ports[name] = 0
        if fields.has(name) and value == ANY:
            continue
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _PORT_MAX:
            ports[name] = value
        else:
            fields.problem(name, f"{value!r:.40} is no port", f'"{ANY}", or 1 to {_PORT_MAX}')
    return ports


def _outside(fields: Fields) -> dict[str, int]:
    """Take the ports that somebody else serves, by name."""
    named = fields.value
    return {name: fields.whole(name, default=None, low=1, high=_PORT_MAX) for name in named}


def _steps(fields: Fields) -> Iterator[OwnStep]:
    """Take what is started, in the file's order."""
    for one in fields.listed("start", STACK_STEPS_MAX):
        kinds = [kind for kind in STEPS if one.has(kind)]
        if len(kinds) != 1:
            what = (
                f"is {' and '.join(kinds)}" if kinds else "is neither part, task, link nor service"
            )
            one.problem("", what, f"name it by one of them, such as {_EXAMPLE}")
            continue
        name = one.text(kinds[0], "")
        one.where = f"{fields.where} {kinds[0]} {name}"
        match kinds[0]:
            case "part":
                yield _part(name, one)
            case "task":
                yield _task(name, one)
            case "service":
                yield _service(name, one)
            case _:
                yield _link(name, one)
        one.done()


def _part(name: str, fields: Fields) -> OwnPart:
    stop = fields.inner("stop")
    word = stop.choice("signal", SIGNALS) if stop.has("signal") else SIGNALS[0]
    part = OwnPart(
        name=name,
        argv=_argv(fields),
        env=fields.inner("env").texts(),
        cwd=fields.text("cwd", ""),
        ready=_readiness(fields.inner("ready", required=True)),
        stop_signal=int(signal.Signals[f"SIG{word}"]),
        stop_deadline_ns=stop.duration_ns("deadline", default="5s", low="100ms", high="1m"),
        breakable=fields.flag("breakable", default=False),
    )
    stop.done()
    return part


def _readiness(fields: Fields) -> OwnReadiness:
    if fields.has("alive"):
        ready = OwnReadiness(
            how="alive", alive_ns=fields.duration_ns("alive", default=None, low="10ms", high="5m")
        )
        fields.done()
        return ready
    path = fields.text("path", "")
    how: How = "http" if path else "tcp"
    if fields.has("how"):
        chosen = fields.choice("how", ASKED)
        how = next((one for one in ASKED if one == chosen), how)
    if (how == "http") != bool(path):
        fields.problem("path", "goes with http and with nothing else", 'such as path = "/health"')
    if path and not _PATH.fullmatch(path):
        fields.problem("path", f"{path!r:.60} is none", "such as /health, without blanks")
    ready = OwnReadiness(
        port=fields.text("port", ""),
        how=how,
        path=path,
        deadline_ns=fields.duration_ns("deadline", default="30s", low="100ms", high="10m"),
    )
    fields.done()
    return ready


def _task(name: str, fields: Fields) -> OwnTask:
    return OwnTask(
        name=name,
        argv=_argv(fields),
        env=fields.inner("env").texts(),
        cwd=fields.text("cwd", ""),
        deadline_ns=fields.duration_ns("deadline", default="60s", low="100ms", high="1h"),
    )


def _link(name: str, fields: Fields) -> OwnLink:
    return OwnLink(
        name=name,
        listen=fields.text("listen", ""),
        upstream=fields.text("upstream", ""),
        breakable=fields.flag("breakable", default=False),
    )


def _service(name: str, fields: Fields) -> OwnService:
    stop = fields.inner("stop")
    service = OwnService(
        name=name,
        ready=_readiness(fields.inner("ready")) if fields.has("ready") else None,
        stop_deadline_ns=stop.duration_ns("deadline", default="10s", low="1s", high="30s"),
        breakable=fields.flag("breakable", default=False),
    )
    stop.done()
    return service


def _compose(fields: Fields, folder: Path) -> tuple[OwnCompose, ComposeFile]:
    """Take what is told of the compose file, and look into it."""
    file = fields.text("file", "docker-compose.yml")
    found = look_into(folder / file)
    compose = OwnCompose(
        file=file,
        sha256=found.sha256,
        env=fields.inner("env").texts(),
        up_deadline_ns=fields.duration_ns("up", default="5m", low="1s", high="1h"),
    )
    return compose, found


def _server(name: str, fields: Fields) -> OwnServer:
    kinds: tuple[ServerKind, ...] = get_args(ServerKind)
    chosen = fields.choice("kind", kinds)
    server = OwnServer(
        part=name,
        kind=next(one for one in kinds if one == chosen),
        url=fields.text("url", ""),
    )
    fields.done()
    return server


def _argv(fields: Fields) -> tuple[str, ...]:
    argv = fields.lines("argv")
    if not argv or not argv[0]:
        fields.problem("argv", "names no command", 'such as ["./serve", "--port", "{ports.web}"]')
    if len(argv) > STACK_ARGUMENTS_MAX:
        fields.problem("argv", f"has {len(argv)} arguments", f"<= {STACK_ARGUMENTS_MAX}")
    return argv


def _name_problems(stack: OwnStack, where: str) -> Iterator[Problem]:
    """Find names that are none, that are there twice, and ports that nobody names."""
    names = [one.name for one in stack.steps]
    for name in dict.fromkeys(
        [*names, *stack.ports, *stack.outside, *(one.part for one in stack.servers)]
    ):
        if not NAME.fullmatch(name) or name in OURS:
            fix = "letters, digits, - and _, at most 40, not `keeper`"
            yield Problem(where=where, what=f"the name {name!r:.60} is none", fix=fix)
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(where=f"{where}: start", what=f"{name!r} is there {count} times")
    numbers = Counter(port for port in stack.ports.values() if port)
    for port, count in numbers.items():
        if count > 1:
            what = f"{port} is given to {count} of them"
            yield Problem(where=f"{where}: ports", what=what, fix="one number for each")
    for kind, count in Counter(one.kind for one in stack.servers).items():
        if count > 1:
            what = f"{count} are of the kind {kind}, and their figures would be mixed"
            yield Problem(where=f"{where}: servers", what=what, fix="name one of each kind")
    yield from _unknown_ports(stack, where)


def _unknown_ports(stack: OwnStack, where: str) -> Iterator[Problem]:
    for step in stack.steps:
        place = f"{where}: {word_of(step)} {step.name}"
        ours = tuple(stack.ports)
        if isinstance(step, OwnService) and stack.compose is None:
            fix = 'kind = "compose"'
            yield Problem(where=place, what="is a service, and there is no compose file", fix=fix)
        if isinstance(step, OwnPart | OwnService) and step.ready is not None:
            if step.ready.how != "alive":
                yield from _bad_port(step.ready.port, f"{place} ready port", ours)
            elif isinstance(step, OwnService):
                fix = "leave `ready` out: it is up while it runs"
                yield Problem(where=f"{place} ready alive", what="is of processes", fix=fix)
        if isinstance(step, OwnLink):
            yield from _bad_port(step.listen, f"{place} listen", ours)
            yield from _bad_port(step.upstream, f"{place} upstream", (*ours, *stack.outside))
            if step.listen == step.upstream:
                yield Problem(where=place, what="leads from a port to itself")
    for name in sorted(set(stack.ports) & set(stack.outside)):
        what = "is among `ports` as well, which are ours"
        yield Problem(where=f"{where}: outside {name}", what=what, fix="another name")


def _bad_port(port: str, place: str, known: tuple[str, ...]) -> Iterator[Problem]:
    if port not in known:
        what = f"{port!r:.60} is no port of this file" if port else "is missing"
        fix = suggest(port, known) if known else "name it in [ports]"
        yield Problem(where=place, what=what, fix=fix)
