"""The journal's database is brought to the present schema when it is opened, with all that it holds."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.engine import URL

from bot.database import Database, metadata
from bot.journal import Journal, JournalError
from bot.migrations import HEAD, VERSION_TABLE

# The schema as Lorebot made it before there were migrations.
BEFORE_MIGRATIONS = """
CREATE TABLE journal (id {number}, at VARCHAR NOT NULL, who VARCHAR NOT NULL, kind VARCHAR NOT NULL,
    subject VARCHAR NOT NULL, details {json} NOT NULL);
CREATE INDEX journal_of_subject ON journal (kind, subject, id);
CREATE TABLE journal_schema (version INTEGER NOT NULL, PRIMARY KEY (version));
INSERT INTO journal_schema VALUES (2);
INSERT INTO journal (at, who, kind, subject, details)
    VALUES ('2026-01-01T12:00:00+00:00', 'slack:U1', 'voice', 'default', '{{"adapter": "warm@1"}}');
CREATE TABLE deliveries (key VARCHAR NOT NULL, platform VARCHAR NOT NULL, owner VARCHAR NOT NULL,
    taken_at {real} NOT NULL, tries INTEGER NOT NULL, payload VARCHAR NOT NULL, done_at {real},
    PRIMARY KEY (key));
CREATE INDEX ix_deliveries_owner ON deliveries (owner);
CREATE INDEX ix_deliveries_done_at ON deliveries (done_at);
CREATE TABLE owners (owner VARCHAR NOT NULL, alive_until {real} NOT NULL, PRIMARY KEY (owner));
CREATE TABLE answers (number {number}, id VARCHAR NOT NULL UNIQUE, conversation VARCHAR NOT NULL,
    asker VARCHAR NOT NULL, place VARCHAR NOT NULL, answer VARCHAR NOT NULL, at VARCHAR NOT NULL);
CREATE INDEX answers_of_conversation ON answers (conversation, number);
CREATE TABLE judgements (answer_id VARCHAR NOT NULL, who VARCHAR NOT NULL, helpful BOOLEAN NOT NULL,
    fault VARCHAR, better VARCHAR NOT NULL, at VARCHAR NOT NULL, PRIMARY KEY (answer_id, who));
INSERT INTO answers (id, conversation, asker, place, answer, at)
    VALUES ('a1', 'slack:T/C/1', 'U1', '{{}}', '{{}}', '2026-01-01T12:00:00+00:00');
"""
TYPES = {
    "sqlite": {"number": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "json": "JSON", "real": "FLOAT"},
    "postgresql": {"number": "BIGSERIAL NOT NULL PRIMARY KEY", "json": "JSONB", "real": "FLOAT"},
}


@pytest.fixture
def engine(journal_at: URL) -> Iterator[Engine]:
    """A connection of the test's own to the database that is migrated."""
    made = create_engine(journal_at)
    yield made
    made.dispose()


def make_older(engine: Engine) -> None:
    statements = BEFORE_MIGRATIONS.format(**TYPES[engine.dialect.name]).split(";")
    with engine.begin() as connection:
        for statement in filter(str.strip, statements):
            connection.execute(text(statement))


def differences(engine: Engine) -> list[object]:
    """What Alembic would have to change so that the database is as the metadata says."""
    options = {
        "compare_type": True,
        "include_name": lambda name, kind, parents: kind != "table" or name in metadata.tables,
    }
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def revision(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())


def test_the_revisions_make_what_the_metadata_says(journal_at: URL, engine: Engine) -> None:
    Database(journal_at).close()

    assert differences(engine) == []
    assert revision(engine) == HEAD


def test_a_database_from_before_migrations_is_adopted_with_all_that_it_holds(
    journal_at: URL, engine: Engine
) -> None:
    make_older(engine)

    journal = Journal(journal_at)

    (kept,) = journal.recent(["voice"], 10)
    assert (kept.who, kept.details) == ("slack:U1", {"adapter": "warm@1"})
    journal.append("voice", "default", "alice", {"adapter": "warm@2"})
    journal.close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT asker FROM answers")).scalar_one() == "U1"
    assert differences(engine) == []
    assert revision(engine) == HEAD


def test_tables_that_the_first_lorebot_did_not_have_are_made(journal_at: URL, engine: Engine) -> None:
    make_older(engine)
    with engine.begin() as connection:
        for name in ("deliveries", "owners", "answers", "judgements"):
            connection.execute(text(f"DROP TABLE {name}"))
        connection.execute(text("UPDATE journal_schema SET version = 1"))

    Database(journal_at).close()

    assert set(inspect(engine).get_table_names()) >= set(metadata.tables)
    assert differences(engine) == []


def test_an_older_lorebot_still_knows_the_schema_as_its_own(journal_at: URL, engine: Engine) -> None:
    Database(journal_at).close()

    with engine.connect() as connection:
        assert connection.execute(text("SELECT version FROM journal_schema")).scalars().all() == [2]


def test_a_journal_of_a_newer_lorebot_is_left_alone(journal_at: URL, engine: Engine) -> None:
    Database(journal_at).close()
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))

    with pytest.raises(JournalError, match=r"newer Lorebot \(revision 9999, .*\): run the newer"):
        Database(journal_at)

    assert revision(engine) == "9999"


def test_processes_that_start_together_on_an_older_journal_migrate_it_once(
    journal_at: URL, engine: Engine
) -> None:
    make_older(engine)
    code = (
        "import sys; from sqlalchemy.engine import make_url; from bot.journal import Journal\n"
        "journal = Journal(make_url(sys.argv[1])); journal.append('start', 'a', 'me', {}); journal.close()\n"
    )
    shown = journal_at.render_as_string(hide_password=False)
    started = [subprocess.Popen([sys.executable, "-c", code, shown]) for _ in range(3)]

    assert [process.wait() for process in started] == [0, 0, 0]

    assert differences(engine) == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM journal WHERE kind = 'start'")).scalar_one() == 3


def test_a_migration_that_fails_leaves_the_older_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    make_older(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE answers_by_age (in_the_way INTEGER)"))
    before = inspect(engine).get_table_names()

    with pytest.raises(JournalError, match="answers_by_age"):
        Database(URL.create("sqlite", database=str(path)))

    assert inspect(engine).get_table_names() == before
    engine.dispose()


def test_what_an_older_lorebot_deleted_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    make_older(engine)
    engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        secret = "a question that was deleted " * 400
        connection.execute(
            "INSERT INTO answers (id, conversation, asker, place, answer, at) VALUES (?, ?, ?, ?, ?, ?)",
            ("a2", "c", "U2", "{}", secret, "2026-01-01"),
        )
        connection.commit()
        connection.execute("DELETE FROM answers WHERE id = 'a2'")
    connection.close()
    assert b"a question that was deleted" in path.read_bytes()

    Database(URL.create("sqlite", database=str(path))).close()

    assert not any(b"a question that was deleted" in file.read_bytes() for file in tmp_path.iterdir())


def test_the_newest_revision_is_the_one_that_is_named() -> None:
    scripts = ScriptDirectory(str(files("bot") / "migrations"))

    assert scripts.get_heads() == [HEAD]
