"""The process: its command line, exit codes, signals and logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.sanctum.clients import CHANNELS, PASSWORD, Api
from tests.sanctum.conftest import Serve
from tests.sanctum.servers import (
    DEADLINE_S,
    LOOPBACK,
    ROLE,
    ROLE_PASSWORD,
    Postgres,
    Valkey,
    free_port,
)

from sanctum.cli import main
from sanctum.migrations.runner import migrate
from sanctum.seeding import SeedSize, seed


def environment(postgres: Postgres, database: str, cache_url: str = "") -> dict[str, str]:
    """Give the environment of a process: ours, without the settings that it may hold."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SANCTUM_")}
    return {
        **own,
        "SANCTUM_DATABASE_OWNER_URL": postgres.url(database),
        "SANCTUM_DATABASE_URL": postgres.url(database, ROLE, ROLE_PASSWORD),
        "SANCTUM_CACHE_URL": cache_url or f"valkey://{LOOPBACK}:1/0",
    }


def _run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sanctum", *arguments]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def start(environ: dict[str, str], port: int, stdout: int) -> subprocess.Popen[bytes]:
    """Start a service as a process of its own."""
    command = [sys.executable, "-m", "sanctum", "serve", "--port", str(port)]
    return subprocess.Popen(command, env=environ, stdout=stdout)


async def until_ready(api: Api) -> None:
    """Wait until a process listens and calls itself ready."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with contextlib.suppress(OSError):
                if await api.ready():
                    return
            await asyncio.sleep(0.05)


async def _until_gone(api: Api) -> None:
    """Wait until a process takes no connection any more."""
    with contextlib.suppress(OSError):
        while True:
            await api.call("GET", "/health/live")


async def test_migrate_and_seed_can_be_repeated(postgres: Postgres) -> None:
    """Both commands bring an empty database to the same state however often they run."""
    await postgres.execute("CREATE DATABASE repeated")
    environ = environment(postgres, "repeated")
    for arguments in (("migrate",), ("seed", "--users", "7", "--channels", "3", "--posts", "5")):
        done = await asyncio.to_thread(_run, environ, *arguments)
        assert done.returncode == 0, done.stderr
    owner = postgres.url("repeated")
    size = SeedSize(users=7, channels=3, posts=5)
    await asyncio.to_thread(migrate, owner, environ["SANCTUM_DATABASE_URL"])
    await asyncio.to_thread(seed, owner, size, PASSWORD)
    connection = await asyncpg.connect(postgres.url("repeated"))
    counts = [
        await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        for table in ("users", "channels", "memberships", "posts")
    ]
    members = await connection.fetch("SELECT user_id, channel_id FROM memberships ORDER BY 1")
    hashes = await connection.fetchval("SELECT count(DISTINCT password_hash) FROM users")
    following = await connection.fetchval("INSERT INTO channels (name) VALUES ('x') RETURNING id")
    await connection.close()
    assert counts == [7, 3, 7, 5]
    assert [tuple(row) for row in members] == [(i, (i - 1) % 3 + 1) for i in range(1, 8)]
    assert (hashes, following) == (1, 4)


async def test_application_role_is_neither_owner_nor_superuser(
    postgres: Postgres, database: str
) -> None:
    """The service's own role can neither change the schema nor delete or rewrite messages."""
    connection = await asyncpg.connect(postgres.url(database, ROLE, ROLE_PASSWORD))
    is_super = await connection.fetchval(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    )
    assert is_super is False
    for statement in (
        "DROP TABLE messages",
        "ALTER TABLE messages ADD COLUMN x int",
        "DELETE FROM messages",
        "UPDATE messages SET body = ''",
        "UPDATE users SET password_hash = ''",
        "UPDATE memberships SET user_id = 2",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_migrations_can_be_undone(postgres: Postgres) -> None:
    """Down to nothing and up again leads to a database that can be seeded."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import make_url

    from sanctum import migrations

    await postgres.execute("CREATE DATABASE undone")
    owner = postgres.url("undone")
    urls = (owner, postgres.url("undone", ROLE, ROLE_PASSWORD))
    await asyncio.to_thread(migrate, *urls)
    url = make_url(owner).set(drivername="postgresql+asyncpg")
    config = Config(attributes={"url": url, "role": ROLE})
    config.set_main_option("script_location", str(Path(migrations.__file__ or "").parent))
    await asyncio.to_thread(command.downgrade, config, "base")
    await asyncio.to_thread(migrate, *urls)
    size = SeedSize(users=2, channels=1, posts=1)
    await asyncio.to_thread(seed, owner, size, PASSWORD)


BAD_CALLS: list[tuple[tuple[str, ...], dict[str, str], int, str]] = [
    (("nonsense",), {}, 64, "nonsense"),
    (("serve", "--port", "0"), {}, 64, "--port"),
    (("serve",), {"SANCTUM_DEFECTS": "slow_feed", "SANCTUM_ENV": "production"}, 64, "refused"),
    (("serve",), {"SANCTUM_DEFECTS": "typo"}, 64, "typo"),
    (("migrate",), {"SANCTUM_DATABASE_OWNER_URL": ""}, 64, "SANCTUM_DATABASE_OWNER_URL"),
    (("migrate", "--to", "nonsense"), {}, 64, "nonsense"),
    (("rehearse-migration", "--table", "x; DROP"), {}, 64, "is none of posts"),
    (("rehearse-migration",), {}, 69, '"posts" does not exist'),
    (("api-key",), {"SANCTUM_DATABASE_OWNER_URL": ""}, 64, "SANCTUM_DATABASE_OWNER_URL"),
    (("api-key",), {"SANCTUM_DATABASE_OWNER_URL": f"postgresql://o@{LOOPBACK}:1/x"}, 69, "dat"),
    (("seed",), {"SANCTUM_DATABASE_OWNER_URL": f"postgresql://o@{LOOPBACK}:1/x"}, 69, "database"),
    (("migrate",), {"SANCTUM_DATABASE_OWNER_URL": f"postgresql://o@{LOOPBACK}:1/x"}, 69, "dat"),
    (
        ("seed",),
        {"SANCTUM_ENV": "production", "SANCTUM_JWT_SECRET": "x" * 40},
        64,
        "refused in production",
    ),
]


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command line in this process; gives exit code, output and errors."""

    def run(environ: dict[str, str], *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sanctum", *arguments])
        monkeypatch.setattr(os, "environ", environ)
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_bad_calls_exit_with_one_message(postgres: Postgres, call: Call) -> None:
    """Bad input exits 64 and an unusable environment 69, each with a message on standard error."""
    base = environment(postgres, "postgres")
    for arguments, extra, code, message in BAD_CALLS:
        exited, output, errors = call({**base, **extra}, *arguments)
        assert (exited, output, message in errors) == (code, "", True), (arguments, errors)
    with socket.create_server((LOOPBACK, 0)) as occupied:
        port = str(occupied.getsockname()[1])
        exited, _, errors = call(base, "serve", "--port", port)
    assert (exited, "cannot listen" in errors) == (69, True)


def test_settings_command_lists_documented_variables(postgres: Postgres, call: Call) -> None:
    """The settings command prints every variable and masks what is secret."""
    exited, output, _ = call(environment(postgres, "postgres"), "settings")
    assert exited == 0
    assert "SANCTUM_CACHE_TIMEOUT_S=0.4" in output
    assert "lose_message" in output
    assert ROLE_PASSWORD not in output


def test_missing_extra_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a library of the extra is missing, the message says what to install."""
    monkeypatch.setitem(sys.modules, "sanctum.app", None)
    exited, _, errors = call({}, "serve")
    assert (exited, "stormproof[sanctum]" in errors) == (69, True)


async def test_seed_conflict_is_bad_input(postgres: Postgres, call: Call, database: str) -> None:
    """Seeding over somebody else's data exits 64 and says so."""
    statement = "UPDATE users SET username = 'someone' WHERE id = 3"
    await postgres.execute(statement, database=database)
    environ = environment(postgres, database)
    exited, _, errors = await asyncio.to_thread(call, environ, "seed", "--users", "5")
    assert (exited, "belong to other users" in errors) == (64, True)


async def test_rehearsal_command_prints_what_it_took(
    postgres: Postgres, call: Call, database: str
) -> None:
    """The output is one line of JSON: the table, the seconds of each step, the tries."""
    environ = environment(postgres, database)
    exited, output, errors = await asyncio.to_thread(
        call, environ, "rehearse-migration", "--table", "messages"
    )
    assert (exited, errors, output.count("\n")) == (0, "", 1)
    took = json.loads(output)
    assert (took["table"], len(took["seconds"]), took["tries"] >= 2) == ("messages", 4, True)


async def test_api_key_command_prints_a_key_and_nothing_else(
    postgres: Postgres, call: Call, serve: Serve, database: str
) -> None:
    """The printed key is accepted by a running service; a user who is none exits 64."""
    environ = environment(postgres, database)
    exited, output, errors = await asyncio.to_thread(
        call, environ, "api-key", "--user", "user-0002"
    )
    assert (exited, errors, output.count("\n")) == (0, "", 1)
    api = await serve()
    answer = await api.call("POST", "/api/posts", {"text": "by key"}, key=output.strip())
    assert (answer.status, answer.body["author"]) == (201, "user-0002")
    exited, output, errors = await asyncio.to_thread(call, environ, "api-key", "--user", "nobody")
    assert (exited, output, "no user nobody" in errors) == (64, "", True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_the_process_with_open_sockets(
    postgres: Postgres, database: str, valkey: Valkey, number: signal.Signals
) -> None:
    """A signal closes sockets with 1001 and ends the process with 0, also with a silent cache."""
    environ = environment(postgres, database, valkey.url)
    port = free_port()
    process = start(environ, port, subprocess.PIPE)
    api = Api(port)
    await until_ready(api)
    chat, stuck = await api.chat(), await api.stuck_chat(user=1 + CHANNELS)
    await chat.say("hello")
    valkey.pause()
    process.send_signal(number)
    output, _ = await asyncio.to_thread(process.communicate, None, DEADLINE_S)
    valkey.resume()
    assert process.returncode == 0
    assert await chat.closed() == 1001
    await stuck.abandon()
    lines = [json.loads(line) for line in output.splitlines()]
    assert {"listening"} <= {line["message"] for line in lines}
    assert all(line["level"] in ("info", "warning") for line in lines), lines


async def test_request_in_flight_is_answered_at_the_end(
    postgres: Postgres, database: str, valkey: Valkey
) -> None:
    """A request that was begun before the signal is served after it, and no new one is."""
    port = free_port()
    process = start(environment(postgres, database, valkey.url), port, subprocess.DEVNULL)
    api = Api(port)
    await until_ready(api)
    body = json.dumps({"text": "the last one"}).encode()
    lines = ("POST /api/posts HTTP/1.1", "host: sanctum", f"content-length: {len(body)}")
    proof = f"authorization: Bearer {await api.token()}"
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write("\r\n".join([*lines, proof, "expect: 100-continue", "", ""]).encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        process.send_signal(signal.SIGTERM)
        await _until_gone(api)
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 201")
        writer.close()
    assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0
    stored = await postgres.fetch("SELECT text FROM posts ORDER BY id DESC LIMIT 1", database)
    assert stored[0]["text"] == "the last one"


async def test_end_does_not_wait_for_a_stuck_log_reader(
    postgres: Postgres, database: str, valkey: Valkey
) -> None:
    """A reader of standard output that stopped reading does not keep the process alive."""
    environ = {**environment(postgres, database, valkey.url), "SANCTUM_LOG_LEVEL": "debug"}
    port = free_port()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with os.fdopen(write_end, "wb", buffering=0) as pipe:
        while pipe.write(b"\n" * 4096) is not None:
            pass
        os.set_blocking(write_end, True)
        process = start(environ, port, pipe.fileno())
        await until_ready(Api(port))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0
    os.close(read_end)
