"""Serve Toxiproxy's interface from the command line."""

from __future__ import annotations

from pathlib import Path

import click
import uvloop

from stormproof import __version__
from stormproof.faults.proxy.addresses import parse_address
from stormproof.faults.proxy.api import proxy_bodies
from stormproof.faults.proxy.bodies import ProxyBody
from stormproof.faults.proxy.proxies import Proxies
from stormproof.faults.proxy.refusal import Refusal
from stormproof.faults.proxy.serving import is_loopback, serve
from stormproof.kernel.errors import BadInput, Problem


def serve_proxies(listen: str, config: Path | None, seed: int, *, verbose: bool) -> int:
    """Serve until Ctrl-C; print the interface's URL once it is there.

    Raises:
        BadInput: the address or the file is wrong.
        EnvironmentFailure: an address is taken.
    """
    problems: list[Problem] = []
    where = ("", 0)
    try:
        where = parse_address(listen, needs_host=False)
    except Refusal as refusal:
        fix = "such as 127.0.0.1:8474"
        problems.append(Problem(where="--listen", what=_plain(refusal), fix=fix))
    bodies = [] if config is None else _read(config, problems)
    if problems:
        raise BadInput(problems)
    if not is_loopback(where[0]):
        click.echo(
            f"stormproof: whoever reaches {where[0]} can open ports here and connect anywhere "
            "through them",
            err=True,
        )
    name = f"stormproof.{__version__}"
    uvloop.run(
        serve(
            where,
            bodies,
            seed=seed,
            server_name=name,
            ready=_tell_ready,
            log=_tell if verbose else _ignore,
        )
    )
    return 0


def _read(config: Path, problems: list[Problem]) -> list[ProxyBody]:
    """Read the proxies of a file; what is wrong with it is added to `problems`."""
    try:
        bodies = proxy_bodies(config.read_bytes())
    except OSError as error:
        problems.append(Problem(where=str(config), what=error.strerror or str(error)))
        return []
    except Refusal as refusal:
        fix = 'a list such as [{"name": "db", "listen": "127.0.0.1:15432", "upstream": ...}]'
        problems.append(Problem(where=str(config), what=_plain(refusal), fix=fix))
        return []
    seen: set[str] = set()
    for at, body in enumerate(bodies, start=1):
        try:
            Proxies().check(body)
        except Refusal as refusal:
            problems.append(Problem(where=f"{config}: proxy {at}", what=_plain(refusal)))
        if body.name in seen:
            what = f"{body.name} is there twice"
            problems.append(Problem(where=f"{config}: proxy {at}", what=what))
        seen.add(body.name)
    return bodies


def _plain(refusal: Refusal) -> str:
    return refusal.message.removeprefix("bad request body: ")


def _tell_ready(url: str) -> None:
    click.echo(url)
    click.echo("stormproof: Toxiproxy's interface is served; Ctrl-C ends it", err=True)


def _ignore(line: str) -> None:
    """Say nothing: whoever starts us and reads no output must not make us wait."""


def _tell(line: str) -> None:
    try:
        click.echo(line, err=True)
    except OSError:
        return  # nobody reads it any more, which is no reason to refuse requests
