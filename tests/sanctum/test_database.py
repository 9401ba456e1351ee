"""Transactions: all or nothing, bounded in time, and bound to one user by row-level security."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.sanctum.servers import BOUNDS, ROLE, ROLE_PASSWORD, Postgres

from sanctum.backing.database import PATIENCE, RETRIES_MAX, Database
from sanctum.backing.errors import DatabaseUnavailable
from sanctum.defects import Defects
from sanctum.telemetry.metrics import Metrics

COUNT = "SELECT count(*) FROM posts WHERE text = $1"
ADD = "INSERT INTO posts (author_id, text) VALUES (1, $1)"


@pytest.fixture
def metrics() -> Metrics:
    """Give the metrics of the store."""
    return Metrics()


@pytest.fixture
async def store(postgres: Postgres, database: str, metrics: Metrics) -> AsyncIterator[Database]:
    """Open the database as the application does, with one connection."""
    opened = Database(
        postgres.url(database, ROLE, ROLE_PASSWORD), BOUNDS, defects=Defects(), metrics=metrics
    )
    await opened.open()
    yield opened
    await opened.close()


def _sample(metrics: Metrics, name: str) -> float:
    lines = metrics.render().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name + " "))


async def _count(store: Database, text: str) -> object:
    row = await store.fetch_one("count", COUNT, text)
    assert row is not None
    return row[0]


async def test_transaction_takes_place_as_a_whole(store: Database) -> None:
    """Both statements are there after the end of the transaction."""
    async with store.transaction("add_two") as transaction:
        for _ in range(2):
            await transaction.fetch(ADD, "kept")
    assert await _count(store, "kept") == 2


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO users (username, password_hash) VALUES ('user-0001', '')",
         asyncpg.UniqueViolationError),
        ("SELECT 1 / (id - id) FROM users", asyncpg.DivisionByZeroError),
        # Without an answer in time the connection is dropped and replaced.
        ("SELECT pg_sleep(30)", DatabaseUnavailable),
    ],
)  # fmt: skip
async def test_failed_statement_rolls_back(
    store: Database, statement: str, error: type[Exception]
) -> None:
    """What was done before a failure is undone, and the next statement is served."""
    with pytest.raises(error):
        await _add_and(store, statement)
    assert await _count(store, "undone") == 0


async def _add_and(store: Database, statement: str) -> None:
    async with store.transaction("add_and_fail") as transaction:
        await transaction.fetch(ADD, "undone")
        await transaction.fetch(statement)


async def test_exception_of_the_caller_rolls_back(store: Database) -> None:
    """An exception between two statements undoes the first and keeps the connection of use."""
    with pytest.raises(LookupError):
        await _add_and_leave(store)
    assert await _count(store, "undone") == 0


async def _add_and_leave(store: Database) -> None:
    async with store.transaction("add_and_leave") as transaction:
        await transaction.fetch(ADD, "undone")
        raise LookupError


async def test_user_sees_own_conversations_only(store: Database, postgres: Postgres) -> None:
    """Rows of a conversation are there for its participants, for no other and for nobody."""
    await postgres.execute(
        "INSERT INTO conversations (kind, title, created_by) VALUES ('group', 'ours', 1)",
        "INSERT INTO participants (conversation_id, user_id) VALUES (1, 1), (1, 2)",
        "INSERT INTO conversation_messages VALUES (1, 1, 1, 'first', 'text')",
        database="sanctum",
    )
    seen = {}
    for user_id in (1, 2, 3, None):
        async with store.transaction("look", user_id) as transaction:
            tables = ("conversations", "conversation_messages")
            counts = [await transaction.fetch_one(f"SELECT count(*) FROM {t}") for t in tables]  # noqa: S608
            seen[user_id] = [row[0] for row in counts if row is not None]
    assert seen == {1: [1, 1], 2: [1, 1], 3: [0, 0], None: [0, 0]}


async def test_user_is_bound_to_one_transaction(store: Database) -> None:
    """The next transaction on the same connection is not that user's any more."""
    async with store.transaction("bound", 7) as transaction:
        row = await transaction.fetch_one("SELECT current_setting('sanctum.user_id', true)")
        assert row is not None
        assert row[0] == "7"
    row = await store.fetch_one("look", "SELECT current_setting('sanctum.user_id', true)")
    assert row is not None
    assert row[0] in (None, "")


FLAKY = """
    CREATE FUNCTION conflict(times bigint) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE tried bigint := nextval('tries');
    BEGIN
        IF tried <= times THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40P01'; END IF;
        RETURN tried;
    END $$
"""


@pytest.fixture
async def conflicts(postgres: Postgres, database: str) -> AsyncIterator[None]:
    """Offer a function that ends as a deadlock's victim so many times, counted over all calls."""
    await postgres.execute(
        "CREATE SEQUENCE tries", f"GRANT USAGE ON tries TO {ROLE}", FLAKY, database=database
    )
    yield
    await postgres.execute("DROP FUNCTION conflict", "DROP SEQUENCE tries", database=database)


async def test_victim_of_a_deadlock_is_tried_again(
    store: Database, metrics: Metrics, conflicts: None
) -> None:
    """A statement that a conflict rolled back twice succeeds at the third try; both are counted."""
    row = await store.fetch_one("flaky", "SELECT conflict($1)", 2)
    assert row is not None
    assert row[0] == 3
    assert _sample(metrics, "storage_retries_total") == 2


async def test_conflicts_without_end_are_given_up(
    store: Database, metrics: Metrics, conflicts: None
) -> None:
    """After its bounded tries the statement fails; the database is not called away for that."""
    await store.probe()
    with pytest.raises(DatabaseUnavailable):
        await store.fetch("flaky", "SELECT conflict($1)", 1000)
    assert _sample(metrics, "storage_retries_total") == RETRIES_MAX
    assert _sample(metrics, 'storage_errors_total{type="DeadlockDetectedError"}') == 1
    assert store.healthy


async def test_refused_statement_is_an_answer(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody probes, a caller's statement that the database refuses closes the breaker."""
    breaker = store._breaker
    breaker._succeeded_at -= PATIENCE.silence_s
    for _ in range(PATIENCE.failures):
        breaker.fail(breaker.admit(), "ask", "no answer")
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        await store.fetch("ask", "SELECT 1")
    monkeypatch.setattr("sanctum.backing.breaker.TRIAL_AFTER_S", 0.0)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await store.fetch("ask", "SELECT 1 / 0")
    assert breaker.closed
