"""Settings from environment variables; a flag wins over a variable, and what was taken is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SECRETS = ("ADMIN_TOKEN", "USER_TOKEN", "INSTRUCTOR_TOKEN")  # journeys read them by name
MASK = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What the environment says; `told` is what of it was used, as it may be shown and stored."""

    base_url: str = ""
    ws_url: str = ""
    region: str = ""
    profile: str = ""
    environment: str = ""
    told: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """Say in one line which settings came from the environment."""
        return "from the environment: " + ", ".join(f"{k}={v}" for k, v in self.told.items())


def read_variables(environ: Mapping[str, str], *, flags: Mapping[str, object]) -> Variables:
    """Read the variables of an environment.

    Args:
        environ: name -> value.
        flags: the variables that mean something here -> what was given for each on the command
            line; one whose flag was given is not read.
    """
    values = {name: environ.get(name, "") for name, given in flags.items() if not given}
    told = {name: value for name, value in values.items() if value}
    told |= {name: MASK for name in SECRETS if environ.get(name)}
    return Variables(
        base_url=values.get("BASE_URL", ""),
        ws_url=values.get("WS_URL", ""),
        region=values.get("REGION", ""),
        profile=values.get("TEST_PROFILE", ""),
        environment=values.get("STORMPROOF_ENV", ""),
        told=told,
    )
