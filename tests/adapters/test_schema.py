"""Proves that migrations lead to the tables, there and back again, however many migrate at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.schema import alembic_config, upgrade
from adaqueue.adapters.work_tables import Base
from adaqueue.errors import SettingsError

WHAT_POSTGRES_SAYS = (
    """SELECT table_name, column_name, data_type, is_nullable, column_default
       FROM information_schema.columns WHERE table_schema = 'public'""",
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
)


def schema(conn: Connection) -> set[tuple[object, ...]]:
    """Every column, constraint and index of the ledger, as Postgres itself describes it."""
    return {
        tuple(row)
        for statement in WHAT_POSTGRES_SAYS
        for row in conn.execute(text(statement))
        if row[0] != "alembic_version"
    }


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of the test's own, whose schema it may change."""
    own = Database(database_url)
    yield own
    own.close()


def described(database: Database) -> set[tuple[object, ...]]:
    with database.begin() as conn:
        return schema(conn)


def downgrade(database: Database) -> None:
    with database.begin() as conn:
        command.downgrade(alembic_config(conn), "base")


def test_down_leaves_nothing_and_up_again_leaves_the_same(database: Database) -> None:
    before = described(database)
    assert {table for table, *_ in before} == set(Base.metadata.tables)
    downgrade(database)
    assert described(database) == set()
    upgrade(database)
    assert described(database) == before


def test_alembic_finds_no_difference_between_tables_and_migrations(database: Database) -> None:
    options = {"compare_type": True, "compare_server_default": True}
    with database.begin() as conn:
        assert compare_metadata(MigrationContext.configure(conn, opts=options), Base.metadata) == []


def test_migrations_make_exactly_what_the_tables_would_checks_and_partial_indexes_too(
    database: Database,
) -> None:
    migrated = described(database)
    downgrade(database)
    with database.begin() as conn:
        Base.metadata.create_all(conn)
    assert described(database) == migrated


def test_a_second_upgrade_finds_nothing_to_do(database: Database) -> None:
    before = described(database)
    upgrade(database)
    assert described(database) == before


def at_once(*work: Callable[[], None]) -> list[BaseException]:
    errors: list[BaseException] = []

    def guarded(step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - a thread's error is the test's
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=[step]) for step in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_two_that_upgrade_an_empty_database_at_once_do_not_disturb_one_another(
    database: Database, database_url: str
) -> None:
    before = described(database)
    downgrade(database)
    other = Database(database_url)
    assert at_once(lambda: upgrade(database), lambda: upgrade(other)) == []
    other.close()
    assert described(database) == before


def test_the_schema_of_a_newer_adaqueue_is_refused_with_a_remedy(database: Database) -> None:
    with database.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"the ledger's schema: .*9999.*: install the adaqueue"):
        upgrade(database)
