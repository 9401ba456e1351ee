"""Prove that a service is ready for production.

The public names are what a trial or journey file needs; everything else is behind the command line.
Each is imported when it is first asked for, so that `stormproof --help` does not wait for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stormproof.checks.own_checkers import Breach, Checked
    from stormproof.checks.own_history import HistoryView, Operation
    from stormproof.journeys.checker import checker
    from stormproof.journeys.credential import api_key, basic, bearer
    from stormproof.journeys.feed import Feed
    from stormproof.journeys.interface import User
    from stormproof.journeys.journey import Journey, check, journey
    from stormproof.journeys.login import PasswordLogin, Ticket
    from stormproof.journeys.metrics import Counter, Gauge, Rate, Trend
    from stormproof.journeys.once import setup, teardown
    from stormproof.journeys.pause import between, exponential, lognormal, normal
    from stormproof.journeys.requests import Response
    from stormproof.journeys.secret import secret
    from stormproof.journeys.sockets import Reply, Socket
    from stormproof.model.plan import SignIn
    from stormproof.model.setting import Setting
    from stormproof.model.trial import FinalRead, Floors, Trial, TrialFault, TrialProbe

__version__ = "0.1.0"

__all__ = [
    "Breach",
    "Checked",
    "Counter",
    "Feed",
    "FinalRead",
    "Floors",
    "Gauge",
    "HistoryView",
    "Journey",
    "Operation",
    "PasswordLogin",
    "Rate",
    "Reply",
    "Response",
    "Setting",
    "SignIn",
    "Socket",
    "Ticket",
    "Trend",
    "Trial",
    "TrialFault",
    "TrialProbe",
    "User",
    "api_key",
    "basic",
    "bearer",
    "between",
    "check",
    "checker",
    "exponential",
    "journey",
    "lognormal",
    "normal",
    "secret",
    "setup",
    "teardown",
]

_HOMES = {
    "stormproof.checks.own_checkers": "Breach Checked",
    "stormproof.checks.own_history": "HistoryView Operation",
    "stormproof.journeys.checker": "checker",
    "stormproof.journeys.credential": "api_key basic bearer",
    "stormproof.journeys.feed": "Feed",
    "stormproof.journeys.interface": "User",
    "stormproof.journeys.journey": "Journey check journey",
    "stormproof.journeys.login": "PasswordLogin Ticket",
    "stormproof.journeys.metrics": "Counter Gauge Rate Trend",
    "stormproof.journeys.once": "setup teardown",
    "stormproof.journeys.pause": "between exponential lognormal normal",
    "stormproof.journeys.requests": "Response",
    "stormproof.journeys.secret": "secret",
    "stormproof.journeys.sockets": "Reply Socket",
    "stormproof.model.plan": "SignIn",
    "stormproof.model.setting": "Setting",
    "stormproof.model.trial": "FinalRead Floors Trial TrialFault TrialProbe",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import a public name from the module that it lives in."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
