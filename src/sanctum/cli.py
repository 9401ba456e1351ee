"""The command line: migrate, rehearse-migration, seed, api-key, serve, replay, settings."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from sanctum.defects import Defect, Defects
from sanctum.setting_values import Environment
from sanctum.settings import (
    Settings,
    SettingsError,
    describe_settings,
    read_settings,
    unknown_variables,
)

ROLES = ("api", "dispatcher", "consumer")
EXIT_BAD_INPUT = 64
EXIT_ENVIRONMENT = 69
EXIT_OUR_FAULT = 70
EXIT_INTERRUPTED = 130

T = TypeVar("T")
logger = logging.getLogger(__name__)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Sanctum, the reference service; ``sanctum settings`` lists its environment variables."""


@cli.command()
@click.option("--to", default="head", show_default=True, help="The revision, as 0002.")
@click.option("--undo", is_flag=True, help="Undo the later ones; what only they can hold is lost.")
def migrate(to: str, undo: bool) -> None:
    """Bring the database to the newest revision; make the application's role."""
    settings = _settings()
    owner_url = _owner_url(settings)
    from sanctum.migrations.runner import UnfitRole, UnknownRevision
    from sanctum.migrations.runner import migrate as run

    try:
        role = _on_database(lambda: run(owner_url, settings.database_url, to, undo=undo))
    except (UnfitRole, UnknownRevision) as error:
        _fail(EXIT_BAD_INPUT, f"migrate: {error}")
    state = "up to date" if to == "head" else f"at revision {to}"
    click.echo(f"the schema is {state}; the application's role is {role}")


@cli.command("rehearse-migration")
@click.option("--table", default="posts", show_default=True, help="Which table is changed.")
def rehearse_migration(table: str) -> None:
    """Add a column with an index to a table in use and take both away; prints what it took."""
    settings = _settings()
    owner_url = _owner_url(settings)
    import msgspec

    from sanctum.migrations.online import TableBusy
    from sanctum.migrations.rehearsal import TABLES, rehearse

    if table not in TABLES:
        _fail(EXIT_BAD_INPUT, f"rehearse-migration: {table!r} is none of {', '.join(TABLES)}")
    try:
        took = _on_database(lambda: rehearse(owner_url, table, Defects(settings.defects)))
    except TableBusy as error:
        _fail(EXIT_ENVIRONMENT, f"rehearse-migration: {error}")
    click.echo(msgspec.json.encode(took).decode())


@cli.command()
@click.option("--users", type=click.IntRange(1, 1_000_000), default=200, show_default=True)
@click.option("--channels", type=click.IntRange(1, 100_000), default=20, show_default=True)
@click.option("--posts", type=click.IntRange(0, 1_000_000), default=500, show_default=True)
@click.option("--conversations", type=click.IntRange(0, 1_000_000), default=0, show_default=True)
@click.option("--messages", type=click.IntRange(0, 10_000_000), default=0, show_default=True,
              help="Spread over the new conversations, and delivered.")  # fmt: skip
def seed(users: int, channels: int, posts: int, conversations: int, messages: int) -> None:
    """Fill the database with synthetic users, channels, posts and more; safe to repeat."""
    settings = _settings()
    owner_url = _owner_url(settings)
    if settings.env is Environment.PRODUCTION:
        _fail(EXIT_BAD_INPUT, "seed: refused in production, its users share a known password")
    from sanctum.seeding import SeedConflict, SeedSize
    from sanctum.seeding import seed as run

    size = SeedSize(
        users=users,
        channels=channels,
        posts=posts,
        conversations=conversations,
        messages=messages,
    )
    try:
        _on_database(lambda: run(owner_url, size, settings.seed_password))
    except SeedConflict as error:
        _fail(EXIT_BAD_INPUT, f"seed: {error}")
    made = f"seeded {users} users, {channels} channels, {posts} posts"
    click.echo(f"{made}, {conversations} conversations, {messages} messages")


@cli.command("api-key")
@click.option("--user", default="user-0001", show_default=True, help="Whose key it is.")
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True,
              help="How long it is valid.")  # fmt: skip
def api_key(user: str, days: int) -> None:
    """Print a fresh API key for the header X-API-Key; only its hash is kept."""
    owner_url = _owner_url(_settings())
    from sanctum.auth.issuing import UnknownUser, issue_key

    try:
        click.echo(_on_database(lambda: issue_key(owner_url, user, days)))
    except UnknownUser as error:
        _fail(EXIT_BAD_INPUT, f"api-key: {error}")


@cli.command()
@click.argument("role", type=click.Choice(ROLES), default=ROLES[0])
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True,
              help="Processes that answer requests on the port; bounds hold for each.")  # fmt: skip
@click.option("--worker", "place", type=(str, int, int), hidden=True)
def serve(
    role: str, host: str, port: int, workers: int, place: tuple[str, int, int] | None
) -> None:
    """Serve until SIGTERM or SIGINT; ready once database and cache are there.

    ROLE is what the process does: answer requests (api, the default), relay stored messages to the
    stream (dispatcher), or deliver them from there (consumer). The latter two answer health and
    metrics only. Several of each may run at once.
    """
    settings = _settings()
    if workers > 1 and role != ROLES[0]:
        _fail(EXIT_BAD_INPUT, f"serve: --workers is for {ROLES[0]}; start {role} several times")
    if place is not None:
        folder, number, descriptor = place
        with socket.socket(fileno=descriptor) as listener:
            _serve(settings, role, listener, (Path(folder), number))
        return
    from sanctum.server import listen

    try:
        listener = listen(host, port)
    except OSError as error:
        _fail(EXIT_ENVIRONMENT, f"serve: cannot listen on {host}:{port}: {error.strerror}")
    with listener:
        if workers > 1:
            _serve_several(settings, listener, workers)
        else:
            _serve(settings, role, listener, None)


def _serve(
    settings: Settings, role: str, listener: socket.socket, place: tuple[Path, int] | None
) -> None:
    # What is loaded here stays until the end: a hundred thousand objects that no collection need
    # look at, neither while they are made nor later.
    gc.disable()
    from sanctum.app import Service
    from sanctum.server import build_server
    from sanctum.telemetry.logs import Logs

    gc.freeze()
    gc.enable()
    host, port = listener.getsockname()[:2]
    with Logs(settings.log_level) as logs:
        service = Service(settings, logs, role, place)
        for name in unknown_variables(os.environ):
            logger.warning("unknown setting", extra={"fields": {"name": name}})
        logger.info("listening", extra={"fields": {"role": role, "host": host, "port": port}})
        build_server(service, settings).run(sockets=[listener])
    if service.failed:
        sys.exit(EXIT_OUR_FAULT)


def _serve_several(settings: Settings, listener: socket.socket, workers: int) -> None:
    import asyncio

    from sanctum.parent import Parent
    from sanctum.telemetry.logs import Logs

    with Logs(settings.log_level):
        parent = Parent(listener, workers)
        asyncio.run(parent.run())
    if parent.failed:
        sys.exit(EXIT_OUR_FAULT)


@cli.command()
def replay() -> None:
    """Put dead letters back into the outbox, to be relayed again."""
    settings = _settings()
    from sanctum.pipeline.replaying import replay as run

    click.echo(f"replayed {_on_database(lambda: run(settings.database_url))} messages")


@cli.command("settings")
def show_settings() -> None:
    """Print every setting with its value, default and documentation; secrets are masked."""
    for line in describe_settings(os.environ):
        click.echo(f"{line.name}={line.value}")
        click.echo(f"    {line.doc} (default: {line.default or 'empty'})")
    click.echo("\nPlanted defects, by the promise that each breaks:")
    for defect in Defect:
        click.echo(f"{defect.value}\n    {defect.broken_promise}")
    for name in unknown_variables(os.environ):
        click.echo(f"{name} is no setting", err=True)


def main() -> None:
    """Run the command line and exit as documented: 64 for bad input, 69 for the environment."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_BAD_INPUT)
    except click.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except ModuleNotFoundError as error:
        _fail(EXIT_ENVIRONMENT, f"{error}; Sanctum needs: pip install 'stormproof[sanctum]'")


def _settings() -> Settings:
    try:
        return read_settings(os.environ)
    except SettingsError as error:
        problems = "\n".join(f"  {problem}" for problem in error.problems)
        _fail(EXIT_BAD_INPUT, f"bad settings:\n{problems}\nsee: sanctum settings")


def _owner_url(settings: Settings) -> str:
    if not settings.database_owner_url:
        _fail(
            EXIT_BAD_INPUT,
            "bad settings:\n  SANCTUM_DATABASE_OWNER_URL: needed here, as"
            " postgresql://owner:password@host:port/database",
        )
    return settings.database_owner_url


def _on_database(work: Callable[[], T]) -> T:
    import asyncpg  # type: ignore[import-untyped]
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return work()
    except (OSError, TimeoutError, asyncpg.PostgresError, SQLAlchemyError) as error:
        reason = str(error) or type(error).__name__
        _fail(EXIT_ENVIRONMENT, f"the database cannot be used: {reason}")


def _fail(code: int, message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)
