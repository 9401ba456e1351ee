"""What every revision does: run its statements, and grant the application's role its rights."""

from __future__ import annotations

from collections.abc import Iterable

from alembic import context, op


def run(statements: Iterable[str]) -> None:
    """Run statements in order."""
    for statement in statements:
        op.execute(statement)


def grant(statements: Iterable[str]) -> None:
    """Run statements that name the application's role as `{role}`."""
    preparer = op.get_bind().dialect.identifier_preparer
    role = preparer.quote_identifier(context.config.attributes["role"])
    run(statement.format(role=role) for statement in statements)
