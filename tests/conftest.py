"""What holds for every test: hypothesis repeats itself, and pure tests stay pure."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

PURE = tuple(Path(__file__).parent / folder for folder in ("unit", "property"))

# What fails once fails always: no random start, no stored examples, no stop-watch.
settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)
settings.load_profile("deterministic")


class ImpureTest(AssertionError):
    """A test of tests/unit or tests/property went to the network or waited for the clock."""


def _refuse(what: str) -> NoReturn:
    message = f"{what} in a pure test: move the test to tests/integration, or fake it"
    raise ImpureTest(message)


@pytest.fixture(autouse=True)
def purity(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse addresses and sleep to the tests of the pure folders."""
    if not any(folder in request.path.parents for folder in PURE):
        return
    for operation in ("bind", "connect", "connect_ex"):
        refusal = f"socket.{operation}"
        monkeypatch.setattr(socket.socket, operation, lambda *_args, _what=refusal: _refuse(_what))
    monkeypatch.setattr(time, "sleep", lambda _seconds: _refuse("time.sleep"))


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what runs enter in the user's audit log out of the real one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
