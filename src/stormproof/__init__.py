"""Prove that a service is ready for production.

The public names are what a trial or journey file needs; everything else is behind the command line.
"""

from stormproof.journeys.credential import api_key, basic, bearer
from stormproof.journeys.feed import Feed
from stormproof.journeys.interface import User
from stormproof.journeys.journey import Journey, check, journey
from stormproof.journeys.login import PasswordLogin, Ticket
from stormproof.journeys.metrics import Counter, Gauge, Rate, Trend
from stormproof.journeys.once import setup, teardown
from stormproof.journeys.pause import between, exponential, lognormal, normal
from stormproof.journeys.secret import secret
from stormproof.journeys.sockets import Reply, Socket
from stormproof.model.plan import SignIn
from stormproof.model.trial import Floors, Trial, TrialFault, TrialProbe

__version__ = "0.1.0"

__all__ = [
    "Counter",
    "Feed",
    "Floors",
    "Gauge",
    "Journey",
    "PasswordLogin",
    "Rate",
    "Reply",
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
    "exponential",
    "journey",
    "lognormal",
    "normal",
    "secret",
    "setup",
    "teardown",
]
