"""The fault `security-role`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stormproof.faults.databases import FORBIDDEN, Promise, session_on, table_of
from stormproof.kernel.errors import FaultRefused
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.postgres import Session, SqlRefused

_LOCK_WITHIN: Final = "SET lock_timeout = '2500ms'"
_ROLE: Final = "SELECT rolname::text, quote_ident(rolname) FROM pg_roles WHERE rolname = $1"
_HAS: Final = "SELECT has_table_privilege($1::text::name, $2::int8::oid, $3)"
# Only what the table's owner granted to the role itself can be taken away by name.
_GRANTED: Final = """
SELECT acl.is_grantable FROM pg_class AS t,
       aclexplode(coalesce(t.relacl, acldefault('r', t.relowner))) AS acl
 WHERE t.oid = $1::int8::oid AND acl.grantee = $2::text::regrole AND acl.privilege_type = $3
   AND acl.grantor = t.relowner
"""
_COLUMN: Final = """
SELECT quote_ident(attname) FROM pg_attribute
 WHERE attrelid = $1::int8::oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
   AND attidentity <> 'a' ORDER BY attnum LIMIT 1
"""
# Planned and not carried out; the server checks what the role may do all the same.
_TRIALS: Final = {
    "select": "EXPLAIN SELECT * FROM {table}",
    "insert": "EXPLAIN INSERT INTO {table} DEFAULT VALUES",
    "update": "EXPLAIN UPDATE {table} SET {column} = DEFAULT",
    "delete": "EXPLAIN DELETE FROM {table}",
}


class SecurityRole:
    """Take from the application's database role what it may do on a table.

    What it does:
        Revokes select, insert, update or delete on a table from a role, as the database's owner,
        and grants it again on undo, with the option to grant it where that was there. Every
        statement of the role that needs it is refused (42501) from its next execution on.
    Why it matters:
        A migration, a restored backup or a hardening rule forgets a grant. The database is up and
        answers, so that probes see nothing, and one path of the service fails.
    What a failure looks like:
        The refusal is answered as 500 with the database's own words, or taken for an outage of
        the whole database: a circuit breaker opens and stops what still works. Work that was
        refused is lost instead of being kept for later.
    Limits:
        A right that the role has by another way (as the table's owner's member, by PUBLIC, from
        somebody who is not the owner) cannot be taken so, and the fault is refused. Grants on
        single columns stay.
    Source:
        PostgreSQL's documentation of GRANT, REVOKE and of its error codes.
    """

    def __init__(self, server: Server, planned: PlannedFault, promise: Promise) -> None:
        self._server = server
        self._promise = promise
        self._role = str(planned.settings["role"])
        self._wanted = str(planned.settings["table"])
        self._privilege = str(planned.settings["privilege"])
        self._oid = 0
        self._taken: dict[str, str] = {}

    async def inject(self) -> str:
        """Revoke, having written down what is to be granted again."""
        async with session_on(self._server, changes=True) as session:
            self._oid, table = await table_of(session, self._wanted, self._server)
            found = await session.rows(_ROLE, self._role)
            if not found:
                raise FaultRefused(f"{self._server.part} has no role {self._role}")
            granted = await session.rows(
                _GRANTED, self._oid, str(found[0][1]), self._privilege.upper()
            )
            if not granted:
                raise FaultRefused(
                    f"{self._role} has no grant of its own to {self._privilege} on {table}, from "
                    "the table's owner: there is nothing to take"
                )
            self._taken = {
                "role": str(found[0][1]),
                "table": table,
                "privilege": self._privilege,
                "grantable": "yes" if granted[0][0] else "no",
            }
            self._promise(self._taken)
            what = f"{self._privilege} ON TABLE {table} FROM {self._taken['role']}"
            await session.execute(f"{_LOCK_WITHIN}; BEGIN")
            await session.execute(f"REVOKE {what}")
            if await self._has(session):  # and what is not committed is never done
                raise FaultRefused(f"{self._role} may {self._privilege} on {table} by another way")
            await session.execute("COMMIT")
        return f"revoked: {what}"

    async def witness(self) -> str | None:
        """Show that the server says so, and that a statement of the role is refused (42501)."""
        if not self._taken:
            return None
        async with session_on(self._server) as session:
            if await self._has(session):
                return None
            column = await session.value(_COLUMN, self._oid)
            trial = _TRIALS[self._privilege].format(table=self._taken["table"], column=column)
            try:
                await session.execute(f"BEGIN; SET LOCAL ROLE {self._taken['role']}; {trial}")
            except SqlRefused as refusal:
                if refusal.sqlstate != FORBIDDEN:
                    raise
                return f"as {self._role}: {refusal} ({FORBIDDEN})"
        return None

    async def lapse(self) -> str | None:
        """Show a role that has its privilege back."""
        async with session_on(self._server) as session:
            is_back = bool(self._taken) and await self._has(session)
        return f"{self._role} had got {self._privilege} back before" if is_back else None

    async def undo(self) -> str:
        """Grant again what was taken."""
        if not self._taken:
            return "nothing was taken"
        async with session_on(self._server, changes=True) as session:
            return await put_back_role(session, self._taken)

    async def residue(self) -> str | None:
        """Show a role that still may not do what it might before."""
        if not self._taken:
            return None
        async with session_on(self._server) as session:
            if await self._has(session):
                return None
        return f"{self._role} may not {self._privilege} on {self._taken['table']}"

    async def _has(self, session: Session) -> bool:
        return bool(await session.value(_HAS, self._role, self._oid, self._privilege))


async def put_back_role(session: Session, values: Mapping[str, str]) -> str:
    """Grant again what was revoked."""
    statement = grant(values)
    await session.execute(_LOCK_WITHIN)
    await session.execute(statement)
    return f"granted again: {statement}"


def grant(values: Mapping[str, str]) -> str:
    """Return the statement that grants again, also for somebody who has to do it by hand."""
    option = " WITH GRANT OPTION" if values["grantable"] == "yes" else ""
    what = f"{values['privilege']} ON TABLE {values['table']}"
    return f"GRANT {what} TO {values['role']}{option}"
