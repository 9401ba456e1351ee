"""Why a change is refused, as the storage finds out while it holds the row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sanctum.gateway.answers import Refusal
from sanctum.gateway.identity import Identity, Role
from sanctum.telemetry.metrics import Metrics


class NotThere(Exception):
    """Say that what is to be changed does not exist."""


class NotTheirs(Exception):
    """Say that it belongs to somebody else."""


class OutOfDate(Exception):
    """Say that it was changed since the client read it."""


class AccountGone(Exception):
    """Say that whoever asks has no account any more."""


def check_author(author_id: object, who: Identity, *, or_admin: bool = False) -> None:
    """Raise NotTheirs unless somebody is the author of something, or may act as if."""
    if author_id != who.user_id and not (or_admin and who.role.covers(Role.ADMIN)):
        raise NotTheirs


@contextmanager
def refusing(what: str, metrics: Metrics) -> Iterator[None]:
    """Turn what the storage found into a refusal; `what` names the thing for people."""
    try:
        yield
    except NotThere as error:
        raise Refusal(404, "not_found", f"there is no {what}") from error
    except NotTheirs as error:
        metrics.security_denied.labels("author").inc()
        raise Refusal(403, "not_yours", f"{what} belongs to somebody else") from error
    except OutOfDate as error:
        message = f"{what} was changed since; read it again"
        raise Refusal(409, "version_conflict", message) from error
    except AccountGone as error:
        raise Refusal(401, "invalid_token", "the account does not exist any more") from error
